//! Convolutions and their gradients, which read images where they lie and make no columns of them.
//!
//! Features are the outer axes and examples the innermost one, [channels, height, width, examples], so
//! what one tap of the window sees is runs of numbers.

mod tile;

use crate::chain::window::Window;
use tile::{Correlate, Gather, Kernels, LANES, Runs, Tap};

/// Filters [rows, channels, kernel height, kernel width] under a window.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    rows: usize,
    window: Window,
    /// For each row of pixels, and for each column, the taps and outputs that see it.
    seen: [Vec<Vec<Seen>>; 2],
}

/// Along one axis: a tap of the window, and the output that has a pixel under it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    tap: usize,
    by: usize,
}

/// Buffers that convolutions share.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    padded: Vec<f32>,
    packed: Vec<f32>,
    sums: Vec<f32>,
    taps: Vec<Tap>,
}

impl Convolution {
    pub fn new(rows: usize, window: Window) -> Convolution {
        let output = window.output().unwrap_or_default();
        let pixels = [window.height, window.width];
        let seen = [0, 1].map(|axis| {
            let sees = |pixel: usize, tap: usize| {
                let first = (pixel + window.padding).checked_sub(tap)?;
                let by = first / window.stride;
                let is_there = first.is_multiple_of(window.stride) && by < output[axis];
                is_there.then_some(Seen { tap, by })
            };
            let taps = 0..window.kernel[axis];
            (0..pixels[axis])
                .map(|pixel| taps.clone().filter_map(|tap| sees(pixel, tap)).collect())
                .collect()
        });
        Convolution { rows, window, seen }
    }

    /// Writes [rows, height, width, examples].
    pub fn forward(
        &self,
        (weight, bias): (&[f32], Option<&[f32]>),
        input: &[f32],
        examples: usize,
        buffers: &mut Buffers,
        out: &mut [f32],
    ) {
        self.forward_by(
            tile::fastest(),
            (weight, bias),
            input,
            examples,
            buffers,
            out,
        );
    }

    fn forward_by(
        &self,
        kernels: &Kernels,
        (weight, bias): (&[f32], Option<&[f32]>),
        input: &[f32],
        examples: usize,
        Buffers {
            padded,
            packed,
            taps,
            ..
        }: &mut Buffers,
        out: &mut [f32],
    ) {
        let Window {
            channels, stride, ..
        } = self.window;
        let ([_, width], [rows, columns]) = (self.padded(), self.output());
        let (distance, area) = (self.plane(examples), self.area());
        let input = self.pad(input, examples, padded);
        self.pack(
            weight,
            [self.rows, channels],
            [channels * area, area],
            packed,
        );
        taps.clear();
        taps.extend((0..area).map(|weight| Tap {
            weight,
            at: self.tap(weight) * examples,
        }));
        let mut weights = packed.as_slice();
        for (block, size) in tile::blocks(self.rows) {
            let (here, rest) = weights.split_at(channels * area * size);
            weights = rest;
            let mut start = [0.0; 6];
            if let Some(bias) = bias {
                start[..block.len()].copy_from_slice(&bias[block.clone()]);
            }
            let plane = rows * columns * examples;
            let out = &mut out[block.start * plane..block.end * plane];
            // Side by side, windows of stride 1 make one run.
            let (runs, length) = match stride {
                1 => (1, columns * examples),
                _ => (columns, examples),
            };
            for (row, run) in (0..rows).flat_map(|row| (0..runs).map(move |run| (row, run))) {
                let first = (row * width + run) * stride * examples;
                let job = Gather {
                    weights: here,
                    planes: channels,
                    taps,
                    input: &input[first..],
                    distance,
                    start: &start[..size],
                    length,
                };
                let at = row * columns * examples + run * length;
                kernels.gather(&job, &mut out[at..], plane);
            }
        }
    }

    /// Writes the gradient by the inputs for `above`, the one by the outputs.
    pub fn by_inputs(
        &self,
        weight: &[f32],
        above: &[f32],
        examples: usize,
        buffers: &mut Buffers,
        below: &mut [f32],
    ) {
        self.by_inputs_with(tile::fastest(), weight, above, examples, buffers, below);
    }

