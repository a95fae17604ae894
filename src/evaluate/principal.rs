//! Principal components of the zoo, written in its own members.
//!
//! With the centred zoo X [N, D] and its Gram matrix X Xᵀ = U Λ Uᵀ, the components are
//! V = Xᵀ U Λ^(-1/2). Everything here stays in N numbers, however wide the networks are: a network
//! in the zoo's affine span is mean + Xᵀ a, and a is what this module deals in.

use faer::{Mat, Side};

use crate::error::{Error, Result};

/// Components below this share of the largest eigenvalue are rounding noise.
const RANK_TOLERANCE: f64 = 1e-10;

/// The eigendecomposition of a Gram matrix, largest eigenvalue first.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Λ, the positive eigenvalues.
    eigenvalues: Vec<f64>,
    /// U [N, components].
    vectors: Mat<f64>,
}

impl Principal {
    /// Of a centred zoo's Gram matrix [N, N].
    pub fn new(gram: &Mat<f64>) -> Result<Principal> {
        let solved = gram
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Error::Internal("the zoo's Gram matrix has no eigenvalues".into()))?;
        let (n, rising) = (gram.nrows(), solved.S());
        let values: Vec<f64> = (0..n).rev().map(|i| rising[i]).collect();
        let floor = RANK_TOLERANCE * values.first().copied().unwrap_or(0.0).max(0.0);
        let rank = values.iter().take_while(|value| **value > floor).count();
        Ok(Principal {
            vectors: Mat::from_fn(n, rank, |i, k| solved.U()[(i, n - 1 - k)]),
            eigenvalues: values[..rank].to_vec(),
        })
    }

    /// Components with any variance, at most N - 1.
    pub fn rank(&self) -> usize {
        self.eigenvalues.len()
    }

    /// The share of the zoo's variance along component `k`.
    pub fn explained(&self, k: usize) -> f64 {
        self.eigenvalues[k] / self.eigenvalues.iter().sum::<f64>()
    }

    /// The coordinate along component `k` of a network whose centred inner products with the zoo
    /// are `products` [N]: (Λ^(-1/2) Uᵀ X x)_k.
    pub fn coordinate(&self, k: usize, products: impl Iterator<Item = f64>) -> f64 {
        let column = self.vectors.col(k);
        let dot: f64 = products.enumerate().map(|(j, p)| column[j] * p).sum();
        dot / self.eigenvalues[k].sqrt()
    }

    /// U_d z [N]: with z standard normal and divided by sqrt(N - 1), mean + Xᵀ a has the zoo's
    /// covariance in the first d = z.len() components.
    pub fn mix(&self, z: &[f64]) -> Vec<f64> {
        (0..self.vectors.nrows())
            .map(|j| (0..z.len()).map(|k| self.vectors[(j, k)] * z[k]).sum())
            .collect()
    }

    /// The first `d` coordinates of member `j` in units of sqrt(Λ): row j of U_d.
    pub fn member(&self, j: usize, d: usize) -> Vec<f64> {
        (0..d).map(|k| self.vectors[(j, k)]).collect()
    }
}
