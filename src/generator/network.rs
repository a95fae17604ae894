//! A sampled network as the host knows it: named tensors, and a safetensors file of them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::container::{Entry, header};
use crate::error::{Error, Result};
use crate::files;
use crate::generator::file::GeneratorFile;
use crate::tensor::Tensor;

pub(super) fn tensors(file: &GeneratorFile, weights: &[f32]) -> Result<Vec<Tensor>> {
    let layout = &file.about.layout;
    if weights.len() != layout.parameters() {
        return Err(Error::invalid(format!(
            "{} weights given and the network has {}; pass one whole network",
            weights.len(),
            layout.parameters()
        )));
    }
    let mut named: HashMap<&str, Tensor> = HashMap::new();
    for (spec, range) in layout.ranges() {
        named.insert(&spec.name, Tensor::from_f32(spec.clone(), &weights[range]));
    }
    for spec in &file.about.base {
        named.insert(&spec.name, file.base(spec)?);
    }
    file.about
        .order
        .iter()
        .map(|name| {
            named.remove(name.as_str()).ok_or_else(|| {
                Error::corrupt(
                    file.container.path(),
                    format!("tensor {name} has no values"),
                )
            })
        })
        .collect()
}

pub(super) fn write(tensors: &[Tensor], path: &Path) -> Result<()> {
    let entries: Vec<Entry> = tensors
        .iter()
        .map(|tensor| Entry::new(&tensor.spec.name, tensor.spec.dtype, &tensor.spec.shape))
        .collect();
    // What PyTorch's own writer says, so that every loader takes the file.
    let mut bytes = header(&entries, &BTreeMap::from([("format".into(), "pt".into())]));
    for tensor in tensors {
        bytes.extend_from_slice(&tensor.bytes);
    }
    files::write(path, &bytes)
}
