//! Each step forwards, and backwards by the chain rule, for one network and a chunk of examples.
//!
//! Numbers lie [features, examples], so that a linear layer is one product, a window moves whole runs,
//! and everything else goes along the examples.

use std::f32::consts::{FRAC_1_SQRT_2, PI};
use std::ops::Range;

use crate::chain::convolution::Buffers;
use crate::chain::plan::{Activation, Op, Step};
use crate::chain::pool;
use crate::product;
use crate::vector::passes;

/// Buffers that steps share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    sums: Vec<f32>,
    convolution: Buffers,
}

passes! {
    /// Writes the outputs [outputs, examples] of a network for inputs [inputs, examples].
    fn forward(
        step: &Step,
        network: &[f32],
        input: &[f32],
        examples: usize,
        scratch: &mut Scratch,
        out: &mut [f32]
    ) {
        step.forward(network, input, examples, scratch, out);
    }

    /// For the inputs and the gradient by the outputs, adds the one by the network's weights to `gradient` and writes
    /// the one by the inputs to `below`, where each is wanted.
    fn backward(
        step: &Step,
        network: &[f32],
        ends: (&[f32], &[f32]),
        examples: usize,
        scratch: &mut Scratch,
        gradient: Option<&mut [f32]>,
        below: Option<&mut [f32]>
    ) {
        step.backward(network, ends, examples, scratch, gradient, below);
    }
}

impl Step {
    #[inline(always)]
    fn forward(
        &self,
        network: &[f32],
        input: &[f32],
        examples: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        match &self.op {
            Op::Linear { weight, .. } => {
                let weight = &network[weight.clone()];
                product::times(weight, self.inputs, input, examples, out, examples);
                self.shift(network, out);
            }
            Op::Convolution {
                weight,
                bias,
                convolution,
            } => {
                let filters = (
                    &network[weight.clone()],
                    bias.clone().map(|bias| &network[bias]),
                );
                convolution.forward(filters, input, examples, &mut scratch.convolution, out);
            }
            Op::MaxPool(window) => pool::largest(window, input, examples, out),
            Op::AvgPool(window) => pool::mean(window, input, examples, out),
            Op::BatchNorm {
                weight,
                bias,
                mean,
                variance,
                epsilon,
            } => {
                let length = out.len() / weight.len();
                let rows = input.chunks_exact(length).zip(out.chunks_exact_mut(length));
                for (unit, (input, out)) in rows.enumerate() {
                    let deviation = (network[variance.start + unit] + epsilon).sqrt();
                    let scale = network[weight.start + unit] / deviation;
                    let (mean, bias) = (network[mean.start + unit], network[bias.start + unit]);
                    let both = out.iter_mut().zip(input);
                    both.for_each(|(out, x)| *out = (x - mean) * scale + bias);
                }
            }
            Op::LayerNorm {
                weight,
                bias,
                epsilon,
            } => {
                let moments = moments(input, examples, *epsilon);
                let rows = input
                    .chunks_exact(examples)
                    .zip(out.chunks_exact_mut(examples));
                for (unit, (input, out)) in rows.enumerate() {
                    let (scale, shift) = (network[weight.start + unit], network[bias.start + unit]);
                    for ((out, x), (mean, inverse)) in out.iter_mut().zip(input).zip(&moments) {
                        *out = (x - mean) * inverse * scale + shift;
                    }
                }
            }
            Op::Activation(kind) => kind.each(input, out),
        }
    }

