//! Standardized images in memory, and batches of them for one network or many.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::{Raw, Shape};

/// Images of mean 0 and deviation 1 in each channel, with their classes.
pub struct Images {
    shape: Shape,
    pub labels: Vec<u8>,
    /// [images, height, width, channels] and [images] as int64. Channels lie innermost in memory: libtorch's poolings
    /// are several times faster so. A tensor may be sent between threads and not shared, hence the lock.
    tensors: Mutex<(Tensor, Tensor)>,
}

impl Images {
    /// `raw` averaged over squares of side `pool`.
    pub(super) fn new(raw: &Raw, pool: usize) -> Result<Images> {
        let Shape {
            channels,
            height,
            width,
        } = raw.shape;
        let plane = height * width;
        let mut values = vec![0f32; raw.pixels.len()];
        for (out, image) in values
            .chunks_exact_mut(raw.shape.size())
            .zip(raw.pixels.chunks_exact(raw.shape.size()))
        {
            for (channel, &(mean, deviation)) in raw.moments.iter().enumerate() {
                for (at, &pixel) in image[channel * plane..][..plane].iter().enumerate() {
                    out[at * channels + channel] = (f32::from(pixel) / 255.0 - mean) / deviation;
                }
            }
        }
        let mut images = Tensor::f_from_slice(&values)?
            .f_reshape([raw.len(), height, width, channels].map(|d| d as i64))?;
        if pool > 1 {
            let side = pool as i64;
            images = images
                .f_permute([0, 3, 1, 2])?
                .f_avg_pool2d(side, side, 0, false, true, None::<i64>)?
                .f_permute([0, 2, 3, 1])?
                .f_contiguous()?;
        }
        let labels: Vec<i64> = raw.labels.iter().map(|&label| i64::from(label)).collect();
        Ok(Images {
            shape: raw.shape.pooled(pool),
            labels: raw.labels.clone(),
            tensors: Mutex::new((images, Tensor::f_from_slice(&labels)?)),
        })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// All of them, [images, channels, height, width].
    pub fn pixels(&self) -> Result<Vec<f32>> {
        let all: Vec<usize> = (0..self.len()).collect();
        let (images, _) = self.batch(&all, 1)?;
        Ok(images.f_contiguous()?.f_reshape([-1])?.try_into()?)
    }

    /// The images of `indices` [batch x members], one batch for each of `members` networks: as batch x (members x
    /// channels) x height x width, and their classes [batch x members] as int64.
    pub fn batch(&self, indices: &[usize], members: usize) -> Result<(Tensor, Tensor)> {
        let (images, labels) = self.gather(indices)?;
        Ok((self.side_by_side(images, members)?, labels))
    }

    /// The same, each image moved by up to four pixels and mirrored half of the time; `rngs` has one for each member.
    pub fn augmented_batch(
        &self,
        indices: &[usize],
        rngs: &mut [&mut ChaCha8Rng],
    ) -> Result<(Tensor, Tensor)> {
        let (images, labels) = self.gather(indices)?;
        let (shape, members) = (images.size(), rngs.len());
        let source: Vec<f32> = images.f_reshape([-1])?.try_into()?;
        // Pixels from outside stay 0, the mean of the standardized images.
        let mut moved = vec![0f32; source.len()];
        let size = self.shape.size();
        for (i, (out, image)) in moved
            .chunks_exact_mut(size)
            .zip(source.chunks_exact(size))
            .enumerate()
        {
            let rng = &mut rngs[i % members];
            let shift = Shift {
                x: rng.random_range(-4i32..=4) as isize,
                y: rng.random_range(-4i32..=4) as isize,
                flip: rng.random(),
            };
            shift.apply(self.shape, image, out);
        }
        let images = Tensor::f_from_slice(&moved)?.f_reshape(shape)?;
        Ok((self.side_by_side(images, members)?, labels))
    }

    fn gather(&self, indices: &[usize]) -> Result<(Tensor, Tensor)> {
        let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        let indices = Tensor::f_from_slice(&indices)?;
        let (images, labels) = {
            let tensors = self.tensors.lock().unwrap_or_else(PoisonError::into_inner);
            (tensors.0.shallow_clone(), tensors.1.shallow_clone())
        };
        Ok((
            images.f_index_select(0, &indices)?,
            labels.f_index_select(0, &indices)?,
        ))
    }

    /// Images [batch x members, height, width, channels] with every batch's members side by side.
    fn side_by_side(&self, images: Tensor, members: usize) -> Result<Tensor> {
        let Shape {
            channels,
            height,
            width,
        } = self.shape;
        let images = images.f_permute([0, 3, 1, 2])?;
        Ok(match members {
            1 => images,
            _ => {
                let shape = [members * channels, height, width].map(|d| d as i64);
                images.f_reshape([-1, shape[0], shape[1], shape[2]])?
            }
        })
    }
}

struct Shift {
    x: isize,
    y: isize,
    flip: bool,
}

impl Shift {
    /// Writes the shifted image, height x width x channels, over zeros.
    fn apply(&self, shape: Shape, image: &[f32], out: &mut [f32]) {
        for (at, out) in out.chunks_exact_mut(shape.channels).enumerate() {
            let (x, y) = (at % shape.width, at / shape.width);
            if let Some(from) = self.source(x, y, shape) {
                out.copy_from_slice(&image[from * shape.channels..][..shape.channels]);
            }
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

    fn values(x: &Tensor) -> Vec<f32> {
        x.reshape([-1]).try_into().unwrap()
    }

    #[test]
    fn a_batch_is_standardized_and_a_shift_moves_it() {
        let images = Images::new(&raw([1, 1, 3], &[0, 255, 51], &[7]), 1).unwrap();
        let (x, y) = images.batch(&[0], 1).unwrap();
        assert_eq!(values(&x), [-2.0, 2.0, -1.2]);
        assert_eq!(Vec::<i64>::try_from(y).unwrap(), [7]);
        let mut moved = [0.0; 3];
        let shift = Shift {
            x: 1,
            y: 0,
            flip: true,
        };
        shift.apply(images.shape, &values(&x), &mut moved);
        assert_eq!(moved, [0.0, -1.2, 2.0]);
    }

    #[test]
    fn members_see_their_own_images_side_by_side() {
        // Two channels of one pixel; image i has (i, 10 + i).
        let pixels: Vec<u8> = (0..6).flat_map(|i| [i, 10 + i]).collect();
        let images = Images::new(&raw([2, 1, 1], &pixels, &[0, 1, 2, 3, 4, 5]), 1).unwrap();
        let (x, y) = images.batch(&[5, 1, 0, 3], 2).unwrap();
        assert_eq!(x.size(), [2, 4, 1, 1]);
        let back: Vec<f32> = values(&x)
            .chunks(2)
            .flat_map(|c| [c[0] * 0.25 + 0.5, c[1] * 0.5 + 0.5])
            .map(|v| (v * 255.0).round())
            .collect();
        assert_eq!(back, [5.0, 15.0, 1.0, 11.0, 0.0, 10.0, 3.0, 13.0]);
        assert_eq!(Vec::<i64>::try_from(y).unwrap(), [5, 1, 0, 3]);
    }

    #[test]
    fn pooling_averages_squares() {
        let images = Images::new(&raw([1, 2, 4], &[0, 51, 0, 0, 51, 102, 0, 0], &[1]), 2).unwrap();
        let (x, _) = images.batch(&[0], 1).unwrap();
        assert_eq!(x.size(), [1, 1, 1, 2]);
        let expected = (0.2 - 0.5) / 0.25;
        assert!((values(&x)[0] - expected).abs() < 1e-5);
        assert!((values(&x)[1] + 2.0).abs() < 1e-5);
    }

    #[test]
    fn a_member_draws_its_own_augmentation() {
        let pixels: Vec<u8> = (0..100).collect();
        let images = Images::new(&raw([1, 10, 10], &pixels, &[1]), 1).unwrap();
        let rng = |seed| ChaCha8Rng::seed_from_u64(seed);
        let (mut a, mut b, mut again) = (rng(1), rng(2), rng(2));
        let (both, _) = images
            .augmented_batch(&[0, 0, 0, 0], &mut [&mut a, &mut b])
            .unwrap();
        let (alone, _) = images.augmented_batch(&[0, 0], &mut [&mut again]).unwrap();
        assert_eq!(values(&both.narrow(1, 1, 1)), values(&alone));
        assert_ne!(values(&both.narrow(1, 0, 1)), values(&alone));
    }
}
