//! A window that slides over an image.

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

    /// For pooling: the first pixel that each output sees, channel by channel.
    pub fn pools(&self) -> impl Iterator<Item = usize> {
        let [rows, columns] = self.output().unwrap_or_default();
        (0..self.channels * rows).flat_map(move |row| {
            let (channel, y) = (row / rows, row % rows * self.stride);
            let first = (channel * self.height + y) * self.width;
            (0..columns).map(move |column| first + column * self.stride)
        })
    }

    /// How many numbers the pixels under the window are behind the first.
    pub fn offsets(&self, examples: usize) -> Vec<usize> {
        let [height, width] = self.kernel;
        let taps = (0..height).flat_map(|y| (0..width).map(move |x| y * self.width + x));
        taps.map(|tap| tap * examples).collect()
    }
}
