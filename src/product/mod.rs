//! Matrix products with one fixed order of summation, so that row *i* of a product is the same bytes
//! in any batch, on machines with the same instruction set class.
//!
//! Sampling multiplies by [`times`], whose elements are summed term by term whatever the number of
//! rows. For few rows it sweeps over `b` in place, where matrixmultiply, gemm and faer pack it first, which
//! costs more than it gains, and each of the three takes another path, with other bytes, for one
//! row. Fitting, which has no rows to keep apart, multiplies by matrixmultiply.
#![allow(unsafe_code)]

mod sweep;
mod tile;

use std::ops::Range;

use matrixmultiply::sgemm;
use tile::{Tile, Tiles};

/// Rows up to which `b` is swept.
const FEW: usize = 8;
/// Rows and numbers of `b` from which its columns are worth packing, and how many of them are packed together.
const MANY: usize = 16;
const LARGE: usize = 1 << 16;
const TOGETHER: usize = 1024;

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
    times_again(a, k, b, columns, (out, stride), &mut Vec::new());
}

/// The same, with room for what it packs, where many products of one size follow each other.
pub(crate) fn times_again(
    a: &[f32],
    k: usize,
    b: &[f32],
    columns: usize,
    out: (&mut [f32], usize),
    packed: &mut Vec<f32>,
) {
    times_with(tile::fastest(), a, k, b, columns, out, packed);
}

fn times_with(
    tiles: &Tiles,
    a: &[f32],
    k: usize,
    b: &[f32],
    columns: usize,
    (out, stride): (&mut [f32], usize),
    packed: &mut Vec<f32>,
) {
    let (n, m) = (a.len() / k, b.len() / k);
    assert!(a.len() == n * k && b.len() == k * m && columns <= m && columns <= stride);
    assert!(n == 0 || out.len() >= (n - 1) * stride + columns);
    let mut rest = 0;
    if n <= FEW {
        rest = columns - columns % tiles.sweep.lanes;
        tiles.sweep.multiply(a, k, (b, m), rest, (out, stride));
    }
    let columns = rest..columns;
    panels(tiles.several, a, k, (b, m), columns, (out, stride), packed);
}

/// Some columns of `a b`, in panels of as many as a tile has. Where packed, a panel's numbers lie together; what fills up
/// the last one is not used. Tiles go along `out`, whose rows memory takes in long pieces.
fn panels(
    tiles: &[Tile],
    a: &[f32],
    k: usize,
    (b, m): (&[f32], usize),
    columns: Range<usize>,
    (out, stride): (&mut [f32], usize),
    packed: &mut Vec<f32>,
) {
    let (n, wide) = (a.len() / k, tiles[0].columns);
    let packs = n >= MANY && b.len() >= LARGE;
    let mut spare = Vec::new();
    for first in columns.clone().step_by(TOGETHER) {
        let block = first..columns.end.min(first + TOGETHER);
        // All of them, or the narrow one at the end.
        let begin = match packs {
            true => first,
            false => block.end - block.len() % wide,
        };
        pack(wide, k, (b, m), begin..block.end, packed);
        let mut done = 0;
        for tile in tiles {
            while n - done >= tile.rows {
                let a = &a[done * k..];
                for start in block.clone().step_by(wide) {
                    let panel = match start.checked_sub(begin) {
                        Some(at) => (&packed[at * k..], wide),
                        None => (&b[start..], m),
                    };
                    let width = wide.min(block.end - start);
                    let out = &mut out[done * stride + start..];
                    if width == wide {
                        tile.multiply(a, k, panel, (out, stride));
                    } else {
                        spare.resize(tile.rows * wide, 0.0);
                        tile.multiply(a, k, panel, (&mut spare, wide));
                        for (row, out) in spare.chunks_exact(wide).zip(out.chunks_mut(stride)) {
                            out[..width].copy_from_slice(&row[..width]);
                        }
                    }
                }
                done += tile.rows;
            }
        }
    }
}

/// Puts columns of `b` into panels of as many as a tile has. A function of its own in a profile.
#[inline(never)]
fn pack(
    wide: usize,
    k: usize,
    (b, m): (&[f32], usize),
    columns: Range<usize>,
    packed: &mut Vec<f32>,
) {
    packed.resize(k * columns.len().next_multiple_of(wide), 0.0);
    if columns.is_empty() {
        return;
    }
    for (l, row) in b.chunks_exact(m).enumerate() {
        for (panel, from) in row[columns.clone()].chunks(wide).enumerate() {
            packed[(panel * k + l) * wide..][..from.len()].copy_from_slice(from);
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
        let mut out = vec![f32::NAN; n * m];
        times_with(tiles, a, k, b, m, (&mut out, m), &mut Vec::new());
        out
    }

    #[test]
    fn a_row_is_the_same_bytes_in_any_batch() {
        for tiles in tile::available() {
            for (k, m) in SIZES {
                let (a, b) = (normal(33 * k, 0), normal(m * k, 1));
                let whole = product(tiles, &a, k, &b);
                for n in [1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 32] {
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
            let to = (&mut out[..], stride);
            times_with(tiles, &a, k, &b, columns, to, &mut Vec::new());
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
