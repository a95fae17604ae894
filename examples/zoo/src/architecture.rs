//! The architectures, as lists of layers, and their tensors under PyTorch's names.

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use pdiff::chain::{self, Chain, Outputs, Runner};
use pdiff::{Dtype, Layout, TensorSpec};

use crate::data::Shape;

/// A kind of network; ReLU follows every layer but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Net {
    /// Linear layers of 32 and 32 hidden units
    Mlp,
    /// Three valid 3x3 convolutions and two linear layers: 6,678 parameters on 28x28 gray images
    Cnn,
    /// The same with 5x5 in the third convolution: 6,656 parameters on 28x28 gray images
    #[value(name = "cnn-6656")]
    Cnn6656,
    /// LeCun's LeNet-5 with ReLU and max pooling: 61,706 parameters on 28x28 gray images
    Lenet5,
    /// Three padded 3x3 convolutions of 32 channels and one linear layer: 39,882 parameters on 32x32 RGB images
    CifarCnn,
}

/// Which network, as every command asks it.
#[derive(Args, Clone)]
pub struct Options {
    /// The architecture
    #[arg(long, value_enum, default_value = "cnn")]
    pub net: Net,
    /// Channels and hidden units of all layers but the last, as 128,128 [default: the architecture's]
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    pub widths: Vec<usize>,
}

/// What a layer does; the widths are the architecture's.
#[derive(Clone, Copy)]
enum Op {
    /// A square convolution, with 2x2 max pooling before its ReLU where `pool` is set (the order is the same
    /// function, and cheaper).
    Conv {
        kernel: usize,
        padding: usize,
        pool: bool,
    },
    Linear,
}

fn conv(kernel: usize, padding: usize, pool: bool) -> Op {
    Op::Conv {
        kernel,
        padding,
        pool,
    }
}

impl Net {
    /// The layers but the last, which is linear with ten outputs.
    fn hidden(self) -> Vec<(Op, usize)> {
        match self {
            Net::Mlp => vec![(Op::Linear, 32), (Op::Linear, 32)],
            Net::Cnn => vec![
                (conv(3, 0, true), 8),
                (conv(3, 0, true), 16),
                (conv(3, 0, false), 16),
                (Op::Linear, 20),
            ],
            // 6,656 parameters is the size in NUS-HPC-AI-Lab/Neural-Network-Diffusion issue 30, which gives no more;
            // these are the cheapest three convolutions and two linear layers that have exactly as many.
            Net::Cnn6656 => vec![
                (conv(3, 0, true), 8),
                (conv(3, 0, false), 8),
                (conv(5, 0, true), 12),
                (Op::Linear, 30),
            ],
            Net::Lenet5 => vec![
                (conv(5, 2, true), 6),
                (conv(5, 0, true), 16),
                (Op::Linear, 120),
                (Op::Linear, 84),
            ],
            // 39,882 parameters is the size in issue 13 there; equal widths of 32 with two poolings is the one plain
            // three-layer network that has exactly as many.
            Net::CifarCnn => vec![
                (conv(3, 1, true), 32),
                (conv(3, 1, true), 32),
                (conv(3, 1, false), 32),
            ],
        }
    }
}

/// One layer with its sizes.
pub enum Layer {
    Conv {
        inputs: usize,
        outputs: usize,
        kernel: usize,
        padding: usize,
        pool: bool,
    },
    Linear {
        inputs: usize,
        outputs: usize,
    },
}

impl Layer {
    pub fn outputs(&self) -> usize {
        match self {
            Layer::Conv { outputs, .. } | Layer::Linear { outputs, .. } => *outputs,
        }
    }

    pub fn weight_shape(&self) -> Vec<usize> {
        match *self {
            Layer::Conv {
                inputs,
                outputs,
                kernel,
                ..
            } => vec![outputs, inputs, kernel, kernel],
            Layer::Linear { inputs, outputs } => vec![outputs, inputs],
        }
    }
}

/// A network's layers for images of one shape.
pub struct Architecture {
    images: Shape,
    pub layers: Vec<Layer>,
}

impl Architecture {
    /// Fails when the widths are not one for each layer but the last, and when the images are too small.
    pub fn new(options: &Options, images: Shape) -> Result<Architecture> {
        let hidden = options.net.hidden();
        ensure!(
            options.widths.is_empty() || options.widths.len() == hidden.len(),
            "--widths has {} numbers; this architecture has {} layers before the last",
            options.widths.len(),
            hidden.len()
        );
        ensure!(
            !options.widths.contains(&0),
            "--widths: a layer of width 0 passes nothing on"
        );
        let widths = hidden.iter().enumerate().map(|(i, (_, width))| {
            let width = options.widths.get(i).unwrap_or(width);
            *width
        });
        let ops = hidden.iter().map(|(op, _)| *op).chain([Op::Linear]);
        let Shape {
            channels,
            mut height,
            mut width,
        } = images;
        let (mut channels, mut layers) = (channels, Vec::new());
        for (op, outputs) in ops.zip(widths.chain([CLASSES])) {
            layers.push(match op {
                Op::Conv {
                    kernel,
                    padding,
                    pool,
                } => {
                    for side in [&mut height, &mut width] {
                        let valid = (*side + 2 * padding + 1).saturating_sub(kernel);
                        *side = if pool { valid / 2 } else { valid };
                        ensure!(
                            *side > 0,
                            "images of {}x{} are too small for this architecture; leave --pool out",
                            images.height,
                            images.width
                        );
                    }
                    Layer::Conv {
                        inputs: channels,
                        outputs,
                        kernel,
                        padding,
                        pool,
                    }
                }
                Op::Linear => {
                    let inputs = channels * (height * width);
                    (height, width) = (1, 1);
                    Layer::Linear { inputs, outputs }
                }
            });
            channels = outputs;
        }
        Ok(Architecture { images, layers })
    }

