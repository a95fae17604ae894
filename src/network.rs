//! A network as the host knows it: named tensors, and a safetensors file of them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::container::{Entry, header};
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::tensor::Tensor;

/// A network's tensors in the order of their names, `order`: those of the layout from `weights`, the others from the
/// base.
///
/// Fails with [`Error::Corrupt`], of the file `of`, where a tensor is in neither.
pub(crate) fn tensors(
    layout: &Layout,
    base: Vec<Tensor>,
    order: &[String],
    weights: &[f32],
    of: &Path,
) -> Result<Vec<Tensor>> {
    if weights.len() != layout.parameters() {
        return Err(Error::invalid(format!(
            "{} weights given and the network has {}; pass one whole network",
            weights.len(),
            layout.parameters()
        )));
    }
    let generated = layout
        .ranges()
        .map(|(spec, range)| Tensor::from_f32(spec.clone(), &weights[range]));
    let mut named: HashMap<String, Tensor> = generated
        .chain(base)
        .map(|tensor| (tensor.spec.name.clone(), tensor))
        .collect();
    let missing = |name| Error::corrupt(of, format!("tensor {name} has no values"));
    order
        .iter()
        .map(|name| named.remove(name).ok_or_else(|| missing(name)))
        .collect()
}

/// Writes a network's tensors as a safetensors file.
pub(crate) fn write(tensors: &[Tensor], path: &Path) -> Result<()> {
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