    fn by_inputs_with(
        &self,
        kernels: &Kernels,
        weight: &[f32],
        above: &[f32],
        examples: usize,
        Buffers { packed, taps, .. }: &mut Buffers,
        below: &mut [f32],
    ) {
        let Window {
            channels,
            height,
            width,
            ..
        } = self.window;
        let ([rows, columns], area) = (self.output(), self.area());
        self.pack(
            weight,
            [channels, self.rows],
            [area, channels * area],
            packed,
        );
        let plane = height * width * examples;
        for pixel in 0..height * width {
            taps.clear();
            for y in &self.seen[0][pixel / width] {
                taps.extend(self.seen[1][pixel % width].iter().map(|x| Tap {
                    weight: y.tap * self.window.kernel[1] + x.tap,
                    at: (y.by * columns + x.by) * examples,
                }));
            }
            let mut weights = packed.as_slice();
            for (block, size) in tile::blocks(channels) {
                let (here, rest) = weights.split_at(self.rows * area * size);
                weights = rest;
                let job = Gather {
                    weights: here,
                    planes: self.rows,
                    taps,
                    input: above,
                    distance: rows * columns * examples,
                    start: &[0.0; 6][..size],
                    length: examples,
                };
                let below = &mut below[block.start * plane..block.end * plane];
                kernels.gather(&job, &mut below[pixel * examples..], plane);
            }
        }
    }

    /// Adds the gradient by the filters for `above`, the one by the outputs.
    pub fn by_weights(
        &self,
        above: &[f32],
        input: &[f32],
        examples: usize,
        buffers: &mut Buffers,
        gradient: &mut [f32],
    ) {
        self.by_weights_with(tile::fastest(), above, input, examples, buffers, gradient);
    }

    fn by_weights_with(
        &self,
        kernels: &Kernels,
        above: &[f32],
        input: &[f32],
        examples: usize,
        Buffers { padded, sums, .. }: &mut Buffers,
        gradient: &mut [f32],
    ) {
        let Window {
            channels, stride, ..
        } = self.window;
        let ([_, width], [rows, columns]) = (self.padded(), self.output());
        let (plane, area) = (self.plane(examples), self.area());
        let input = self.pad(input, examples, padded);
        let taps: Vec<usize> = (0..channels * area)
            .map(|tap| tap / area * plane + self.tap(tap % area) * examples)
            .collect();
        sums.clear();
        sums.resize(Correlate::room(self.rows, taps.len()), 0.0);
        let runs = match stride {
            1 => Runs {
                count: 1,
                length: columns * examples,
                above: 0,
                input: 0,
            },
            _ => Runs {
                count: columns,
                length: examples,
                above: examples,
                input: stride * examples,
            },
        };
        for row in 0..rows {
            let job = Correlate {
                rows: self.rows,
                above: &above[row * columns * examples..],
                distance: rows * columns * examples,
                taps: &taps,
                input: &input[row * stride * width * examples..],
                runs,
            };
            kernels.correlate(&job, sums);
        }
        let of_rows = sums.chunks_exact(tile::stride(taps.len()));
        for (gradient, sums) in gradient.chunks_exact_mut(taps.len()).zip(of_rows) {
            let of_taps = gradient.iter_mut().zip(sums.as_chunks::<LANES>().0);
            of_taps.for_each(|(slot, lanes)| *slot += lanes.iter().sum::<f32>());
        }
    }

