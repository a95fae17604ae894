//! A chain bound to a layout: every shape checked, every tensor found in the flat vector.

use std::ops::Range;

use crate::chain::convolution::Convolution;
use crate::chain::window::Window;
use crate::chain::{Chain, Layer};
use crate::error::{Error, Result};
use crate::layout::Layout;

/// Numbers that one example may have between two layers.
const WIDEST: usize = 1 << 24;

/// One step of running a chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub op: Op,
    /// Numbers per example before and after.
    pub inputs: usize,
    pub outputs: usize,
}

/// What a step does; ranges are of the flat vector.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A matrix [rows, inputs].
    Linear {
        weight: Range<usize>,
        bias: Option<Range<usize>>,
        rows: usize,
    },
    Convolution {
        weight: Range<usize>,
        bias: Option<Range<usize>>,
        convolution: Convolution,
    },
    MaxPool(Window),
    AvgPool(Window),
    BatchNorm {
        weight: Range<usize>,
        bias: Range<usize>,
        mean: Range<usize>,
        variance: Range<usize>,
        epsilon: f32,
    },
    LayerNorm {
        weight: Range<usize>,
        bias: Range<usize>,
        epsilon: f32,
    },
    Activation(Activation),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Activation {
    Leaky(f32),
    Gelu,
    Silu,
    Sigmoid,
    Tanh,
}

impl Op {
    /// Where its tensors lie.
    pub fn ranges(&self) -> Vec<&Range<usize>> {
        match self {
            Op::Linear { weight, bias, .. } | Op::Convolution { weight, bias, .. } => {
                std::iter::once(weight).chain(bias).collect()
            }
            Op::BatchNorm {
                weight,
                bias,
                mean,
                variance,
                ..
            } => vec![weight, bias, mean, variance],
            Op::LayerNorm { weight, bias, .. } => vec![weight, bias],
            Op::MaxPool(_) | Op::AvgPool(_) | Op::Activation(_) => Vec::new(),
        }
    }
}

/// The steps of a chain, and the layer that each is.
pub(super) fn plan(chain: &Chain, layout: &Layout) -> Result<Vec<(usize, Step)>> {
    let mut shape = chain.input.clone();
    if !matches!(shape.len(), 1 | 3) || numbers(&shape).is_none_or(|n| n == 0) {
        return Err(Error::invalid(format!(
            "the chain's input {shape:?} is no shape; give [features] or [channels, height, width]"
        )));
    }
    let mut steps = Vec::new();
    for (number, layer) in chain.layers.iter().enumerate() {
        let wrong = |why: String| {
            Error::Mismatch(format!(
                "layer {number} of the chain: {why}; correct the spec"
            ))
        };
        let before = shape.clone();
        let op = bind(layer, &mut shape, layout).map_err(wrong)?;
        let sizes = numbers(&before).zip(numbers(&shape));
        let (inputs, outputs) =
            sizes.ok_or_else(|| wrong(format!("{shape:?} is too large to run")))?;
        if let Some(op) = op {
            steps.push((
                number,
                Step {
                    op,
                    inputs,
                    outputs,
                },
            ));
        }
    }
    if steps.is_empty() {
        return Err(Error::invalid("the chain has no layers; list them"));
    }
    Ok(steps)
}

fn numbers(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1usize, |n, length| n.checked_mul(*length));
    product.filter(|n| *n <= WIDEST)
}

