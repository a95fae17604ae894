//! Each step forwards, and backwards by the chain rule, for one network and a chunk of examples.
//!
//! Numbers lie [features, examples], so that a linear layer is one product, a window moves whole runs,
//! and everything else goes along the examples.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use crate::chain::plan::{Activation, Op, Step};
use crate::product;

/// Buffers that steps share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    columns: Vec<f32>,
    sums: Vec<f32>,
}

impl Step {
    /// Writes the outputs [outputs, examples] of a network for inputs [inputs, examples].
    pub fn forward(
        &self,
        network: &[f32],
        input: &[f32],
        examples: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        match &self.op {
            Op::Affine { weight, .. } => {
                let columns = self.columns(input, examples, &mut scratch.columns);
                let (taps, width) = self.columns_shape(examples);
                product::times(&network[weight.clone()], taps, columns, width, out, width);
                self.shift(network, out);
            }
            Op::MaxPool(window) => window.pools(|at, pixels| {
                let out = &mut out[at * examples..][..examples];
                out.fill(f32::NEG_INFINITY);
                for pixel in pixels {
                    let input = &input[pixel * examples..][..examples];
                    // A NaN stays one.
                    let both = out.iter_mut().zip(input);
                    both.for_each(|(most, x)| *most = if *x <= *most { *most } else { *x });
                }
            }),
            Op::AvgPool(window) => window.pools(|at, pixels| {
                let out = &mut out[at * examples..][..examples];
                out.fill(0.0);
                let mut count = 0.0;
                for pixel in pixels {
                    count += 1.0;
                    let input = &input[pixel * examples..][..examples];
                    out.iter_mut().zip(input).for_each(|(sum, x)| *sum += x);
                }
                out.iter_mut().for_each(|sum| *sum /= count);
            }),
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
            Op::Activation(kind) => {
                let both = out.iter_mut().zip(input);
                both.for_each(|(out, x)| *out = kind.value(*x));
            }
        }
    }

    /// Adds the gradient by the network's weights to `gradient`, for the gradient `above` by the
    /// outputs, and writes the one by the inputs to `below`, where it is wanted.
    pub fn backward(
        &self,
        network: &[f32],
        (input, above): (&[f32], &[f32]),
        examples: usize,
        scratch: &mut Scratch,
        gradient: &mut [f32],
        below: Option<&mut [f32]>,
    ) {
        match &self.op {
            Op::Affine {
                weight,
                bias,
                rows,
                window,
            } => {
                let (taps, width) = self.columns_shape(examples);
                let mut columns = std::mem::take(&mut scratch.columns);
                let under = self.columns(input, examples, &mut columns);
                scratch.sums.resize(weight.len(), 0.0);
                product::times_transposed(above, under, width, &mut scratch.sums);
                accumulate(&scratch.sums, &mut gradient[weight.clone()]);
                if let Some(bias) = bias {
                    let sums = above.chunks_exact(width).map(sum);
                    let slots = gradient[bias.clone()].iter_mut();
                    slots.zip(sums).for_each(|(slot, sum)| *slot += sum);
                }
                if let Some(below) = below {
                    let weight = &network[weight.clone()];
                    match window {
                        None => product::transposed_times(weight, above, *rows, below),
                        Some(window) => {
                            columns.resize(taps * width, 0.0);
                            product::transposed_times(weight, above, *rows, &mut columns);
                            below.fill(0.0);
                            window.fold(&columns, examples, below);
                        }
                    }
                }
                scratch.columns = columns;
            }
            Op::MaxPool(window) => {
                let Some(below) = below else { return };
                below.fill(0.0);
                // Each example's largest input, and which pixel under the window that is.
                let (mut largest, mut which) = (vec![0.0; examples], vec![0u32; examples]);
                let mut under = Vec::new();
                window.pools(|out, pixels| {
                    let above = &above[out * examples..][..examples];
                    under.clear();
                    under.extend(pixels);
                    largest.fill(f32::NEG_INFINITY);
                    which.fill(0);
                    for (number, pixel) in (0..).zip(&under) {
                        let input = &input[pixel * examples..][..examples];
                        for ((most, which), x) in largest.iter_mut().zip(&mut which).zip(input) {
                            // The first of the largest, as in the forward pass.
                            let stays = mask(*x <= *most);
                            *most = if *x <= *most { *most } else { *x };
                            *which = (*which & stays) | (number & !stays);
                        }
                    }
                    for (number, pixel) in (0..).zip(&under) {
                        let below = &mut below[pixel * examples..][..examples];
                        let all = below.iter_mut().zip(above).zip(&which);
                        for ((sum, above), which) in all {
                            *sum += f32::from_bits(above.to_bits() & mask(*which == number));
                        }
                    }
                });
            }
            Op::AvgPool(window) => {
                let Some(below) = below else { return };
                below.fill(0.0);
                let count = (window.kernel[0] * window.kernel[1]) as f32;
                window.pools(|at, pixels| {
                    let above = &above[at * examples..][..examples];
                    for pixel in pixels {
                        let below = &mut below[pixel * examples..][..examples];
                        let both = below.iter_mut().zip(above);
                        both.for_each(|(sum, above)| *sum += above / count);
                    }
                });
            }
            Op::BatchNorm {
                weight,
                bias,
                mean,
                variance,
                epsilon,
            } => {
                let length = above.len() / weight.len();
                let mut below = below;
                for unit in 0..weight.len() {
                    let range = unit * length..(unit + 1) * length;
                    let inverse = 1.0 / (network[variance.start + unit] + epsilon).sqrt();
                    let mean = network[mean.start + unit];
                    let (above, input) = (&above[range.clone()], &input[range.clone()]);
                    for (above, x) in above.iter().zip(input) {
                        gradient[weight.start + unit] += above * (x - mean) * inverse;
                        gradient[bias.start + unit] += above;
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
            } => layer_norm(
                &network[weight.clone()],
                (input, above),
                &moments(input, examples, *epsilon),
                |unit, by_weight, by_bias| {
                    gradient[weight.start + unit] += by_weight;
                    gradient[bias.start + unit] += by_bias;
                },
                below,
            ),
            Op::Activation(kind) => {
                let Some(below) = below else { return };
                let all = below.iter_mut().zip(above).zip(input);
                all.for_each(|((below, above), x)| *below = above * kind.slope(*x));
            }
        }
    }

    /// An affine step's matrix, [rows, taps]; empty of another step.
    pub fn weight<'a>(&self, network: &'a [f32]) -> &'a [f32] {
        match &self.op {
            Op::Affine { weight, .. } => &network[weight.clone()],
            _ => &[],
        }
    }

