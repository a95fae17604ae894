//! A window that slides over an image: unfolding it into columns, and folding these back.
//!
//! Features are the outer axes and examples the innermost one, [channels, height, width, examples],
//! so all that moves is runs of numbers.

/// A square window over [channels, height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: usize,
}

impl Window {
    /// Height and width of what the window makes; None where it does not fit.
    pub fn output(&self) -> Option<[usize; 2]> {
        let along = |length: usize, kernel: usize| {
            let padded = length.checked_add(self.padding.checked_mul(2)?)?;
            Some(padded.checked_sub(kernel)?.checked_div(self.stride)? + 1)
        };
        if self.kernel.contains(&0) {
            return None;
        }
        Some([
            along(self.height, self.kernel[0])?,
            along(self.width, self.kernel[1])?,
        ])
    }

    /// Elements under the window.
    pub fn taps(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Columns [taps, positions, examples] from an image [channels, height, width, examples].
    pub fn unfold(&self, image: &[f32], examples: usize, columns: &mut [f32]) {
        self.each(examples, |column, pixel| match pixel {
            Some(pixel) => columns[column].copy_from_slice(&image[pixel]),
            None => columns[column].fill(0.0),
        });
    }

    /// Adds columns back to where they came from.
    pub fn fold(&self, columns: &[f32], examples: usize, image: &mut [f32]) {
        self.each(examples, |column, pixel| {
            if let Some(pixel) = pixel {
                let column = &columns[column];
                let sums = image[pixel].iter_mut();
                sums.zip(column).for_each(|(sum, x)| *sum += x);
            }
        });
    }

    /// Visits every element of the columns, as runs of examples, with the pixels it stands for; none
    /// in the padding.
    fn each(
        &self,
        examples: usize,
        mut visit: impl FnMut(std::ops::Range<usize>, Option<std::ops::Range<usize>>),
    ) {
        let [rows, columns] = self.output().unwrap_or_default();
        let inside = |at: usize, tap: usize, length: usize| {
            (at * self.stride + tap)
                .checked_sub(self.padding)
                .filter(|at| *at < length)
        };
        let mut column = 0;
        for channel in 0..self.channels {
            for tap_y in 0..self.kernel[0] {
                for tap_x in 0..self.kernel[1] {
                    for row in 0..rows {
                        let y = inside(row, tap_y, self.height);
                        for at in 0..columns {
                            let x = inside(at, tap_x, self.width);
                            let pixel = y.zip(x).map(|(y, x)| {
                                let pixel = (channel * self.height + y) * self.width + x;
                                pixel * examples..(pixel + 1) * examples
                            });
                            visit(column * examples..(column + 1) * examples, pixel);
                            column += 1;
                        }
                    }
                }
            }
        }
    }

    /// For pooling: for each output its elements' pixels, channel by channel.
    pub fn pools(&self, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
        let [rows, columns] = self.output().unwrap_or_default();
        for channel in 0..self.channels {
            for row in 0..rows {
                for column in 0..columns {
                    let out = (channel * rows + row) * columns + column;
                    let mut pixels = (0..self.kernel[0] * self.kernel[1]).map(|tap| {
                        let (y, x) = (tap / self.kernel[1], tap % self.kernel[1]);
                        let y = row * self.stride + y;
                        (channel * self.height + y) * self.width + column * self.stride + x
                    });
                    visit(out, &mut pixels);
                }
            }
        }
    }
}
