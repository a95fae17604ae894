//! Matrix products with one fixed order of summation.
//!
//! faer adds the terms of each element in the same order for every number of rows but one, where
//! it takes a matrix-vector path; a single row is therefore computed as two. So row *i* of a
//! product is the same bytes in any batch, on machines with the same instruction set class.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `out[n, m] = x[n, k] weightᵀ` with `weight[m, k]`, all row-major: a dense layer without bias.
pub(crate) fn dense(x: &[f32], weight: &[f32], k: usize, out: &mut [f32]) {
    let (n, m) = (x.len() / k, weight.len() / k);
    if n == 1 {
        let twice = [x, x].concat();
        let mut pair = vec![0.0; 2 * m];
        dense(&twice, weight, k, &mut pair);
        out.copy_from_slice(&pair[..m]);
        return;
    }
    matmul(
        MatMut::from_row_major_slice_mut(out, n, m),
        Accum::Replace,
        MatRef::from_row_major_slice(x, n, k),
        MatRef::from_row_major_slice(weight, m, k).transpose(),
        1.0,
        Par::Seq,
    );
}

/// `out[k, m] = aᵀ b` with `a[n, k]` and `b[n, m]`, all row-major.
pub(crate) fn transposed(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    let (k, m) = (a.len() / n, b.len() / n);
    matmul(
        MatMut::from_row_major_slice_mut(out, k, m),
        Accum::Replace,
        MatRef::from_row_major_slice(a, n, k).transpose(),
        MatRef::from_row_major_slice(b, n, m),
        1.0,
        Par::Seq,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Purpose};

    fn normal(n: usize, sample: u64) -> Vec<f32> {
        let mut out = vec![0.0; n];
        Noise::new(1).normal(Purpose::Training, sample, 0, &mut out);
        out
    }

    #[test]
    fn a_row_is_the_same_bytes_in_any_batch() {
        for (m, k) in [
            (1, 1),
            (7, 1000),
            (64, 17),
            (256, 299),
            (2048, 64),
            (3, 513),
        ] {
            let (x, weight) = (normal(33 * k, 0), normal(m * k, 1));
            let mut whole = vec![0.0; 33 * m];
            dense(&x, &weight, k, &mut whole);
            for n in 1..33 {
                let mut part = vec![0.0; n * m];
                dense(&x[..n * k], &weight, k, &mut part);
                assert!(part == whole[..n * m], "{n} rows of [{m}, {k}]");
            }
        }
    }

    #[test]
    fn products_equal_the_sums_they_stand_for() {
        let (n, k, m) = (5, 4, 3);
        let (a, b) = (normal(n * k, 0), normal(m * k, 1));
        let mut out = vec![0.0; n * m];
        dense(&a, &b, k, &mut out);
        for i in 0..n {
            for j in 0..m {
                let sum: f32 = (0..k).map(|l| a[i * k + l] * b[j * k + l]).sum();
                assert!((out[i * m + j] - sum).abs() < 1e-5);
            }
        }
        let c = normal(n * m, 2);
        let mut out = vec![0.0; k * m];
        transposed(&a, &c, n, &mut out);
        let sum: f32 = (0..n).map(|i| a[i * k + 1] * c[i * m + 2]).sum();
        assert!((out[m + 2] - sum).abs() < 1e-5);
    }
}
