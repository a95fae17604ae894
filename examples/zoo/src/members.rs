//! Networks of one architecture side by side: all compute at once, by batched products and grouped convolutions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use half::{bf16, f16};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Kind, Tensor};

use crate::architecture::{Architecture, CLASSES, Layer};

/// Weights of some networks, float32 on the CPU.
pub struct Members {
    pub architecture: Arc<Architecture>,
    /// [members, parameters], tensor after tensor as `Architecture::shapes` has them.
    pub flat: Tensor,
}

impl Members {
    /// Fresh weights, one network from each generator: uniform within one over the square root of the fan-in, as
    /// PyTorch's layers draw them.
    pub fn random(architecture: &Arc<Architecture>, rngs: &mut [ChaCha8Rng]) -> Result<Members> {
        let mut values = Vec::with_capacity(rngs.len() * architecture.parameters() as usize);
        for rng in rngs {
            let mut fan_in = 1;
            for (_, shape) in architecture.shapes() {
                if shape.len() > 1 {
                    fan_in = shape[1..].iter().product::<i64>();
                }
                let bound = 1.0 / (fan_in as f32).sqrt();
                let count = shape.iter().product::<i64>();
                values.extend((0..count).map(|_| rng.random_range(-bound..bound)));
            }
        }
        Members::new(architecture, &values)
    }

    /// Networks from their numbers, one after another.
    pub fn new(architecture: &Arc<Architecture>, values: &[f32]) -> Result<Members> {
        let flat = Tensor::f_from_slice(values)?.f_reshape([-1, architecture.parameters()])?;
        Ok(Members {
            architecture: architecture.clone(),
            flat,
        })
    }

    /// Reads safetensors files that hold exactly this architecture's tensors, in any floating-point dtype.
    pub fn load<P: AsRef<Path>>(architecture: &Arc<Architecture>, paths: &[P]) -> Result<Members> {
        let mut values = Vec::with_capacity(paths.len() * architecture.parameters() as usize);
        for path in paths {
            read(architecture, path.as_ref(), &mut values)?;
        }
        Members::new(architecture, &values)
    }

    pub fn len(&self) -> usize {
        self.flat.size()[0] as usize
    }

    /// `count` copies of each network.
    pub fn repeated(&self, count: usize) -> Result<Members> {
        Ok(Members {
            architecture: self.architecture.clone(),
            flat: self
                .flat
                .f_detach()?
                .f_repeat_interleave_self_int(count as i64, 0, None)?,
        })
    }

    /// Scores before softmax [members, images, 10]. `x` is images x channels x height x width for all members alike, or
    /// has every member's channels side by side.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let members = self.len() as i64;
        let parts = self.flat.f_split_with_sizes(self.architecture.sizes(), 1)?;
        let layers = &self.architecture.layers;
        let mut x = x.shallow_clone();
        for (i, (layer, pair)) in layers.iter().zip(parts.chunks_exact(2)).enumerate() {
            let (weight, bias) = (&pair[0], &pair[1]);
            x = match *layer {
                Layer::Conv {
                    inputs,
                    outputs,
                    kernel,
                    padding,
                    pool,
                } => {
                    let weight = weight.f_reshape([members * outputs, inputs, kernel, kernel])?;
                    // One group when all members see the same images.
                    let groups = x.size()[1] / inputs;
                    if i == 0 && groups > 1 {
                        x = channels_innermost(&x)?;
                    }
                    let maps =
                        x.f_conv2d(&weight, Some(bias.f_reshape([-1])?), 1, padding, 1, groups)?;
                    match pool {
                        true => maps.f_max_pool2d(2, 2, 0, 1, false)?,
                        false => maps,
                    }
                }
                Layer::Linear { inputs, outputs } => {
                    let images = x.size()[if x.dim() == 4 { 0 } else { 1 }];
                    if x.numel() as i64 == images * inputs {
                        let weight = weight.f_reshape([members * outputs, inputs])?;
                        x.f_reshape([images, inputs])?
                            .f_linear(&weight, Some(bias.f_reshape([-1])?))?
                            .f_reshape([images, members, outputs])?
                            .f_transpose(0, 1)?
                    } else {
                        if x.dim() == 4 {
                            x = x.f_reshape([images, members, inputs])?.f_transpose(0, 1)?;
                        }
                        let weight = weight.f_reshape([members, outputs, inputs])?;
                        bias.f_unsqueeze(1)?
                            .f_baddbmm(&x, &weight.f_transpose(1, 2)?, 1.0, 1.0)?
                    }
                }
            };
            if i + 1 < layers.len() {
                x = x.f_relu()?;
            }
        }
        Ok(x.f_reshape([members, -1, CLASSES])?)
    }

    /// The numbers of one network [parameters].
    pub fn weights(&self, member: usize) -> Result<Vec<f32>> {
        Ok(self.flat.f_detach()?.f_get(member as i64)?.try_into()?)
    }

    /// Writes one network's tensors as float32 safetensors.
    pub fn save(&self, member: usize, path: &Path) -> Result<()> {
        let weights = self.weights(member)?;
        let mut bytes: Vec<u8> = Vec::with_capacity(4 * weights.len());
        weights.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        let (mut views, mut rest) = (BTreeMap::new(), bytes.as_slice());
        for (name, shape) in self.architecture.shapes() {
            let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
            let (data, after) = rest.split_at(4 * shape.iter().product::<usize>());
            rest = after;
            views.insert(name, TensorView::new(Dtype::F32, shape, data)?);
        }
        std::fs::write(path, safetensors::serialize(views, None)?)
            .with_context(|| format!("{}: cannot be written", path.display()))
    }
}

