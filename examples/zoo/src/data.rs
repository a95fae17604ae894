//! Image data sets as three splits of bytes: training, selection (to choose with) and test (to report).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use flate2::read::GzDecoder;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataSet {
    /// The class-balanced part of Fashion-MNIST in this repository: 6,000, 1,000 and 2,000 images
    FashionSubset,
    /// MNIST: 55,000, 5,000 and 10,000 images
    Mnist,
    /// Fashion-MNIST: 55,000, 5,000 and 10,000 images
    Fashion,
    /// CIFAR-10: 45,000, 5,000 and 10,000 images
    Cifar10,
}

/// How many images at the end of an official training file are the selection split.
const SELECTION: usize = 5_000;

pub struct Splits {
    pub train: Images,
    pub selection: Images,
    pub test: Images,
}

/// Images of one shape, with their classes.
pub struct Images {
    /// Channels, height, width.
    shape: [usize; 3],
    /// Mean and deviation of each channel, of pixels between 0 and 1.
    moments: &'static [(f32, f32)],
    pixels: Vec<u8>,
    pub labels: Vec<u8>,
}

impl DataSet {
    /// Reads the splits; a full set that was not fetched yet is an error that names the command.
    pub fn load(self) -> Result<Splits> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data"));
        let full = |name: &str| -> Result<PathBuf> {
            let path = folder.join("full").join(name);
            ensure!(
                path.is_dir(),
                "{name} is not here yet: run examples/zoo/data/fetch {name}"
            );
            Ok(path)
        };
        match self {
            DataSet::FashionSubset => Ok(Splits {
                train: idx(&folder, "train", FASHION)?,
                selection: idx(&folder, "selection", FASHION)?,
                test: idx(&folder, "test", FASHION)?,
            }),
            DataSet::Mnist => {
                let folder = full("mnist")?;
                split(idx(&folder, "train", MNIST)?, idx(&folder, "t10k", MNIST)?)
            }
            DataSet::Fashion => {
                let folder = full("fashion")?;
                split(
                    idx(&folder, "train", FASHION)?,
                    idx(&folder, "t10k", FASHION)?,
                )
            }
            DataSet::Cifar10 => {
                let folder = full("cifar10")?;
                let batches: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.png")).collect();
                // The package spells its label files so.
                let train = strips(&folder, &batches, "train_lables.json")?;
                split(
                    train,
                    strips(&folder, &["test_batch.png".into()], "test_lables.json")?,
                )
            }
        }
    }
}

const MNIST: &[(f32, f32)] = &[(0.1307, 0.3081)];
const FASHION: &[(f32, f32)] = &[(0.2860, 0.3530)];
const CIFAR10: &[(f32, f32)] = &[(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)];

fn split(mut train: Images, test: Images) -> Result<Splits> {
    ensure!(
        train.len() > SELECTION,
        "{} training images are too few to split",
        train.len()
    );
    let kept = train.len() - SELECTION;
    let selection = Images {
        pixels: train.pixels.split_off(kept * train.stride()),
        labels: train.labels.split_off(kept),
        ..train
    };
    Ok(Splits {
        train,
        selection,
        test,
    })
}

