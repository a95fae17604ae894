//! Weights of networks: the first ones, and those in files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use half::{bf16, f16};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::architecture::Architecture;

/// Fresh weights, tensor after tensor as [`Architecture::shapes`] has them: uniform within one over the square root of
/// the fan-in, as PyTorch's layers draw them.
pub fn random(architecture: &Architecture, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut weights = Vec::with_capacity(architecture.parameters());
    let mut fan_in = 1;
    for (_, shape) in architecture.shapes() {
        if shape.len() > 1 {
            fan_in = shape[1..].iter().product::<usize>();
        }
        let bound = 1.0 / (fan_in as f32).sqrt();
        let count = shape.iter().product::<usize>();
        weights.extend((0..count).map(|_| rng.random_range(-bound..bound)));
    }
    weights
}

/// Writes a network's tensors as float32 safetensors.
pub fn save(architecture: &Architecture, weights: &[f32], path: &Path) -> Result<()> {
    let mut bytes: Vec<u8> = Vec::with_capacity(4 * weights.len());
    weights.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    let (mut views, mut rest) = (BTreeMap::new(), bytes.as_slice());
    for (name, shape) in architecture.shapes() {
        let (data, after) = rest.split_at(4 * shape.iter().product::<usize>());
        rest = after;
        views.insert(name, TensorView::new(Dtype::F32, shape, data)?);
    }
    std::fs::write(path, safetensors::serialize(views, None)?)
        .with_context(|| format!("{}: cannot be written", path.display()))
}

/// Reads a safetensors file that holds exactly this architecture's tensors, in any floating-point dtype.
pub fn load(architecture: &Architecture, path: &Path) -> Result<Vec<f32>> {
    let mut weights = Vec::with_capacity(architecture.parameters());
    let bytes =
        std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let file = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{}: not a safetensors file", path.display()))?;
    for (name, shape) in architecture.shapes() {
        let view = file
            .tensor(&name)
            .with_context(|| format!("{}: no tensor {name}", path.display()))?;
        ensure!(
            view.shape() == shape,
            "{}: {name} has shape {:?}, not {shape:?}",
            path.display(),
            view.shape()
        );
        append(&view, &mut weights).with_context(|| format!("{}: {name}", path.display()))?;
    }
    Ok(weights)
}

fn append(view: &TensorView, values: &mut Vec<f32>) -> Result<()> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => values.extend(data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
        Dtype::F64 => {
            values.extend(
                data.as_chunks()
                    .0
                    .iter()
                    .map(|&b| f64::from_le_bytes(b) as f32),
            );
        }
        Dtype::F16 => {
            values.extend(
                data.as_chunks()
                    .0
                    .iter()
                    .map(|&b| f16::from_le_bytes(b).to_f32()),
            );
        }
        Dtype::BF16 => {
            values.extend(
                data.as_chunks()
                    .0
                    .iter()
                    .map(|&b| bf16::from_le_bytes(b).to_f32()),
            );
        }
        other => bail!("dtype {other:?} is no floating-point dtype"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Net, Options};
    use crate::data::Shape;
    use rand::SeedableRng;

    fn built(net: Net) -> Architecture {
        let shape = Shape {
            channels: 1,
            height: 28,
            width: 28,
        };
        let options = Options {
            net,
            widths: vec![],
        };
        Architecture::new(&options, shape).unwrap()
    }

    fn fresh(architecture: &Architecture, seed: u64) -> Vec<f32> {
        random(architecture, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn saved_networks_load_with_the_same_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let architecture = built(Net::Lenet5);
        let networks = [0, 1].map(|seed| fresh(&architecture, seed));
        assert_ne!(networks[0], networks[1]);
        for weights in networks {
            let path = folder.path().join("net.safetensors");
            save(&architecture, &weights, &path).unwrap();
            assert_eq!(load(&architecture, &path).unwrap(), weights);
        }
    }

    #[test]
    fn another_architecture_is_refused_by_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        let cnn = built(Net::Cnn);
        save(&cnn, &fresh(&cnn, 1), &path).unwrap();
        let error = load(&built(Net::Lenet5), &path).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("conv1.weight has shape [8, 1, 3, 3], not [6, 1, 5, 5]"),
            "{error}"
        );
    }
}
