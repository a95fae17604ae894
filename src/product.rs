//! Matrix products with one fixed order of summation.
//!
//! matrixmultiply adds the terms of each element in an order that depends only on their number: it
//! cuts the sum into blocks of a fixed length and runs one micro-kernel over whole tiles, padding
//! the edges. So row *i* of a product is the same bytes in any batch, on machines with the same
//! instruction set class. (faer's and gemm's products are faster for one row, but take another path
//! there, and their bytes differ.)
#![allow(unsafe_code)]

use matrixmultiply::sgemm;

/// `out[n, m] = x[n, k] weightᵀ` with `weight[m, k]`, all row-major: a dense layer without bias.
pub(crate) fn dense(x: &[f32], weight: &[f32], k: usize, out: &mut [f32]) {
    let (n, m) = (x.len() / k, weight.len() / k);
    assert!(x.len() == n * k && weight.len() == m * k && out.len() == n * m);
    // SAFETY: the strides address exactly the elements of the three slices, whose lengths the
    // assertion checks, and `out` overlaps neither input.
    unsafe {
        sgemm(
            n, k, m, 1.0,
            x.as_ptr(), k as isize, 1,
            weight.as_ptr(), 1, k as isize,
            0.0,
            out.as_mut_ptr(), m as isize, 1,
        );
    }
}

/// `out[k, m] = aᵀ b` with `a[n, k]` and `b[n, m]`, all row-major.
pub(crate) fn transposed(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    let (k, m) = (a.len() / n, b.len() / n);
    assert!(a.len() == n * k && b.len() == n * m && out.len() == k * m);
    // SAFETY: as above.
    unsafe {
        sgemm(
            k, n, m, 1.0,
            a.as_ptr(), 1, k as isize,
            b.as_ptr(), m as isize, 1,
            0.0,
            out.as_mut_ptr(), m as isize, 1,
        );
    }
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