    /// The products of several networks' matrices, one below another, with what is under them, without
    /// the biases; false, and nothing done, for a step that is not affine.
    pub fn multiply(
        &self,
        matrices: &[f32],
        input: &[f32],
        examples: usize,
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) -> bool {
        if self.rows().is_none() {
            return false;
        }
        let (taps, width) = self.columns_shape(examples);
        out.resize(matrices.len() / taps * width, 0.0);
        let columns = self.columns(input, examples, &mut scratch.columns);
        product::times(matrices, taps, columns, width, out, width);
        true
    }

    /// Adds the bias of an affine step.
    pub fn shift(&self, network: &[f32], out: &mut [f32]) {
        let Op::Affine {
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

    /// Rows of an affine step's matrix.
    pub fn rows(&self) -> Option<usize> {
        match &self.op {
            Op::Affine { rows, .. } => Some(*rows),
            _ => None,
        }
    }

    /// What the matrix of an affine step is multiplied with, [taps, positions * examples].
    fn columns<'a>(
        &self,
        input: &'a [f32],
        examples: usize,
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let Op::Affine {
            window: Some(window),
            ..
        } = &self.op
        else {
            return input;
        };
        let (taps, width) = self.columns_shape(examples);
        buffer.resize(taps * width, 0.0);
        window.unfold(input, examples, buffer);
        buffer
    }

    /// Rows and columns of that.
    pub fn columns_shape(&self, examples: usize) -> (usize, usize) {
        match &self.op {
            Op::Affine { rows, window, .. } => {
                let taps = window.map_or(self.inputs, |window| window.taps());
                (taps, self.outputs / rows * examples)
            }
            _ => (self.inputs, examples),
        }
    }
}

/// All bits or none, where of a choice the compiler would make a branch that is often predicted wrong.
fn mask(is_set: bool) -> u32 {
    u32::from(is_set).wrapping_neg()
}

/// In lanes: one sum would wait for each addition before the next.
fn sum(row: &[f32]) -> f32 {
    let (parts, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    parts.iter().for_each(|part| accumulate(part, &mut lanes));
    lanes.iter().chain(rest).sum()
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
    fn value(self, x: f32) -> f32 {
        match self {
            Activation::Leaky(_) if x > 0.0 => x,
            Activation::Leaky(slope) => slope * x,
            Activation::Gelu => x * normal(x),
            Activation::Silu => x * sigmoid(x),
            Activation::Sigmoid => sigmoid(x),
            Activation::Tanh => x.tanh(),
        }
    }

    fn slope(self, x: f32) -> f32 {
        match self {
            Activation::Leaky(_) if x > 0.0 => 1.0,
            Activation::Leaky(slope) => slope,
            Activation::Gelu => normal(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt(),
            Activation::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
            Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Activation::Tanh => 1.0 - x.tanh().powi(2),
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The normal distribution function.
fn normal(x: f32) -> f32 {
    0.5 * (1.0 + libm::erff(x * FRAC_1_SQRT_2))
}
