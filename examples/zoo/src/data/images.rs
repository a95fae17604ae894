//! Standardized images in memory.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Raw, Shape};

/// Images of mean 0 and deviation 1 in each channel, with their classes.
pub struct Images {
    shape: Shape,
    pub labels: Vec<u8>,
    /// [images, channels, height, width]
    pixels: Vec<f32>,
}

impl Images {
    /// `raw` averaged over squares of side `pool`.
    pub(super) fn new(raw: &Raw, pool: usize) -> Images {
        let plane = raw.shape.height * raw.shape.width;
        // Of each channel, what a byte stands for: every command standardizes whole data sets, a network or two at a time.
        let channels = raw.moments.iter().map(|(mean, deviation)| {
            std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / deviation)
        });
        let channels: Vec<[f32; 256]> = channels.collect();
        let planes = raw.pixels.chunks_exact(plane).zip(channels.iter().cycle());
        let mut pixels = vec![0.0; raw.pixels.len()];
        for ((plane, standardized), out) in planes.zip(pixels.chunks_exact_mut(plane)) {
            for (pixel, out) in plane.iter().zip(out) {
                *out = standardized[usize::from(*pixel)];
            }
        }
        Images {
            shape: raw.shape.pooled(pool),
            labels: raw.labels.clone(),
            pixels: match pool {
                1 => pixels,
                _ => pooled(raw.shape, &pixels, pool),
            },
        }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// All of them, [images, channels, height, width].
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Writes images to `out`, one after another.
    pub fn gather(&self, indices: &[usize], out: &mut Vec<f32>) {
        let size = self.shape.size();
        out.clear();
        for index in indices {
            out.extend_from_slice(&self.pixels[index * size..][..size]);
        }
    }

    /// Moves each image by up to four pixels, and mirrors it half of the time. Pixels from outside are 0, the mean of
    /// the standardized images.
    pub fn augment(&self, rng: &mut ChaCha8Rng, images: &mut [f32]) {
        for image in images.chunks_exact_mut(self.shape.size()) {
            let shift = Shift {
                x: rng.random_range(-4i32..=4) as isize,
                y: rng.random_range(-4i32..=4) as isize,
                flip: rng.random(),
            };
            let source = image.to_vec();
            let planes = image.chunks_exact_mut(self.shape.height * self.shape.width);
            for (out, plane) in
                planes.zip(source.chunks_exact(self.shape.height * self.shape.width))
            {
                shift.apply(self.shape, plane, out);
            }
        }
    }
}

/// The mean of each square of side `pool`; what is left over at the end of a row or a column is left out.
fn pooled(shape: Shape, pixels: &[f32], pool: usize) -> Vec<f32> {
    let (to, mut out) = (shape.pooled(pool), Vec::new());
    for plane in pixels.chunks_exact(shape.height * shape.width) {
        for at in 0..to.height * to.width {
            let (y, x) = (at / to.width * pool, at % to.width * pool);
            let rows = (y..y + pool).map(|y| &plane[y * shape.width + x..][..pool]);
            let sum: f32 = rows.map(|row| row.iter().sum::<f32>()).sum();
            out.push(sum / (pool * pool) as f32);
        }
    }
    out
}

struct Shift {
    x: isize,
    y: isize,
    flip: bool,
}

impl Shift {
    /// Writes the shifted plane, with zeros from outside.
    fn apply(&self, shape: Shape, plane: &[f32], out: &mut [f32]) {
        for (at, out) in out.iter_mut().enumerate() {
            let source = self.source(at % shape.width, at / shape.width, shape);
            *out = source.map_or(0.0, |from| plane[from]);
        }
    }

    /// Which pixel of the image lands at (x, y), if one does.
    fn source(&self, x: usize, y: usize, shape: Shape) -> Option<usize> {
        let x = if self.flip { shape.width - 1 - x } else { x };
        let x = x.checked_add_signed(self.x).filter(|&x| x < shape.width)?;
        let y = y.checked_add_signed(self.y).filter(|&y| y < shape.height)?;
        Some(y * shape.width + x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn raw(shape: [usize; 3], pixels: &[u8], labels: &[u8]) -> Raw {
        let [channels, height, width] = shape;
        Raw {
            shape: Shape {
                channels,
                height,
                width,
            },
            moments: &[(0.5, 0.25), (0.5, 0.5)][..channels],
            pixels: pixels.to_vec(),
            labels: labels.to_vec(),
        }
    }

    #[test]
    fn images_are_standardized_and_a_shift_moves_them() {
        let images = Images::new(&raw([1, 1, 3], &[0, 255, 51], &[7]), 1);
        assert_eq!(images.pixels(), [-2.0, 2.0, -1.2]);
        assert_eq!(images.labels, [7]);
        let mut moved = [9.0; 3];
        let shift = Shift {
            x: 1,
            y: 0,
            flip: true,
        };
        shift.apply(images.shape, images.pixels(), &mut moved);
        assert_eq!(moved, [0.0, -1.2, 2.0]);
    }

    #[test]
    fn images_are_gathered_in_the_order_asked_for() {
        // Two channels of one pixel; image i has (i, 10 + i).
        let pixels: Vec<u8> = (0..6).flat_map(|i| [i, 10 + i]).collect();
        let images = Images::new(&raw([2, 1, 1], &pixels, &[0, 1, 2, 3, 4, 5]), 1);
        let mut gathered = vec![9.0];
        images.gather(&[5, 1, 0, 3], &mut gathered);
        let back: Vec<f32> = gathered
            .chunks(2)
            .flat_map(|c| [c[0] * 0.25 + 0.5, c[1] * 0.5 + 0.5])
            .map(|v| (v * 255.0).round())
            .collect();
        assert_eq!(back, [5.0, 15.0, 1.0, 11.0, 0.0, 10.0, 3.0, 13.0]);
    }

    #[test]
    fn pooling_averages_squares() {
        let images = Images::new(&raw([1, 2, 4], &[0, 51, 0, 0, 51, 102, 0, 0], &[1]), 2);
        assert_eq!(images.pixels().len(), 2);
        let expected = (0.2 - 0.5) / 0.25;
        assert!((images.pixels()[0] - expected).abs() < 1e-5);
        assert!((images.pixels()[1] + 2.0).abs() < 1e-5);
    }

    #[test]
    fn augmentation_follows_its_generator() {
        let pixels: Vec<u8> = (0..100).collect();
        let images = Images::new(&raw([1, 10, 10], &pixels, &[1]), 1);
        let augmented = |seed| {
            let mut copies = images.pixels().repeat(2);
            images.augment(&mut ChaCha8Rng::seed_from_u64(seed), &mut copies);
            copies
        };
        assert_eq!(augmented(1), augmented(1));
        assert_ne!(augmented(1), augmented(2));
        assert_ne!(augmented(1)[..100], augmented(1)[100..]);
    }
}
