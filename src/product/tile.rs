//! Tiles of a product `a b`: a few rows of `a` against a few columns of `b`, with every sum in a
//! register. Each element is added up term by term from the first, so it does not depend on its
//! tile; whether the additions are fused is all that instruction sets differ in.
#![allow(unsafe_code)]

use super::sweep::{self, Sweep};

/// Computes `rows` x `columns` elements of `a b`.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub rows: usize,
    pub columns: usize,
    run: Run,
}

/// `a`, `k`, `b`, the distance of its rows, `out`, the distance of its rows.
type Run = unsafe fn(*const f32, usize, *const f32, usize, *mut f32, usize);

impl Tile {
    /// `out = a b` with `a[rows, k]`, `b[k, columns]` with rows `m` apart, and the rows of `out`
    /// `stride` apart.
    pub(super) fn multiply(
        &self,
        a: &[f32],
        k: usize,
        (b, m): (&[f32], usize),
        (out, stride): (&mut [f32], usize),
    ) {
        let last = |rows: usize, distance: usize| rows.saturating_sub(1) * distance;
        assert!(a.len() >= self.rows * k && b.len() >= last(k, m) + self.columns);
        assert!(out.len() >= last(self.rows, stride) + self.columns);
        // SAFETY: the assertions hold every element that a tile touches in its slice, and only
        // `available` hands tiles out, after asking the machine for their instructions.
        unsafe { (self.run)(a.as_ptr(), k, b.as_ptr(), m, out.as_mut_ptr(), stride) }
    }
}

/// The tiles of one instruction set.
pub(super) struct Tiles {
    /// For few rows.
    pub sweep: Sweep,
    /// For more rows, with the most first and one row last; all have as many columns.
    pub several: &'static [Tile],
}

/// The tiles for this machine, the fastest first and the portable ones last.
pub(super) fn available() -> impl Iterator<Item = &'static Tiles> {
    #[cfg(target_arch = "x86_64")]
    let wide = [
        std::is_x86_feature_detected!("avx512f").then_some(&x86::AVX512),
        (std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"))
            .then_some(&x86::AVX2),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let wide: [Option<&'static Tiles>; 0] = [];
    wide.into_iter().flatten().chain([&PORTABLE])
}

/// The tiles that a product uses on this machine.
pub(super) fn fastest() -> &'static Tiles {
    available().next().unwrap_or(&PORTABLE)
}

/// Registers' worth of a row that the compiler makes vectors of by itself.
const WIDTH: usize = 64;

static PORTABLE: Tiles = {
    let row = Tile {
        rows: 1,
        columns: WIDTH,
        run: portable,
    };
    Tiles {
        sweep: sweep::PORTABLE,
        several: &[row],
    }
};

/// A term of a sum, fused where this is an instruction of every ARM64; where it is a function it takes a hundred times as
/// long.
#[inline]
pub(super) fn add(x: f32, y: f32, sum: f32) -> f32 {
    match cfg!(target_arch = "aarch64") {
        true => x.mul_add(y, sum),
        false => sum + x * y,
    }
}

/// # Safety
/// As [`Run`]: every element is in bounds.
unsafe fn portable(a: *const f32, k: usize, b: *const f32, m: usize, out: *mut f32, _: usize) {
    let mut sums = [0.0f32; WIDTH];
    for l in 0..k {
        // SAFETY: the caller's.
        let (x, row) = unsafe { (*a.add(l), &*b.add(l * m).cast::<[f32; WIDTH]>()) };
        for (sum, y) in sums.iter_mut().zip(row) {
            *sum = add(x, *y, *sum);
        }
    }
    // SAFETY: the caller's.
    unsafe { out.cast::<[f32; WIDTH]>().write_unaligned(sums) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::sweep;
    use super::{Tile, Tiles};

    /// A tile of `R` rows and `V` vectors of columns, and the tiles of one instruction set.
    macro_rules! tiles {
        ($set:ident, $sweep:expr, $most:literal, $tile:ident, $features:literal, $lanes:literal,
         $zero:ident, $load:ident, $store:ident, $splat:ident, $fused:ident) => {
            /// # Safety
            /// As [`super::Run`]: every element is in bounds, and the machine has the instructions.
            #[target_feature(enable = $features)]
            unsafe fn $tile<const R: usize, const V: usize>(
                a: *const f32,
                k: usize,
                b: *const f32,
                m: usize,
                out: *mut f32,
                stride: usize,
            ) {
                let mut sums = [[$zero(); V]; R];
                for l in 0..k {
                    // SAFETY: the caller's.
                    let row: [_; V] =
                        std::array::from_fn(|v| unsafe { $load(b.add(l * m + v * $lanes)) });
                    for (r, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: the caller's.
                        let x = $splat(unsafe { *a.add(r * k + l) });
                        for (sum, y) in sums.iter_mut().zip(row) {
                            *sum = $fused(x, y, *sum);
                        }
                    }
                }
                for (r, sums) in sums.into_iter().enumerate() {
                    for (v, sum) in sums.into_iter().enumerate() {
                        // SAFETY: the caller's.
                        unsafe { $store(out.add(r * stride + v * $lanes), sum) };
                    }
                }
            }

            pub(super) static $set: Tiles = {
                const fn tile<const R: usize, const V: usize>() -> Tile {
                    Tile {
                        rows: R,
                        columns: V * $lanes,
                        run: $tile::<R, V>,
                    }
                }
                Tiles {
                    sweep: $sweep,
                    several: &[
                        tile::<$most, 2>(),
                        tile::<4, 2>(),
                        tile::<2, 2>(),
                        tile::<1, 2>(),
                    ],
                }
            };
        };
    }

    tiles!(
        AVX512,
        sweep::x86::AVX512,
        12,
        avx512,
        "avx512f",
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
    tiles!(
        AVX2,
        sweep::x86::AVX2,
        6,
        avx2,
        "avx2,fma",
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
}