/// A pair of idx files, as published or compressed by gzip.
fn idx(folder: &Path, prefix: &str, moments: &'static [(f32, f32)]) -> Result<Images> {
    let read = |kind: &str, magic: u32, header: usize| -> Result<(Vec<usize>, Vec<u8>)> {
        let mut path = folder.join(format!("{prefix}-{kind}-ubyte"));
        if !path.exists() {
            path.set_extension("gz");
        }
        let mut bytes = Vec::new();
        let mut file =
            File::open(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        match path.extension() {
            Some(_) => GzDecoder::new(file).read_to_end(&mut bytes),
            None => file.read_to_end(&mut bytes),
        }
        .with_context(|| format!("{}: cannot be read", path.display()))?;
        let words: Vec<usize> = bytes
            .as_chunks()
            .0
            .iter()
            .take(header)
            .map(|&word| u32::from_be_bytes(word) as usize)
            .collect();
        ensure!(
            words.len() == header
                && words[0] == magic as usize
                && bytes.len() - 4 * header == words[1..].iter().product::<usize>(),
            "{}: not a whole idx file",
            path.display()
        );
        Ok((words[1..].to_vec(), bytes.split_off(4 * header)))
    };
    let (sizes, pixels) = read("images-idx3", 0x803, 4)?;
    let (counts, labels) = read("labels-idx1", 0x801, 2)?;
    ensure!(
        sizes[0] == counts[0],
        "{prefix}: {} images, {} labels",
        sizes[0],
        counts[0]
    );
    Ok(Images {
        shape: [1, sizes[1], sizes[2]],
        moments,
        pixels,
        labels,
    })
}

/// PNG strips of 32x32 RGB images, one image in each row of 1,024 pixels.
fn strips(folder: &Path, names: &[String], labels: &str) -> Result<Images> {
    const PIXELS: usize = 32 * 32;
    let mut pixels = Vec::new();
    for name in names {
        let path = folder.join(name);
        let unreadable = || format!("{}: cannot be read", path.display());
        let file = File::open(&path).with_context(unreadable)?;
        let mut reader = png::Decoder::new(BufReader::new(file))
            .read_info()
            .with_context(unreadable)?;
        let info = reader.info();
        ensure!(
            info.width as usize == PIXELS
                && info.color_type == png::ColorType::Rgb
                && info.bit_depth == png::BitDepth::Eight,
            "{}: not a strip of 32x32 RGB images",
            path.display()
        );
        while let Some(row) = reader.next_row().with_context(unreadable)? {
            let start = pixels.len();
            pixels.resize(start + 3 * PIXELS, 0);
            for (i, rgb) in row.data().chunks_exact(3).enumerate() {
                for channel in 0..3 {
                    pixels[start + channel * PIXELS + i] = rgb[channel];
                }
            }
        }
    }
    let path = folder.join(labels);
    let file = File::open(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let labels: Vec<u8> = serde_json::from_reader(BufReader::new(file))
        .with_context(|| format!("{}: not a list of classes", path.display()))?;
    ensure!(
        labels.len() * 3 * PIXELS == pixels.len(),
        "{}: {} labels for {} images",
        path.display(),
        labels.len(),
        pixels.len() / (3 * PIXELS)
    );
    Ok(Images {
        shape: [3, 32, 32],
        moments: CIFAR10,
        pixels,
        labels,
    })
}

impl Images {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Keeps the first `count` images, or all when there are fewer.
    pub fn truncate(&mut self, count: usize) {
        self.labels.truncate(count);
        self.pixels.truncate(count * self.stride());
    }

    fn stride(&self) -> usize {
        self.shape.iter().product()
    }

    /// The standardized images `indices` (batch x channels x height x width) and their classes (int64).
    pub fn batch(&self, indices: &[usize]) -> Result<(Tensor, Tensor)> {
        self.gather(indices, |_| Shift {
            x: 0,
            y: 0,
            flip: false,
        })
    }

    /// The same, each image moved by up to four pixels and mirrored half of the time.
    pub fn augmented_batch(
        &self,
        indices: &[usize],
        rng: &mut ChaCha8Rng,
    ) -> Result<(Tensor, Tensor)> {
        self.gather(indices, |_| Shift {
            x: rng.random_range(-4i32..=4) as isize,
            y: rng.random_range(-4i32..=4) as isize,
            flip: rng.random(),
        })
    }

    fn gather(
        &self,
        indices: &[usize],
        mut shift: impl FnMut(usize) -> Shift,
    ) -> Result<(Tensor, Tensor)> {
        let [channels, height, width] = self.shape;
        let mut values = vec![0f32; indices.len() * self.stride()];
        for (&index, image) in indices.iter().zip(values.chunks_exact_mut(self.stride())) {
            let shift = shift(index);
            let source = &self.pixels[index * self.stride()..][..self.stride()];
            for channel in 0..channels {
                let (mean, deviation) = self.moments[channel];
                for y in 0..height {
                    for x in 0..width {
                        // Pixels from outside stay 0, the mean of the standardized images.
                        if let Some(from) = shift.source(x, y, width, height) {
                            let pixel = f32::from(source[channel * height * width + from]) / 255.0;
                            image[(y * width + x) * channels + channel] =
                                (pixel - mean) / deviation;
                        }
                    }
                }
            }
        }
        // Channels lie innermost in memory: libtorch's poolings are several times faster so.
        let images = Tensor::f_from_slice(&values)?
            .f_reshape([indices.len(), height, width, channels].map(|d| d as i64))?
            .f_permute([0, 3, 1, 2])?;
        let labels: Vec<i64> = indices.iter().map(|&i| i64::from(self.labels[i])).collect();
        Ok((images, Tensor::f_from_slice(&labels)?))
    }
}

struct Shift {
    x: isize,
    y: isize,
    flip: bool,
}

impl Shift {
    /// Which pixel of the image's plane lands at (x, y), if one does.
    fn source(&self, x: usize, y: usize, width: usize, height: usize) -> Option<usize> {
        let x = if self.flip { width - 1 - x } else { x };
        let x = x.checked_add_signed(self.x).filter(|&x| x < width)?;
        let y = y.checked_add_signed(self.y).filter(|&y| y < height)?;
        Some(y * width + x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_is_balanced() {
        let splits = DataSet::FashionSubset.load().unwrap();
        for (split, per_class) in [
            (&splits.train, 600),
            (&splits.selection, 100),
            (&splits.test, 200),
        ] {
            let mut counts = [0; 10];
            split
                .labels
                .iter()
                .for_each(|&label| counts[usize::from(label)] += 1);
            assert_eq!(counts, [per_class; 10]);
            assert_eq!(split.pixels.len(), 28 * 28 * split.len());
        }
    }

    #[test]
    fn training_and_selection_are_disjoint() {
        let splits = DataSet::FashionSubset.load().unwrap();
        let train: std::collections::HashSet<&[u8]> =
            splits.train.pixels.chunks_exact(784).collect();
        assert!(
            splits
                .selection
                .pixels
                .chunks_exact(784)
                .all(|image| !train.contains(image))
        );
    }

    #[test]
    fn a_batch_is_standardized_and_a_shift_moves_it() {
        let images = Images {
            shape: [1, 1, 3],
            moments: &[(0.5, 0.25)],
            pixels: vec![0, 255, 51],
            labels: vec![7],
        };
        let (x, y) = images.batch(&[0]).unwrap();
        assert_eq!(
            Vec::<f32>::try_from(x.reshape([3])).unwrap(),
            [-2.0, 2.0, -1.2]
        );
        assert_eq!(Vec::<i64>::try_from(y).unwrap(), [7]);
        let (x, _) = images
            .gather(&[0], |_| Shift {
                x: 1,
                y: 0,
                flip: true,
            })
            .unwrap();
        assert_eq!(
            Vec::<f32>::try_from(x.reshape([3])).unwrap(),
            [0.0, -1.2, 2.0]
        );
    }
}
