//! A real network's weights, cut or repeated to size and perturbed.

use std::cell::Cell;
use std::f32::consts::TAU;
use std::path::Path;
use std::time::Instant;

use pdiff::{Dtype, Result, Snapshot, SnapshotSource, Tensor, TensorSpec, read_checkpoint};

/// Directions of the curve, and how far it and the noise go, in deviations of a tensor.
const DIRECTIONS: usize = 3;
const CURVE: f32 = 0.05;
const NOISE: f32 = 0.02;
/// Numbers that directions are read from, from another place and at another distance each.
const TABLE: usize = 1 << 16;

pub struct Perturbed {
    snapshots: usize,
    /// Tensors until there are enough parameters, the last one cut.
    tensors: Vec<(TensorSpec, Vec<f32>)>,
    table: Vec<f32>,
    seconds: Cell<f64>,
}

impl Perturbed {
    pub fn new(network: &Path, snapshots: usize, parameters: usize) -> Result<Perturbed> {
        let start = Instant::now();
        let floats: Vec<Tensor> = read_checkpoint(network)?
            .into_iter()
            .filter(|tensor| tensor.spec.dtype == Dtype::F32 && tensor.spec.count() > 0)
            .collect();
        assert!(!floats.is_empty(), "{}: no float32", network.display());
        let mut tensors = Vec::new();
        let mut left = parameters;
        for (i, tensor) in floats.iter().cycle().enumerate() {
            if left == 0 {
                break;
            }
            let mut values = vec![0.0; tensor.spec.count()];
            tensor.to_f32(&mut values);
            let (copy, name) = (i / floats.len(), &tensor.spec.name);
            let mut spec =
                TensorSpec::new(format!("{copy}.{name}"), &tensor.spec.shape, Dtype::F32);
            if values.len() > left {
                values.truncate(left);
                spec.shape = vec![left];
            }
            left -= values.len();
            tensors.push((spec, values));
        }
        let mut state = 1u32;
        let table = (0..TABLE).map(|_| uniform(&mut state)).collect();
        Ok(Perturbed {
            snapshots,
            tensors,
            table,
            seconds: Cell::new(start.elapsed().as_secs_f64()),
        })
    }

    /// Spent on making snapshots so far.
    pub fn seconds(&self) -> f64 {
        self.seconds.get()
    }
}

impl SnapshotSource for Perturbed {
    fn len(&self) -> usize {
        self.snapshots
    }

    fn name(&self, index: usize) -> String {
        format!("perturbed {index}")
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let start = Instant::now();
        let t = index as f32 / self.snapshots as f32;
        let amounts: [f32; DIRECTIONS] =
            std::array::from_fn(|j| CURVE * (TAU * t * (j + 1) as f32 / 2.0 + j as f32).sin());
        let mut state = index as u32 + 2;
        let mut tensors = Vec::new();
        for (number, (spec, values)) in self.tensors.iter().enumerate() {
            let square: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
            let deviation = (square / values.len() as f64).sqrt() as f32;
            let perturbed: Vec<f32> = values
                .iter()
                .enumerate()
                .map(|(d, x)| {
                    let mut moved = NOISE * uniform(&mut state);
                    for (j, amount) in amounts.iter().enumerate() {
                        let at = d * (2 * j + 3) + number * 977 + j * 8191 + d / TABLE * 131;
                        moved += amount * self.table[at % TABLE];
                    }
                    x + deviation * moved
                })
                .collect();
            tensors.push(Tensor::from_f32(spec.clone(), &perturbed));
        }
        self.seconds
            .set(self.seconds.get() + start.elapsed().as_secs_f64());
        Ok(Snapshot {
            tensors,
            ..Snapshot::default()
        })
    }
}

/// A number in [-1, 1) from a linear congruential generator (Numerical Recipes).
fn uniform(state: &mut u32) -> f32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 8) as f32 / (1 << 23) as f32 - 1.0
}
