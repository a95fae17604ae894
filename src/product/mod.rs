//! Matrix products with one fixed order of summation, so that row *i* of a product is the same bytes
//! in any batch, on machines with the same instruction set class.
//!
//! Sampling multiplies by [`times`], whose elements are summed term by term whatever the number of
//! rows. It reads `b` in place, where matrixmultiply, gemm and faer pack it first: that costs more
//! than it gains for few rows, and each of the three takes another path, with other bytes, for one
//! row. Fitting, which has no rows to keep apart, multiplies by matrixmultiply.
#![allow(unsafe_code)]

mod tile;

use std::ops::Range;

use matrixmultiply::sgemm;
use tile::{Tile, Tiles};

/// Rows and numbers of `b` from which its columns are worth packing.
const MANY: usize = 16;
const LARGE: usize = 1 << 16;

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
    times_with(tile::fastest(), a, k, b, columns, out, stride);
}

fn times_with(
    tiles: &Tiles,
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
    let mut rest = 0;
    if n == 1 {
        rest = columns - columns % tiles.single.columns;
        strips(&[tiles.single], a, k, (b, m), 0..rest, out, stride);
    }
    strips(tiles.several, a, k, (b, m), rest..columns, out, stride);
}

/// Some columns of `a b`, as many at once as a tile has. Where packed, they lie together; the last
/// ones are filled up with zeros.
fn strips(
    tiles: &[Tile],
    a: &[f32],
    k: usize,
    (b, m): (&[f32], usize),
    columns: Range<usize>,
    out: &mut [f32],
    stride: usize,
) {
    let (n, wide) = (a.len() / k, tiles[0].columns);
    let packs = n >= MANY && b.len() >= LARGE;
    let (mut packed, mut spare) = (Vec::new(), Vec::new());
    for start in columns.clone().step_by(wide) {
        let width = wide.min(columns.end - start);
        let mut strip = (&b[start..], m);
        if packs || width < wide {
            packed.resize(k * wide, 0.0);
            for (to, row) in packed.chunks_exact_mut(wide).zip(b.chunks_exact(m)) {
                to[..width].copy_from_slice(&row[start..][..width]);
            }
            strip = (&packed, wide);
        }
        let mut done = 0;
        for tile in tiles {
            while n - done >= tile.rows {
                let a = &a[done * k..];
                let out = &mut out[done * stride + start..];
                if width == wide {
                    tile.multiply(a, k, strip, (out, stride));
                } else {
                    spare.resize(tile.rows * wide, 0.0);
                    tile.multiply(a, k, strip, (&mut spare, wide));
                    for (row, out) in spare.chunks_exact(wide).zip(out.chunks_mut(stride)) {
                        out[..width].copy_from_slice(&row[..width]);
                    }
                }
                done += tile.rows;
            }
        }
    }
}

/// `out[n, m] = a bᵀ` with `a[n, k]` and `b[m, k]`, all row-major.
pub(crate) fn times_transposed(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    let (n, m) = (a.len() / k, b.len() / k);
    assert!(a.len() == n * k && b.len() == m * k && out.len() == n * m);
    // SAFETY: the strides address exactly elements of the three slices, whose lengths the assertion
    // checks, and `out` overlaps neither input.
    unsafe { multiply([n, k, m], (a, [k, 1]), (b, [1, k]), out) }
}

/// `out[k, m] = aᵀ b` with `a[n, k]` and `b[n, m]`, all row-major.
pub(crate) fn transposed_times(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    let (k, m) = (a.len() / n, b.len() / n);
    assert!(a.len() == n * k && b.len() == n * m && out.len() == k * m);
    // SAFETY: as above.
    unsafe { multiply([k, n, m], (a, [1, k]), (b, [m, 1]), out) }
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
) {
    let [a_row, a_column, b_row, b_column, out_row] =
        [a_row, a_column, b_row, b_column, columns].map(|stride| stride as isize);
    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
    unsafe {
        sgemm(
            rows, inner, columns, 1.0, a, a_row, a_column, b, b_row, b_column, 0.0, out, out_row, 1,
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

    /// Inner sizes and columns on both sides of every tile's, and large enough to be packed.
    const SIZES: [(usize, usize); 9] = [
        (1, 1),
        (1000, 7),
        (17, 64),
        (299, 256),
        (64, 2048),
        (513, 3),
        (256, 130),
        (257, 100),
        (269, 1000),
    ];

    fn product(tiles: &Tiles, a: &[f32], k: usize, b: &[f32]) -> Vec<f32> {
        let (n, m) = (a.len() / k, b.len() / k);
        let mut out = vec![0.0; n * m];
        times_with(tiles, a, k, b, m, &mut out, m);
        out
    }

    #[test]
    fn a_row_is_the_same_bytes_in_any_batch() {
        for tiles in tile::available() {
            for (k, m) in SIZES {
                let (a, b) = (normal(33 * k, 0), normal(m * k, 1));
                let whole = product(tiles, &a, k, &b);
                for n in [1, 2, 3, 5, 11, 12, 13, 15, 16, 17, 32] {
                    let part = product(tiles, &a[..n * k], k, &b);
                    assert!(part == whole[..n * m], "{n} rows of [{k}, {m}]");
                }
            }
        }
    }

    /// The portable tiles are run here wherever the tests are.
    #[test]
    fn instruction_sets_differ_in_fused_additions_only() {
        for (k, m) in SIZES {
            let (a, b) = (normal(33 * k, 0), normal(m * k, 1));
            let in_order = |add: fn(f32, f32, f32) -> f32| -> Vec<f32> {
                let sum = |i: usize, j: usize| {
                    let terms = (0..k).map(|l| (a[i * k + l], b[l * m + j]));
                    terms.fold(0.0, |sum, (x, y)| add(x, y, sum))
                };
                (0..33 * m).map(|at| sum(at / m, at % m)).collect()
            };
            let fused = in_order(|x, y, sum| x.mul_add(y, sum));
            let plain = in_order(|x, y, sum| sum + x * y);
            let all: Vec<_> = tile::available()
                .map(|tiles| product(tiles, &a, k, &b))
                .collect();
            let (portable, faster) = all.split_last().unwrap();
            let fuses = cfg!(target_arch = "aarch64");
            assert!(
                portable == if fuses { &fused } else { &plain },
                "[{k}, {m}]"
            );
            assert!(faster.iter().all(|product| product == &fused), "[{k}, {m}]");
        }
    }

    #[test]
    fn a_part_of_the_columns_goes_into_a_part_of_the_rows() {
        let (k, m, columns, stride) = (5, 9, 7, 11);
        for (tiles, n) in tile::available().flat_map(|tiles| [(tiles, 1), (tiles, 9)]) {
            let (a, b) = (normal(n * k, 0), normal(k * m, 1));
            let whole = product(tiles, &a, k, &b);
            let mut out = vec![9.0; n * stride];
            times_with(tiles, &a, k, &b, columns, &mut out, stride);
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