    /// Names and shapes in the order of a PyTorch state dict: `conv1.weight`, `conv1.bias`, ...
    pub fn shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let (mut convs, mut linears) = (0, 0);
        self.layers.iter().flat_map(move |layer| {
            let (kind, number) = match layer {
                Layer::Conv { .. } => ("conv", &mut convs),
                Layer::Linear { .. } => ("fc", &mut linears),
            };
            *number += 1;
            [
                (format!("{kind}{number}.weight"), layer.weight_shape()),
                (format!("{kind}{number}.bias"), vec![layer.outputs()]),
            ]
        })
    }

    pub fn parameters(&self) -> usize {
        let sizes = self
            .shapes()
            .map(|(_, shape)| shape.iter().product::<usize>());
        sizes.sum()
    }

    /// What libpdiff knows its networks by.
    fn layout(&self) -> pdiff::Result<Layout> {
        let tensors = self
            .shapes()
            .map(|(name, shape)| TensorSpec::new(&name, &shape, Dtype::F32));
        Layout::new(tensors.collect())
    }

    /// What runs its networks.
    pub fn runner(&self) -> pdiff::Result<Runner> {
        Runner::new(&self.chain(), &self.layout()?)
    }

    /// How a network computes, for libpdiff to run it.
    pub fn chain(&self) -> Chain {
        let mut names = self.shapes().map(|(name, _)| name);
        let mut layers = Vec::new();
        let mut is_flat = false;
        for layer in &self.layers {
            let (weight, bias) = (names.next().unwrap_or_default(), names.next());
            match *layer {
                Layer::Conv { padding, pool, .. } => {
                    layers.push(chain::Layer::Conv2d {
                        weight,
                        bias,
                        stride: 1,
                        padding,
                    });
                    if pool {
                        layers.push(chain::Layer::MaxPool2d {
                            kernel: 2,
                            stride: None,
                        });
                    }
                }
                Layer::Linear { .. } => {
                    if !is_flat {
                        layers.push(chain::Layer::Flatten {});
                        is_flat = true;
                    }
                    layers.push(chain::Layer::Linear { weight, bias });
                }
            }
            layers.push(chain::Layer::Relu {});
        }
        layers.pop();
        let Shape {
            channels,
            height,
            width,
        } = self.images;
        Chain {
            input: vec![channels, height, width],
            layers,
            outputs: Some(Outputs::Logits),
        }
    }
}

/// Classes of every data set here.
pub const CLASSES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const GRAY: Shape = Shape {
        channels: 1,
        height: 28,
        width: 28,
    };

    fn built(net: Net, widths: &[usize], images: Shape) -> Result<Architecture> {
        let widths = widths.to_vec();
        Architecture::new(&Options { net, widths }, images)
    }

    #[test]
    fn sizes_are_the_published_ones() {
        let rgb = Shape {
            channels: 3,
            height: 32,
            width: 32,
        };
        let pooled = Shape {
            channels: 1,
            height: 14,
            width: 14,
        };
        for (net, widths, images, size) in [
            (Net::Mlp, &[][..], GRAY, 26_506),
            (Net::Mlp, &[128, 128], GRAY, 118_282),
            (Net::Mlp, &[], pooled, 7_690),
            (Net::Cnn, &[], GRAY, 6_678),
            (Net::Cnn6656, &[], GRAY, 6_656),
            (Net::Lenet5, &[], GRAY, 61_706),
            (Net::CifarCnn, &[], rgb, 39_882),
        ] {
            let found = built(net, widths, images).unwrap().parameters();
            assert_eq!(found, size, "{net:?} {widths:?}");
        }
    }

    #[test]
    fn widths_and_images_that_do_not_fit_are_refused() {
        let says = |net, widths: &[usize], images, part: &str| {
            let message = built(net, widths, images).err().unwrap().to_string();
            assert!(message.contains(part), "{message}");
        };
        says(
            Net::Mlp,
            &[32],
            GRAY,
            "has 1 numbers; this architecture has 2",
        );
        says(Net::Mlp, &[32, 0], GRAY, "width 0");
        let small = Shape {
            channels: 1,
            height: 7,
            width: 7,
        };
        says(Net::Cnn, &[], small, "too small");
    }
}