    #[inline(always)]
    fn backward(
        &self,
        network: &[f32],
        (input, above): (&[f32], &[f32]),
        examples: usize,
        scratch: &mut Scratch,
        gradient: Option<&mut [f32]>,
        below: Option<&mut [f32]>,
    ) {
        match &self.op {
            Op::Linear { weight, bias, rows } => {
                if let Some(gradient) = gradient {
                    scratch.sums.resize(weight.len(), 0.0);
                    product::times_transposed(above, input, examples, &mut scratch.sums);
                    accumulate(&scratch.sums, &mut gradient[weight.clone()]);
                    add_sums(bias, above, gradient);
                }
                if let Some(below) = below {
                    product::transposed_times(&network[weight.clone()], above, *rows, below);
                }
            }
            Op::Convolution {
                weight,
                bias,
                convolution,
            } => {
                let buffers = &mut scratch.convolution;
                if let Some(gradient) = gradient {
                    let slots = &mut gradient[weight.clone()];
                    convolution.by_weights(above, input, examples, buffers, slots);
                    add_sums(bias, above, gradient);
                }
                if let Some(below) = below {
                    convolution.by_inputs(
                        &network[weight.clone()],
                        above,
                        examples,
                        buffers,
                        below,
                    );
                }
            }
            Op::MaxPool(window) => {
                let Some(below) = below else { return };
                pool::largest_backward(window, input, above, examples, below);
            }
            Op::AvgPool(window) => {
                let Some(below) = below else { return };
                pool::mean_backward(window, above, examples, below);
            }
            Op::BatchNorm {
                weight,
                bias,
                mean,
                variance,
                epsilon,
            } => {
                let length = above.len() / weight.len();
                let (mut gradient, mut below) = (gradient, below);
                for unit in 0..weight.len() {
                    let range = unit * length..(unit + 1) * length;
                    let inverse = 1.0 / (network[variance.start + unit] + epsilon).sqrt();
                    let mean = network[mean.start + unit];
                    let (above, input) = (&above[range.clone()], &input[range.clone()]);
                    if let Some(gradient) = gradient.as_deref_mut() {
                        for (above, x) in above.iter().zip(input) {
                            gradient[weight.start + unit] += above * (x - mean) * inverse;
                            gradient[bias.start + unit] += above;
                        }
                    }
                    if let Some(below) = below.as_deref_mut() {
                        let scale = network[weight.start + unit] * inverse;
                        let both = below[range].iter_mut().zip(above);
                        both.for_each(|(below, above)| *below = above * scale);
                    }
                }
            }
            Op::LayerNorm {
                weight,
                bias,
                epsilon,
            } => {
                let mut gradient = gradient;
                layer_norm(
                    &network[weight.clone()],
                    (input, above),
                    &moments(input, examples, *epsilon),
                    |unit, by_weight, by_bias| {
                        if let Some(gradient) = gradient.as_deref_mut() {
                            gradient[weight.start + unit] += by_weight;
                            gradient[bias.start + unit] += by_bias;
                        }
                    },
                    below,
                );
            }
            Op::Activation(kind) => {
                let Some(below) = below else { return };
                kind.each_backward(input, above, below);
            }
        }
    }

    /// A linear step's matrix, [rows, inputs]; empty of another step.
    pub fn weight<'a>(&self, network: &'a [f32]) -> &'a [f32] {
        match &self.op {
            Op::Linear { weight, .. } => &network[weight.clone()],
            _ => &[],
        }
    }

    /// The products of several networks' matrices, one below another, with what is under them, without
    /// the biases; nothing of a step that is not linear.
    pub fn multiply(&self, matrices: &[f32], input: &[f32], examples: usize, out: &mut Vec<f32>) {
        out.resize(matrices.len() / self.inputs * examples, 0.0);
        if !matrices.is_empty() {
            product::times(matrices, self.inputs, input, examples, out, examples);
        }
    }

    /// Adds the bias of a linear step.
    pub fn shift(&self, network: &[f32], out: &mut [f32]) {
        let Op::Linear {
            bias: Some(bias), ..
        } = &self.op
        else {
            return;
        };
        let length = out.len() / bias.len();
        for (row, bias) in out.chunks_exact_mut(length).zip(&network[bias.clone()]) {
            row.iter_mut().for_each(|x| *x += bias);
        }
    }

    /// Rows of a linear step's matrix.
    pub fn rows(&self) -> Option<usize> {
        match &self.op {
            Op::Linear { rows, .. } => Some(*rows),
            _ => None,
        }
    }
}

