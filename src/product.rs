//! Matrix products with one fixed order of summation, so that row *i* of a product is the same bytes
//! in any batch, on machines with the same instruction set class.
//!
//! matrixmultiply adds the terms of each element one by one, in blocks of [`BLOCK`] that are then
//! added up, and pads the edges. For few rows most of its time would go into packing the matrix;
//! there [`row`] makes the same additions in the same order, with fused ones exactly where
//! matrixmultiply's kernel has them. (faer's and gemm's products are as fast, but take another path
//! for one row, and their bytes differ.)
#![allow(unsafe_code)]

use matrixmultiply::sgemm;

/// Terms that are added before the sums are: matrixmultiply's block length.
const BLOCK: usize = 256;
/// Rows below which packing the matrix costs more than it gains.
const FEW: usize = 8;
/// Elements of a row that are held in registers.
const LANES: usize = 64;

/// `out = a b` with `a[n, k]` and `b[k, m]`, all row-major and the rows of `out` `stride` apart; of
/// `b` only the first `columns` of its `m` are used.
pub(crate) fn times(
    a: &[f32],
    k: usize,
    b: &[f32],
    columns: usize,
    out: &mut [f32],
    stride: usize,
) {
    let (n, m) = (a.len() / k, b.len() / k);
    assert!(a.len() == n * k && b.len() == k * m && columns <= m && columns <= stride);
    assert!(n == 0 || out.len() >= (n - 1) * stride + columns);
    if n < FEW {
        for (a, out) in a.chunks_exact(k).zip(out.chunks_mut(stride)) {
            row(a, b, m, &mut out[..columns]);
        }
        return;
    }
    // SAFETY: the strides address exactly elements of the three slices, whose lengths the assertions
    // check, and `out` overlaps neither input.
    unsafe { multiply([n, k, columns], (a, [k, 1]), (b, [m, 1]), out, stride) }
}

/// `out[n, m] = a bᵀ` with `a[n, k]` and `b[m, k]`, all row-major.
pub(crate) fn times_transposed(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    let (n, m) = (a.len() / k, b.len() / k);
    assert!(a.len() == n * k && b.len() == m * k && out.len() == n * m);
    // SAFETY: as above.
    unsafe { multiply([n, k, m], (a, [k, 1]), (b, [1, k]), out, m) }
}

/// `out[k, m] = aᵀ b` with `a[n, k]` and `b[n, m]`, all row-major.
pub(crate) fn transposed_times(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    let (k, m) = (a.len() / n, b.len() / n);
    assert!(a.len() == n * k && b.len() == n * m && out.len() == k * m);
    // SAFETY: as above.
    unsafe { multiply([k, n, m], (a, [1, k]), (b, [m, 1]), out, m) }
}

/// `out = a b` for matrices [rows, inner] and [inner, columns] with their strides.
///
/// # Safety
/// The strides address elements of the three slices.
unsafe fn multiply(
    [rows, inner, columns]: [usize; 3],
    (a, [a_row, a_column]): (&[f32], [usize; 2]),
    (b, [b_row, b_column]): (&[f32], [usize; 2]),
    out: &mut [f32],
    stride: usize,
) {
    let [a_row, a_column, b_row, b_column, stride] =
        [a_row, a_column, b_row, b_column, stride].map(|stride| stride as isize);
    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
    unsafe {
        sgemm(
            rows, inner, columns, 1.0, a, a_row, a_column, b, b_row, b_column, 0.0, out, stride, 1,
        );
    }
}

/// A row times `b[k, m]`, of which `out` takes the first columns.
fn row(a: &[f32], b: &[f32], m: usize, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        #[target_feature(enable = "avx2,fma")]
        fn wide(a: &[f32], b: &[f32], m: usize, out: &mut [f32]) {
            accumulate(a, b, m, out, |x, y, sum| x.mul_add(y, sum));
        }
        // SAFETY: the machine has these instructions.
        return unsafe { wide(a, b, m, out) };
    }
    #[cfg(target_arch = "aarch64")]
    return accumulate(a, b, m, out, |x, y, sum| x.mul_add(y, sum));
    #[cfg(not(target_arch = "aarch64"))]
    accumulate(a, b, m, out, |x, y, sum| sum + x * y);
}