/// The same images with channels innermost in memory, where libtorch's convolutions and poolings are fastest.
fn channels_innermost(x: &Tensor) -> Result<Tensor> {
    let packed = x.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    Ok(packed.f_permute([0, 3, 1, 2])?)
}

/// Appends the numbers of a file's tensors.
fn read(architecture: &Architecture, path: &Path, values: &mut Vec<f32>) -> Result<()> {
    let bytes =
        std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let file = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{}: not a safetensors file", path.display()))?;
    for (name, shape) in architecture.shapes() {
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
        append(&view, values).with_context(|| format!("{}: {name}", path.display()))?;
    }
    Ok(())
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

/// The class with the highest logit, for every image of one member's logits [images, 10].
pub fn classes(logits: &Tensor) -> Result<Vec<u8>> {
    Ok(logits
        .f_argmax(1, false)?
        .f_to_kind(Kind::Uint8)?
        .try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Net, Options};
    use crate::data::Shape;
    use rand::SeedableRng;

    fn built(net: Net) -> (Arc<Architecture>, Shape) {
        let (channels, side) = if net == Net::CifarCnn {
            (3, 32)
        } else {
            (1, 28)
        };
        let shape = Shape {
            channels,
            height: side,
            width: side,
        };
        let options = Options {
            net,
            widths: vec![],
        };
        (Arc::new(Architecture::new(&options, shape).unwrap()), shape)
    }

    fn random(architecture: &Arc<Architecture>, count: u64) -> Members {
        let mut rngs: Vec<_> = (0..count).map(ChaCha8Rng::seed_from_u64).collect();
        Members::random(architecture, &mut rngs).unwrap()
    }

    fn close(a: &Tensor, b: &Tensor) {
        let gap = (a - b).abs().max().double_value(&[]);
        assert!(gap < 1e-5, "{gap}");
    }

    #[test]
    fn members_compute_what_each_computes_alone() {
        for net in [Net::Mlp, Net::Cnn, Net::Lenet5, Net::CifarCnn] {
            let (architecture, shape) = built(net);
            let all = random(&architecture, 3);
            let [c, h, w] = [shape.channels, shape.height, shape.width].map(|d| d as i64);
            let x = Tensor::linspace(-1.0, 1.0, 2 * 3 * c * h * w, tch::kind::FLOAT_CPU);
            let x = x.reshape([2, 3 * c, h, w]);
            let shared = x.narrow(1, 0, c);
            let (own, alike) = (all.logits(&x).unwrap(), all.logits(&shared).unwrap());
            assert_eq!(own.size(), [3, 2, 10]);
            for member in 0..3 {
                let one = Members {
                    architecture: architecture.clone(),
                    flat: all.flat.narrow(0, member, 1),
                };
                let images = x.narrow(1, member * c, c);
                close(&own.get(member), &one.logits(&images).unwrap().get(0));
                close(&alike.get(member), &one.logits(&shared).unwrap().get(0));
            }
        }
    }

    #[test]
    fn saved_networks_load_with_the_same_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let (architecture, _) = built(Net::Lenet5);
        let members = random(&architecture, 2);
        let paths = [0, 1].map(|i| folder.path().join(format!("{i}.safetensors")));
        for (i, path) in paths.iter().enumerate() {
            members.save(i, path).unwrap();
        }
        let loaded = Members::load(&architecture, &paths).unwrap();
        assert_eq!(loaded.flat, members.flat);
        assert_ne!(members.flat.get(0), members.flat.get(1));
    }

    #[test]
    fn another_architecture_is_refused_by_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        random(&built(Net::Cnn).0, 1).save(0, &path).unwrap();
        let error = Members::load(&built(Net::Lenet5).0, &[&path])
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .ends_with("conv1.weight has shape [8, 1, 3, 3], not [6, 1, 5, 5]"),
            "{error}"
        );
    }
}
