//! The three architectures, as lists of layers, and their tensors under PyTorch's names.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use half::{bf16, f16};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Kind, Tensor};

/// One architecture; ReLU follows every layer but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Net {
    /// Three valid 3x3 convolutions and two linear layers for 28x28 gray images: 6,678 parameters
    Cnn,
    /// LeCun's LeNet-5 for 28x28 gray images, with ReLU and max pooling: 61,706 parameters
    Lenet5,
    /// Three padded 3x3 convolutions of 32 channels and one linear layer for 32x32 RGB images: 39,882 parameters
    CifarCnn,
}

enum Op {
    /// A square convolution, with 2x2 max pooling before its ReLU where `pool` is set (the order is the same
    /// function, and cheaper).
    Conv {
        kernel: i64,
        padding: i64,
        pool: bool,
    },
    Linear,
}

struct Layer {
    name: &'static str,
    inputs: i64,
    outputs: i64,
    op: Op,
}

const fn conv(
    name: &'static str,
    inputs: i64,
    outputs: i64,
    kernel: i64,
    padding: i64,
    pool: bool,
) -> Layer {
    Layer {
        name,
        inputs,
        outputs,
        op: Op::Conv {
            kernel,
            padding,
            pool,
        },
    }
}

const fn linear(name: &'static str, inputs: i64, outputs: i64) -> Layer {
    Layer {
        name,
        inputs,
        outputs,
        op: Op::Linear,
    }
}

const CNN: &[Layer] = &[
    conv("conv1", 1, 8, 3, 0, true),
    conv("conv2", 8, 16, 3, 0, true),
    conv("conv3", 16, 16, 3, 0, false),
    linear("fc1", 16 * 3 * 3, 20),
    linear("fc2", 20, 10),
];

const LENET5: &[Layer] = &[
    conv("conv1", 1, 6, 5, 2, true),
    conv("conv2", 6, 16, 5, 0, true),
    linear("fc1", 16 * 5 * 5, 120),
    linear("fc2", 120, 84),
    linear("fc3", 84, 10),
];

/// 39,882 parameters is the size in NUS-HPC-AI-Lab/Neural-Network-Diffusion issue 13; equal widths of 32 with two
/// poolings is the one plain three-layer network that has exactly as many.
const CIFAR_CNN: &[Layer] = &[
    conv("conv1", 3, 32, 3, 1, true),
    conv("conv2", 32, 32, 3, 1, true),
    conv("conv3", 32, 32, 3, 1, false),
    linear("fc1", 32 * 8 * 8, 10),
];

impl Layer {
    fn weight_shape(&self) -> Vec<i64> {
        match self.op {
            Op::Conv { kernel, .. } => vec![self.outputs, self.inputs, kernel, kernel],
            Op::Linear => vec![self.outputs, self.inputs],
        }
    }

    fn forward(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        Ok(match self.op {
            Op::Conv { padding, .. } => x.f_conv2d(weight, Some(bias), 1, padding, 1, 1)?,
            Op::Linear => x.f_flatten(1, -1)?.f_linear(weight, Some(bias))?,
        })
    }
}

impl Net {
    fn layers(self) -> &'static [Layer] {
        match self {
            Net::Cnn => CNN,
            Net::Lenet5 => LENET5,
            Net::CifarCnn => CIFAR_CNN,
        }
    }

    /// Names and shapes in the order of a PyTorch state dict: `conv1.weight`, `conv1.bias`, ...
    fn shapes(self) -> impl Iterator<Item = (String, Vec<i64>)> {
        self.layers().iter().flat_map(|layer| {
            [
                (format!("{}.weight", layer.name), layer.weight_shape()),
                (format!("{}.bias", layer.name), vec![layer.outputs]),
            ]
        })
    }
}

/// A network's tensors, float32 on the CPU, in the order of its layers.
pub struct Weights {
    net: Net,
    tensors: Vec<(String, Tensor)>,
}

impl Weights {
    /// Fresh weights, uniform within one over the square root of the fan-in as PyTorch's layers draw them.
    pub fn random(net: Net, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut fan_in = 1;
        let mut tensors = Vec::new();
        for (name, shape) in net.shapes() {
            if shape.len() > 1 {
                fan_in = shape[1..].iter().product::<i64>();
            }
            let bound = 1.0 / (fan_in as f32).sqrt();
            let count = shape.iter().product::<i64>();
            let values: Vec<f32> = (0..count)
                .map(|_| rng.random_range(-bound..bound))
                .collect();
            tensors.push((name, Tensor::f_from_slice(&values)?.f_reshape(&shape)?));
        }
        Ok(Weights { net, tensors })
    }

