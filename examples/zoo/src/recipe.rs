//! How each architecture is trained unless told otherwise.

use std::f64::consts::PI;

use crate::architecture::Net;
use crate::data::DataSet;

pub struct Recipe {
    pub data: DataSet,
    pub batch: usize,
    /// The highest learning rate.
    pub peak: f64,
    pub augment: bool,
    /// Of one run: epochs before its snapshots, and the rate that they are taken at.
    pub warmup: usize,
    pub lr: f64,
    /// Of a population: steps of each member.
    pub steps: usize,
}

impl Net {
    pub fn recipe(self) -> Recipe {
        match self {
            Net::Mlp => Recipe {
                data: DataSet::Mnist,
                batch: 64,
                peak: 1e-2,
                augment: false,
                warmup: 3,
                lr: 1e-3,
                steps: 4000,
            },
            Net::Cnn => Recipe {
                data: DataSet::FashionSubset,
                batch: 64,
                peak: 6e-3,
                augment: false,
                warmup: 12,
                lr: 3e-3,
                steps: 2000,
            },
            Net::Cnn6656 => Recipe {
                data: DataSet::Fashion,
                batch: 64,
                peak: 6e-3,
                augment: false,
                warmup: 3,
                lr: 3e-3,
                steps: 4000,
            },
            Net::Lenet5 => Recipe {
                data: DataSet::Mnist,
                batch: 64,
                peak: 3e-3,
                augment: false,
                warmup: 3,
                lr: 1e-3,
                steps: 2000,
            },
            Net::CifarCnn => Recipe {
                data: DataSet::Cifar10,
                batch: 128,
                peak: 6e-3,
                augment: true,
                warmup: 20,
                lr: 1e-3,
                steps: 4000,
            },
        }
    }
}

/// Learning rate at `t` in [0, 1): up to `peak` in the first tenth, then down a cosine to `end`.
pub fn one_cycle(peak: f64, end: f64, t: f64) -> f64 {
    const RISE: f64 = 0.1;
    if t < RISE {
        return peak * (t / RISE).max(0.01);
    }
    end + (peak - end) * 0.5 * (1.0 + (PI * (t - RISE) / (1.0 - RISE)).cos())
}