/// In lanes: one sum would wait for each addition before the next.
fn sum(row: &[f32]) -> f32 {
    let (parts, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    parts.iter().for_each(|part| accumulate(part, &mut lanes));
    lanes.iter().chain(rest).sum()
}

/// Adds to the gradient by a bias what comes from above, summed over all that each number shifts.
fn add_sums(bias: &Option<Range<usize>>, above: &[f32], gradient: &mut [f32]) {
    let Some(bias) = bias else { return };
    let sums = above.chunks_exact(above.len() / bias.len()).map(sum);
    let slots = gradient[bias.clone()].iter_mut();
    slots.zip(sums).for_each(|(slot, sum)| *slot += sum);
}

fn accumulate(terms: &[f32], sums: &mut [f32]) {
    sums.iter_mut().zip(terms).for_each(|(sum, x)| *sum += x);
}

/// Each example's mean over the features, and one over its deviation.
fn moments(input: &[f32], examples: usize, epsilon: f32) -> Vec<(f32, f32)> {
    let features = (input.len() / examples) as f32;
    let mut moments = vec![(0.0, 0.0); examples];
    for row in input.chunks_exact(examples) {
        moments
            .iter_mut()
            .zip(row)
            .for_each(|((sum, _), x)| *sum += x);
    }
    moments.iter_mut().for_each(|(sum, _)| *sum /= features);
    for row in input.chunks_exact(examples) {
        let all = moments.iter_mut().zip(row);
        all.for_each(|((mean, sum), x)| *sum += (x - *mean) * (x - *mean));
    }
    for (_, sum) in &mut moments {
        *sum = 1.0 / (*sum / features + epsilon).sqrt();
    }
    moments
}

/// With x' the standardized inputs and g the gradient by them, the one by the inputs is
/// (g - mean g - x' mean(g x')) / deviation.
fn layer_norm(
    weight: &[f32],
    (input, above): (&[f32], &[f32]),
    moments: &[(f32, f32)],
    mut add: impl FnMut(usize, f32, f32),
    below: Option<&mut [f32]>,
) {
    let (examples, features) = (moments.len(), weight.len() as f32);
    let mut means = vec![(0.0f32, 0.0f32); examples];
    let rows = || {
        input
            .chunks_exact(examples)
            .zip(above.chunks_exact(examples))
    };
    for (unit, (input, above)) in rows().enumerate() {
        let (mut by_weight, mut by_bias) = (0.0, 0.0);
        let both = input.iter().zip(above).zip(moments).zip(&mut means);
        for (((x, above), (mean, inverse)), (sum, product)) in both {
            let standard = (x - mean) * inverse;
            by_weight += above * standard;
            by_bias += above;
            *sum += above * weight[unit] / features;
            *product += above * weight[unit] * standard / features;
        }
        add(unit, by_weight, by_bias);
    }
    let Some(below) = below else { return };
    for (unit, ((input, above), below)) in rows().zip(below.chunks_exact_mut(examples)).enumerate()
    {
        let both = input.iter().zip(above).zip(moments).zip(&means).zip(below);
        for ((((x, above), (mean, inverse)), (sum, product)), below) in both {
            let standard = (x - mean) * inverse;
            *below = (above * weight[unit] - sum - standard * product) * inverse;
        }
    }
}

impl Activation {
    #[inline(always)]
    fn each(self, input: &[f32], out: &mut [f32]) {
        // Chosen once: inside the loop it would keep the compiler from making vectors.
        match self {
            Activation::Leaky(slope) => set(input, out, |x| if x > 0.0 { x } else { slope * x }),
            Activation::Gelu => set(input, out, |x| x * normal(x)),
            Activation::Silu => set(input, out, |x| x * sigmoid(x)),
            Activation::Sigmoid => set(input, out, sigmoid),
            Activation::Tanh => set(input, out, f32::tanh),
        }
    }

    #[inline(always)]
    fn each_backward(self, input: &[f32], above: &[f32], below: &mut [f32]) {
        match self {
            Activation::Leaky(slope) => set(input, below, |x| if x > 0.0 { 1.0 } else { slope }),
            Activation::Gelu => set(input, below, |x| {
                normal(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt()
            }),
            Activation::Silu => set(input, below, |x| {
                sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))
            }),
            Activation::Sigmoid => set(input, below, |x| sigmoid(x) * (1.0 - sigmoid(x))),
            Activation::Tanh => set(input, below, |x| 1.0 - x.tanh().powi(2)),
        }
        let both = below.iter_mut().zip(above);
        both.for_each(|(slope, above)| *slope *= above);
    }
}

#[inline(always)]
fn set(input: &[f32], out: &mut [f32], of: impl Fn(f32) -> f32) {
    out.iter_mut().zip(input).for_each(|(out, x)| *out = of(*x));
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The normal distribution function.
fn normal(x: f32) -> f32 {
    0.5 * (1.0 + libm::erff(x * FRAC_1_SQRT_2))
}