/// What a layer does to inputs of this shape, which becomes the outputs'; nothing, where only the
/// shape changes.
fn bind(
    layer: &Layer,
    shape: &mut Vec<usize>,
    layout: &Layout,
) -> std::result::Result<Option<Op>, String> {
    let find = |name: &str| {
        let found = layout.ranges().find(|(tensor, _)| tensor.name == name);
        found.ok_or_else(|| format!("no tensor {name} is generated"))
    };
    let vector = |name: &str, length: usize| {
        let (tensor, range) = find(name)?;
        match range.len() == length {
            true => Ok(range),
            false => Err(format!(
                "{name} {:?} has not {length} numbers",
                tensor.shape
            )),
        }
    };
    // A layer whose own bias is forgotten computes something else than the network does.
    let bias_of = |weight: &str, bias: &Option<String>, length: usize| match bias {
        Some(name) => vector(name, length).map(Some),
        None => {
            let own = weight
                .strip_suffix("weight")
                .map(|stem| format!("{stem}bias"));
            match own.filter(|own| layout.tensors().iter().any(|tensor| tensor.name == *own)) {
                None => Ok(None),
                Some(own) => Err(format!(
                    "{own} is generated, and {weight} has no bias; name it"
                )),
            }
        }
    };
    let image = |shape: &[usize]| match *shape {
        [channels, height, width] => Ok((channels, height, width)),
        _ => Err(format!("{shape:?} is no image [channels, height, width]")),
    };
    let slide = |shape: &mut Vec<usize>, kernel: [usize; 2], stride: usize, padding: usize| {
        let (channels, height, width) = image(shape)?;
        let window = Window {
            channels,
            height,
            width,
            kernel,
            stride,
            padding,
        };
        let output = window.output();
        let [height, width] = output.ok_or_else(|| {
            format!("a window {kernel:?} of stride {stride} does not fit {shape:?}")
        })?;
        *shape = vec![channels, height, width];
        Ok::<_, String>(window)
    };
    Ok(Some(match layer {
        Layer::Linear { weight, bias } => {
            let (tensor, weight) = find(weight)?;
            let inputs = match shape.as_slice() {
                [inputs] => *inputs,
                _ => {
                    return Err(format!(
                        "{shape:?} is not flat; flatten before a linear layer"
                    ));
                }
            };
            let [rows, taps] = tensor.shape[..] else {
                return Err(format!("{} {:?} is no matrix", tensor.name, tensor.shape));
            };
            if taps != inputs || rows == 0 {
                return Err(format!(
                    "{} {:?} does not take {inputs} inputs",
                    tensor.name, tensor.shape
                ));
            }
            *shape = vec![rows];
            Op::Linear {
                weight,
                bias: bias_of(&tensor.name, bias, rows)?,
                rows,
            }
        }
        Layer::Conv2d {
            weight,
            bias,
            stride,
            padding,
        } => {
            let (tensor, weight) = find(weight)?;
            let [rows, channels, height, width] = tensor.shape[..] else {
                return Err(format!(
                    "{} {:?} is no convolution",
                    tensor.name, tensor.shape
                ));
            };
            if channels != image(shape)?.0 || rows == 0 {
                return Err(format!(
                    "{} {:?} does not take {shape:?}",
                    tensor.name, tensor.shape
                ));
            }
            let window = slide(shape, [height, width], *stride, *padding)?;
            let [high, wide] = [window.height, window.width].map(|length| length + 2 * padding);
            if numbers(&[channels, high, wide]).is_none() {
                return Err(format!("a padding of {padding} is too large to run"));
            }
            shape[0] = rows;
            Op::Convolution {
                weight,
                bias: bias_of(&tensor.name, bias, rows)?,
                convolution: Convolution::new(rows, window),
            }
        }
        Layer::MaxPool2d { kernel, stride } => {
            Op::MaxPool(slide(shape, [*kernel; 2], stride.unwrap_or(*kernel), 0)?)
        }
        Layer::AvgPool2d { kernel, stride } => {
            Op::AvgPool(slide(shape, [*kernel; 2], stride.unwrap_or(*kernel), 0)?)
        }
        Layer::GlobalAvgPool2d {} => {
            let (_, height, width) = image(shape)?;
            Op::AvgPool(slide(shape, [height, width], 1, 0)?)
        }
        Layer::Flatten {} => {
            *shape = vec![shape.iter().product()];
            return Ok(None);
        }
        Layer::BatchNorm {
            weight,
            bias,
            running_mean,
            running_var,
            epsilon,
        } => Op::BatchNorm {
            weight: vector(weight, shape[0])?,
            bias: vector(bias, shape[0])?,
            mean: vector(running_mean, shape[0])?,
            variance: vector(running_var, shape[0])?,
            epsilon: *epsilon,
        },
        Layer::LayerNorm {
            weight,
            bias,
            epsilon,
        } => {
            let features = shape.iter().product();
            Op::LayerNorm {
                weight: vector(weight, features)?,
                bias: vector(bias, features)?,
                epsilon: *epsilon,
            }
        }
        Layer::Relu {} => Op::Activation(Activation::Leaky(0.0)),
        Layer::LeakyRelu { slope } => Op::Activation(Activation::Leaky(*slope)),
        Layer::Gelu {} => Op::Activation(Activation::Gelu),
        Layer::Silu {} => Op::Activation(Activation::Silu),
        Layer::Sigmoid {} => Op::Activation(Activation::Sigmoid),
        Layer::Tanh {} => Op::Activation(Activation::Tanh),
    }))
}