    /// Weights of one channel of a filter.
    fn area(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Height and width of the outputs.
    fn output(&self) -> [usize; 2] {
        self.window.output().unwrap_or_default()
    }

    /// Height and width of the inputs with their padding.
    fn padded(&self) -> [usize; 2] {
        let Window {
            height,
            width,
            padding,
            ..
        } = self.window;
        [height, width].map(|length| length + 2 * padding)
    }

    /// Numbers of one channel of the padded inputs.
    fn plane(&self, examples: usize) -> usize {
        let [height, width] = self.padded();
        height * width * examples
    }

    /// How many pixels of the padded inputs a tap of a channel is behind the first.
    fn tap(&self, weight: usize) -> usize {
        let [_, width] = self.padded();
        let across = self.window.kernel[1];
        weight / across * width + weight % across
    }

    /// The image with zeros around it.
    fn pad<'a>(&self, image: &'a [f32], examples: usize, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        let Window {
            height,
            width,
            padding,
            ..
        } = self.window;
        if padding == 0 {
            return image;
        }
        let [_, wide] = self.padded();
        buffer.clear();
        buffer.resize(self.window.channels * self.plane(examples), 0.0);
        let planes = buffer.chunks_exact_mut(self.plane(examples));
        for (plane, image) in planes.zip(image.chunks_exact(height * width * examples)) {
            for (y, row) in image.chunks_exact(width * examples).enumerate() {
                let first = ((y + padding) * wide + padding) * examples;
                plane[first..][..row.len()].copy_from_slice(row);
            }
        }
        buffer
    }

