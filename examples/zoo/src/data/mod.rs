//! Image data sets as three splits of bytes: training, selection (to choose with) and test (to report).

mod idx;
mod images;
mod strips;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

pub use images::Images;

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

/// Which images, as every command asks it.
#[derive(Args, Clone)]
pub struct Options {
    /// The images [default: the data set of the architecture's recipe]
    #[arg(long, value_enum)]
    pub data: Option<DataSet>,
    /// Average the images over squares of this side: 2 makes 14x14 of 28x28
    #[arg(long, default_value_t = 1, value_name = "SIDE")]
    pub pool: usize,
}

impl Options {
    /// Reads the splits; a full set that was not fetched yet is an error that names the command.
    pub fn load(&self, default: DataSet) -> Result<Splits> {
        let splits = self.data.unwrap_or(default).load()?;
        let Shape { height, width, .. } = splits.test.shape;
        ensure!(
            (1..=height.min(width)).contains(&self.pool),
            "--pool {}: the images are {height}x{width}; squares have a side of 1 to {}",
            self.pool,
            height.min(width)
        );
        Ok(Splits {
            pool: self.pool,
            ..splits
        })
    }
}

/// Which of the training images networks see.
#[derive(Args)]
pub struct Seen {
    /// The share of the training images that networks see, from the first on
    #[arg(long, default_value_t = 1.0)]
    fraction: f64,
}

impl Seen {
    /// How many of so many images that is.
    pub fn of(&self, images: usize) -> Result<usize> {
        ensure!(
            0.0 < self.fraction && self.fraction <= 1.0,
            "--fraction {}: a share above 0 and up to 1",
            self.fraction
        );
        Ok((images as f64 * self.fraction) as usize)
    }
}

/// How many images at the end of an official training file are the selection split.
const SELECTION: usize = 5_000;

/// A data set as it was read.
pub struct Splits {
    pub train: Raw,
    pub selection: Raw,
    pub test: Raw,
    pool: usize,
}

impl Splits {
    /// The shape of the images that networks see.
    pub fn shape(&self) -> Shape {
        self.test.shape.pooled(self.pool)
    }

    /// Standardizes one of the splits.
    pub fn images(&self, split: impl Fn(&Splits) -> &Raw) -> Images {
        Images::new(split(self), self.pool)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    fn size(self) -> usize {
        self.channels * self.height * self.width
    }

    fn pooled(self, side: usize) -> Shape {
        Shape {
            height: self.height / side,
            width: self.width / side,
            ..self
        }
    }
}

/// Mean and deviation of each channel, of pixels between 0 and 1.
type Moments = &'static [(f32, f32)];

const MNIST: Moments = &[(0.1307, 0.3081)];
const FASHION: Moments = &[(0.2860, 0.3530)];
const CIFAR10: Moments = &[(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)];

/// Images of one shape as bytes, each channels x height x width, with their classes.
pub struct Raw {
    shape: Shape,
    moments: Moments,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Raw {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Keeps the first `count` images, or all when there are fewer.
    pub fn truncate(&mut self, count: usize) {
        self.labels.truncate(count);
        self.pixels.truncate(count * self.shape.size());
    }

    /// Leaves out the first `count` images, or all when there are fewer.
    pub fn skip(&mut self, count: usize) {
        let count = count.min(self.len());
        self.labels.drain(..count);
        self.pixels.drain(..count * self.shape.size());
    }

    /// Takes the last images away, as the selection split.
    fn split(mut self, test: Raw) -> Result<Splits> {
        ensure!(
            self.len() > SELECTION,
            "{} training images are too few to split",
            self.len()
        );
        let kept = self.len() - SELECTION;
        let selection = Raw {
            pixels: self.pixels.split_off(kept * self.shape.size()),
            labels: self.labels.split_off(kept),
            ..self
        };
        Ok(Splits {
            train: self,
            selection,
            test,
            pool: 1,
        })
    }
}

impl DataSet {
    fn load(self) -> Result<Splits> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data"));
        let full = |name: &str| -> Result<PathBuf> {
            let path = folder.join("full").join(name);
            ensure!(
                path.is_dir(),
                "{name} is not here yet: run examples/zoo/data/fetch {name}"
            );
            Ok(path)
        };
        let official = |name, moments| -> Result<Splits> {
            let folder = full(name)?;
            idx::read(&folder, "train", moments)?.split(idx::read(&folder, "t10k", moments)?)
        };
        match self {
            DataSet::FashionSubset => Ok(Splits {
                train: idx::read(&folder, "train", FASHION)?,
                selection: idx::read(&folder, "selection", FASHION)?,
                test: idx::read(&folder, "test", FASHION)?,
                pool: 1,
            }),
            DataSet::Mnist => official("mnist", MNIST),
            DataSet::Fashion => official("fashion", FASHION),
            DataSet::Cifar10 => {
                let folder = full("cifar10")?;
                let batches = [
                    "data_batch_1.png",
                    "data_batch_2.png",
                    "data_batch_3.png",
                    "data_batch_4.png",
                    "data_batch_5.png",
                ];
                // The package spells its label files so.
                let train = strips::read(&folder, &batches, "train_lables.json", CIFAR10)?;
                let test = strips::read(&folder, &["test_batch.png"], "test_lables.json", CIFAR10)?;
                train.split(test)
            }
        }
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
    fn squares_larger_than_the_images_are_refused() {
        let options = Options {
            data: None,
            pool: 29,
        };
        let refused = options.load(DataSet::FashionSubset).err().unwrap();
        assert!(refused.to_string().contains("a side of 1 to 28"));
    }
}