/// A fused or a plain addition of `x * y` to a sum, whichever matrixmultiply's kernel has here.
trait Add: Fn(f32, f32, f32) -> f32 + Copy {}
impl<F: Fn(f32, f32, f32) -> f32 + Copy> Add for F {}

#[inline(always)]
fn accumulate(a: &[f32], b: &[f32], m: usize, out: &mut [f32], add: impl Add) {
    for (first, a) in (0..).step_by(BLOCK).zip(a.chunks(BLOCK)) {
        let b = &b[first * m..][..a.len() * m];
        for (start, out) in (0..).step_by(LANES).zip(out.chunks_mut(LANES)) {
            // With the width known to the compiler, the sums stay in registers.
            let sums = match out.len() {
                LANES => sums(a, &b[start..], m, LANES, add),
                width => sums(a, &b[start..], m, width, add),
            };
            if first == 0 {
                out.copy_from_slice(&sums[..out.len()]);
            } else {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
            }
        }
    }
}

/// The first `width` elements of `a b`, with the rows of `b` `m` apart.
#[inline(always)]
fn sums(a: &[f32], b: &[f32], m: usize, width: usize, add: impl Add) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (x, row) in a.iter().zip(b.chunks(m)) {
        for (sum, y) in sums[..width].iter_mut().zip(&row[..width]) {
            *sum = add(*x, *y, *sum);
        }
    }
    sums
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
            (130, 256),
            (100, 257),
        ] {
            let (a, b) = (normal(33 * k, 0), normal(m * k, 1));
            let mut whole = vec![0.0; 33 * m];
            times(&a, k, &b, m, &mut whole, m);
            for n in 1..33 {
                let mut part = vec![0.0; n * m];
                times(&a[..n * k], k, &b, m, &mut part, m);
                assert!(part == whole[..n * m], "{n} rows of [{k}, {m}]");
            }
        }
    }

    #[test]
    fn a_part_of_the_columns_goes_into_a_part_of_the_rows() {
        let (k, m, columns, stride) = (5, 9, 7, 11);
        for n in [2, FEW + 1] {
            let (a, b) = (normal(n * k, 0), normal(k * m, 1));
            let mut whole = vec![0.0; n * m];
            times(&a, k, &b, m, &mut whole, m);
            let mut out = vec![9.0; n * stride];
            times(&a, k, &b, columns, &mut out, stride);
            for (row, whole) in out.chunks(stride).zip(whole.chunks(m)) {
                assert!(row[..columns] == whole[..columns] && row[columns..] == [9.0; 4]);
            }
        }
    }

    #[test]
    fn products_equal_the_sums_they_stand_for() {
        let (n, k, m) = (5, 4, 3);
        let (a, b) = (normal(n * k, 0), normal(m * k, 1));
        let (mut plain, mut transposed) = (vec![0.0; n * m], vec![0.0; n * m]);
        times(&a, k, &b, m, &mut plain, m);
        times_transposed(&a, &b, k, &mut transposed);
        for i in 0..n {
            for j in 0..m {
                let sum: f32 = (0..k).map(|l| a[i * k + l] * b[l * m + j]).sum();
                assert!((plain[i * m + j] - sum).abs() < 1e-5);
                let sum: f32 = (0..k).map(|l| a[i * k + l] * b[j * k + l]).sum();
                assert!((transposed[i * m + j] - sum).abs() < 1e-5);
            }
        }
        let c = normal(n * m, 2);
        let mut out = vec![0.0; k * m];
        transposed_times(&a, &c, n, &mut out);
        let sum: f32 = (0..n).map(|i| a[i * k + 1] * c[i * m + 2]).sum();
        assert!((out[m + 2] - sum).abs() < 1e-5);
    }
}
