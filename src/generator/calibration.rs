//! An affine map that gives a flow's samples the mean and covariance that latents have.
//!
//! A flow that is trained for seconds on a few hundred snapshots falls short of their variance by
//! some percent. The short-fall is measured on its own samples and undone: `z = W (y - m)` with `m`
//! and `C` the samples' mean and covariance and `W` the symmetric root of the inverse of `C`.

use faer::{Mat, Side};

use crate::error::{Error, Result};
use crate::product;

/// Variances below this are not blown up to one: there the flow has collapsed, and the gates say so.
const SMALLEST: f64 = 0.05;

/// The map, for latents of width `shift.len()`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calibration {
    /// `W`, [width, width], symmetric.
    pub matrix: Vec<f32>,
    /// `-W m`, [width].
    pub shift: Vec<f32>,
}

impl Calibration {
    /// Measures samples [n, width].
    #[cfg(feature = "torch")]
    pub(crate) fn fit(samples: &[f32], width: usize) -> Result<Calibration> {
        let n = (samples.len() / width) as f64;
        let rows = || samples.chunks_exact(width);
        let mean: Vec<f64> = (0..width)
            .map(|k| rows().map(|row| f64::from(row[k])).sum::<f64>() / n)
            .collect();
        let covariance = Mat::from_fn(width, width, |i, j| {
            let product =
                |row: &[f32]| (f64::from(row[i]) - mean[i]) * (f64::from(row[j]) - mean[j]);
            rows().map(product).sum::<f64>() / n
        });
        let eigen = covariance
            .self_adjoint_eigen(Side::Lower)
            .map_err(|error| Error::Internal(format!("eigenvectors: {error:?}")))?;
        let (values, vectors) = (eigen.S().column_vector(), eigen.U());
        let root = |i: usize, j: usize| -> f64 {
            (0..width)
                .map(|k| vectors[(i, k)] * vectors[(j, k)] / values[k].max(SMALLEST).sqrt())
                .sum()
        };
        let matrix: Vec<f64> = (0..width * width)
            .map(|at| root(at / width, at % width))
            .collect();
        let shift = matrix
            .chunks_exact(width)
            .map(|row| -row.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>() as f32)
            .collect();
        Ok(Calibration {
            matrix: matrix.iter().map(|w| *w as f32).collect(),
            shift,
        })
    }

    /// Maps latents [n, width].
    pub(crate) fn apply(&self, latents: &[f32]) -> Vec<f32> {
        let width = self.shift.len();
        let mut out = vec![0.0; latents.len()];
        product::times(latents, width, &self.matrix, width, &mut out, width);
        for row in out.chunks_exact_mut(width) {
            for (z, shift) in row.iter_mut().zip(&self.shift) {
                *z += shift;
            }
        }
        out
    }
}

#[cfg(all(test, feature = "torch"))]
mod tests {
    use super::*;
    use crate::noise::{Noise, Purpose};

    #[test]
    fn calibrated_samples_have_mean_zero_and_the_identity_as_covariance() {
        let mut e = vec![0.0; 2000];
        Noise::new(1).normal(Purpose::Training, 0, 0, &mut e);
        let skewed: Vec<f32> = e
            .chunks_exact(2)
            .flat_map(|pair| [0.5 + 0.7 * pair[0], 0.3 * pair[0] + 0.6 * pair[1]])
            .collect();
        let z = Calibration::fit(&skewed, 2).unwrap().apply(&skewed);
        let mean = |f: &dyn Fn(&[f32]) -> f32| z.chunks_exact(2).map(f).sum::<f32>() / 1000.0;
        assert!(mean(&|row| row[0]).abs() < 1e-4);
        assert!((mean(&|row| row[0] * row[0]) - 1.0).abs() < 1e-3);
        assert!((mean(&|row| row[1] * row[1]) - 1.0).abs() < 1e-3);
        assert!(mean(&|row| row[0] * row[1]).abs() < 1e-3);
    }
}