    /// Weights in the order in which tiles read them: blocks of rows, and in each [planes, taps, rows]
    /// with zeros for rows that fill the last block up. Rows and planes lie `strides` apart.
    fn pack(
        &self,
        weight: &[f32],
        [rows, planes]: [usize; 2],
        [row_stride, plane_stride]: [usize; 2],
        packed: &mut Vec<f32>,
    ) {
        let area = self.area();
        packed.clear();
        packed.resize(tile::padded(rows) * planes * area, 0.0);
        let mut rest = packed.as_mut_slice();
        for (block, size) in tile::blocks(rows) {
            let (here, after) = rest.split_at_mut(planes * area * size);
            rest = after;
            for (at, slots) in here.chunks_exact_mut(size).enumerate() {
                let from = at / area * plane_stride + at % area;
                for (slot, row) in slots.iter_mut().zip(block.clone()) {
                    *slot = weight[row * row_stride + from];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Purpose};

    fn normal(n: usize, sample: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        Noise::new(1).normal(Purpose::Training, sample, 0, &mut out);
        out
    }

    fn convolution(rows: usize, channels: usize, stride: usize, padding: usize) -> Convolution {
        let window = Window {
            channels,
            height: 7,
            width: 6,
            kernel: [3, 2],
            stride,
            padding,
        };
        Convolution::new(rows, window)
    }

    /// Blocks of every size and with rows over, strides and paddings.
    fn all() -> impl Iterator<Item = Convolution> {
        let sizes = [(1, 1), (2, 3), (6, 4), (7, 8), (8, 5), (9, 6), (13, 10)];
        sizes.into_iter().flat_map(|(rows, channels)| {
            let windows = [(1, 0), (1, 1), (2, 0), (3, 2)];
            windows.map(|(stride, padding)| convolution(rows, channels, stride, padding))
        })
    }

    fn everywhere() -> impl Iterator<Item = (Convolution, &'static Kernels)> {
        all().flat_map(|it| tile::available().map(move |kernels| (it.clone(), kernels)))
    }

    /// Visits (output, weight, input) of every product that a convolution adds up, of one example.
    fn products(it: &Convolution, mut visit: impl FnMut(usize, usize, usize)) {
        let Window {
            channels,
            height,
            width,
            ..
        } = it.window;
        let [rows, columns] = it.output();
        for (filter, channel) in (0..it.rows).flat_map(|r| (0..channels).map(move |c| (r, c))) {
            for (weight, at) in
                (0..it.area()).flat_map(|w| (0..rows * columns).map(move |at| (w, at)))
            {
                let (down, across) = (weight / it.window.kernel[1], weight % it.window.kernel[1]);
                let y = (at / columns * it.window.stride + down).wrapping_sub(it.window.padding);
                let x = (at % columns * it.window.stride + across).wrapping_sub(it.window.padding);
                if y < height && x < width {
                    visit(
                        filter * rows * columns + at,
                        (filter * channels + channel) * it.area() + weight,
                        (channel * height + y) * width + x,
                    );
                }
            }
        }
    }

    fn close(found: &[f32], right: &[f32], what: &str) {
        for (found, right) in found.iter().zip(right) {
            let error = (found - right).abs();
            assert!(
                error < 1e-5 * (10.0 + right.abs()),
                "{found} for {right}, {what}"
            );
        }
    }

    #[test]
    fn convolutions_and_gradients_are_the_sums_they_stand_for() {
        for (it, kernels) in everywhere() {
            let [rows, columns] = it.output();
            let (inputs, outputs) = (it.window.channels * 42, it.rows * rows * columns);
            let (weight, bias) = (
                normal(it.rows * it.window.channels * it.area(), 0),
                normal(it.rows, 1),
            );
            for examples in [1, 3, 8, 19, 32] {
                let what = format!("{it:?}, {examples} examples");
                let (input, above) = (normal(inputs * examples, 2), normal(outputs * examples, 3));
                let mut right: Vec<f32> = (0..outputs * examples)
                    .map(|at| bias[at / (rows * columns * examples)])
                    .collect();
                let (mut by_inputs, mut by_weights) =
                    (vec![0.0; input.len()], vec![1.0; weight.len()]);
                products(&it, |o, w, i| {
                    for e in 0..examples {
                        let (o, i) = (o * examples + e, i * examples + e);
                        right[o] += weight[w] * input[i];
                        by_inputs[i] += weight[w] * above[o];
                        by_weights[w] += above[o] * input[i];
                    }
                });
                let mut buffers = Buffers::default();
                let mut out = vec![f32::NAN; right.len()];
                let filters = (&weight[..], Some(&bias[..]));
                it.forward_by(kernels, filters, &input, examples, &mut buffers, &mut out);
                close(&out, &right, &what);
                let mut below = vec![f32::NAN; input.len()];
                it.by_inputs_with(kernels, &weight, &above, examples, &mut buffers, &mut below);
                close(&below, &by_inputs, &what);
                let mut gradient = vec![1.0; weight.len()];
                it.by_weights_with(
                    kernels,
                    &above,
                    &input,
                    examples,
                    &mut buffers,
                    &mut gradient,
                );
                close(&gradient, &by_weights, &what);
            }
        }
    }

    /// So that a network's result does not depend on what runs beside it.
    #[test]
    fn an_example_is_the_same_bytes_in_any_batch() {
        for (it, kernels) in everywhere() {
            let weight = normal(it.rows * it.window.channels * it.area(), 0);
            let one = normal(it.window.channels * 42, 1);
            let run = |examples: usize| {
                let input: Vec<f32> = one.iter().flat_map(|x| vec![*x; examples]).collect();
                let [rows, columns] = it.output();
                let mut out = vec![0.0; it.rows * rows * columns * examples];
                let buffers = &mut Buffers::default();
                it.forward_by(
                    kernels,
                    (&weight, None),
                    &input,
                    examples,
                    buffers,
                    &mut out,
                );
                out
            };
            let alone = run(1);
            for examples in [7, 16, 25] {
                for (copies, alone) in run(examples).chunks_exact(examples).zip(&alone) {
                    assert!(copies.iter().all(|x| x == alone), "{it:?}");
                }
            }
        }
    }

    /// Of all instructions that fuse additions; those that do not are close to them, as above.
    #[test]
    fn vectors_of_any_width_have_the_same_bytes() {
        let fused = tile::available().count() - 1;
        for it in all() {
            let [rows, columns] = it.output();
            let (weight, bias) = (
                normal(it.rows * it.window.channels * it.area(), 0),
                normal(it.rows, 1),
            );
            for examples in [1, 19, 32, 75] {
                let input = normal(it.window.channels * 42 * examples, 2);
                let above = normal(it.rows * rows * columns * examples, 3);
                let of = |kernels: &Kernels| {
                    let buffers = &mut Buffers::default();
                    let mut found = [vec![0.0; above.len()], input.clone(), weight.clone()];
                    let [out, below, gradient] = &mut found;
                    let filters = (&weight[..], Some(&bias[..]));
                    it.forward_by(kernels, filters, &input, examples, buffers, out);
                    it.by_inputs_with(kernels, &weight, &above, examples, buffers, below);
                    it.by_weights_with(kernels, &above, &input, examples, buffers, gradient);
                    found
                };
                let all: Vec<_> = tile::available().take(fused).map(of).collect();
                assert!(all.windows(2).all(|two| two[0] == two[1]), "{it:?}");
            }
        }
    }
}