    /// Reads a safetensors file that holds exactly this architecture's tensors, in any floating-point dtype.
    pub fn load(net: Net, path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let file = SafeTensors::deserialize(&bytes)
            .with_context(|| format!("{}: not a safetensors file", path.display()))?;
        let mut tensors = Vec::new();
        for (name, shape) in net.shapes() {
            let view = file
                .tensor(&name)
                .with_context(|| format!("{}: no tensor {name}", path.display()))?;
            ensure!(
                view.shape()
                    .iter()
                    .map(|&d| d as i64)
                    .eq(shape.iter().copied()),
                "{}: {name} has shape {:?}, not {shape:?}",
                path.display(),
                view.shape()
            );
            let values = floats(&view).with_context(|| format!("{}: {name}", path.display()))?;
            tensors.push((name, Tensor::f_from_slice(&values)?.f_reshape(&shape)?));
        }
        Ok(Weights { net, tensors })
    }

    /// Writes the tensors as float32 safetensors.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut stored = BTreeMap::new();
        for (name, tensor) in &self.tensors {
            let values: Vec<f32> = tensor.f_detach()?.f_reshape([-1])?.try_into()?;
            let shape: Vec<usize> = tensor.size().iter().map(|&d| d as usize).collect();
            stored.insert(
                name,
                (
                    shape,
                    values
                        .iter()
                        .flat_map(|v| v.to_le_bytes())
                        .collect::<Vec<u8>>(),
                ),
            );
        }
        let mut views = Vec::new();
        for (name, (shape, bytes)) in &stored {
            views.push((
                name.as_str(),
                TensorView::new(Dtype::F32, shape.clone(), bytes)?,
            ));
        }
        std::fs::write(path, safetensors::serialize(views, None)?)
            .with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// Scores before softmax, one row of 10 for each image of `x` (images x channels x height x width).
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let layers = self.net.layers();
        let mut x = x.shallow_clone();
        for (i, (layer, pair)) in layers.iter().zip(self.tensors.chunks_exact(2)).enumerate() {
            x = layer.forward(&x, &pair[0].1, &pair[1].1)?;
            if let Op::Conv { pool: true, .. } = layer.op {
                x = x.f_max_pool2d(2, 2, 0, 1, false)?;
            }
            if i + 1 < layers.len() {
                x = x.f_relu()?;
            }
        }
        Ok(x)
    }

    /// The tensors under their names, in the order of the layers.
    pub fn tensors(&self) -> &[(String, Tensor)] {
        &self.tensors
    }

    pub fn tensors_mut(&mut self) -> &mut [(String, Tensor)] {
        &mut self.tensors
    }

    pub fn parameters(&self) -> usize {
        self.tensors.iter().map(|(_, tensor)| tensor.numel()).sum()
    }
}

fn floats(view: &TensorView) -> Result<Vec<f32>> {
    let data = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => data
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect(),
        Dtype::F64 => data
            .as_chunks()
            .0
            .iter()
            .map(|&b| f64::from_le_bytes(b) as f32)
            .collect(),
        Dtype::F16 => data
            .as_chunks()
            .0
            .iter()
            .map(|&b| f16::from_le_bytes(b).to_f32())
            .collect(),
        Dtype::BF16 => data
            .as_chunks()
            .0
            .iter()
            .map(|&b| bf16::from_le_bytes(b).to_f32())
            .collect(),
        other => bail!("dtype {other:?} is no floating-point dtype"),
    })
}

/// The class with the highest logit, for every image.
pub fn classes(logits: &Tensor) -> Result<Vec<u8>> {
    Ok(logits
        .f_argmax(1, false)?
        .f_to_kind(Kind::Uint8)?
        .try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn sizes_are_the_published_ones() {
        let count = |net: Net| {
            net.shapes()
                .map(|(_, s)| s.iter().product::<i64>())
                .sum::<i64>()
        };
        assert_eq!(count(Net::Cnn), 6_678);
        assert_eq!(count(Net::Lenet5), 61_706);
        assert_eq!(count(Net::CifarCnn), 39_882);
    }

    #[test]
    fn a_saved_network_loads_with_the_same_logits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        for (net, channels, side) in [
            (Net::Cnn, 1, 28),
            (Net::Lenet5, 1, 28),
            (Net::CifarCnn, 3, 32),
        ] {
            let weights = Weights::random(net, &mut ChaCha8Rng::seed_from_u64(3)).unwrap();
            weights.save(&path).unwrap();
            let x = Tensor::linspace(-1.0, 1.0, 2 * channels * side * side, tch::kind::FLOAT_CPU);
            let x = x.reshape([2, channels, side, side]);
            let logits = weights.logits(&x).unwrap();
            assert_eq!(logits.size(), [2, 10]);
            assert_eq!(
                logits,
                Weights::load(net, &path).unwrap().logits(&x).unwrap()
            );
        }
    }

    #[test]
    fn another_architecture_is_refused_by_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        Weights::random(Net::Cnn, &mut ChaCha8Rng::seed_from_u64(3))
            .unwrap()
            .save(&path)
            .unwrap();
        let error = Weights::load(Net::Lenet5, &path).err().unwrap().to_string();
        assert!(
            error.ends_with("conv1.weight has shape [8, 1, 3, 3], not [6, 1, 5, 5]"),
            "{error}"
        );
    }
}
