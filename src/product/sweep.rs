//! Sweeps of a product `a b`: the rows of `b` a few at a time, as memory has them, and the sums in `out`, which the
//! nearest cache holds. For few rows of `a` reading `b` is most of the work, and in this order it is read at memory's
//! rate. Each element is added up term by term from the first, as by a tile.
#![allow(unsafe_code)]

use super::tile::add;

/// Columns of `b` that a sweep takes, so that `out` stays in the nearest cache for some rows.
const COLUMNS: usize = 1024;

/// The sweep of one instruction set.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    /// Columns are a multiple of it.
    pub lanes: usize,
    run: Run,
}

/// A product `a[n, k] b[k, columns]`, the rows of `b` `m` and those of `out` `stride` apart.
#[derive(Clone, Copy)]
struct Operands {
    a: *const f32,
    n: usize,
    k: usize,
    b: *const f32,
    m: usize,
    columns: usize,
    out: *mut f32,
    stride: usize,
}

/// Every element of the operands has to be there.
type Run = unsafe fn(Operands);

impl Sweep {
    /// `out = a b` with `a[n, k]`, `b[k, columns]` with rows `m` apart, columns a multiple of the lanes, and the rows of
    /// `out` `stride` apart.
    pub(super) fn multiply(
        &self,
        a: &[f32],
        k: usize,
        (b, m): (&[f32], usize),
        columns: usize,
        (out, stride): (&mut [f32], usize),
    ) {
        let n = a.len() / k;
        if n == 0 || columns == 0 {
            return;
        }
        assert!(columns.is_multiple_of(self.lanes) && columns <= m && columns <= stride);
        assert!(a.len() == n * k && b.len() >= (k - 1) * m + columns);
        assert!(out.len() >= (n - 1) * stride + columns);
        for start in (0..columns).step_by(COLUMNS) {
            // SAFETY: the assertions hold every element in its slice, and only the tiles of this machine's instructions
            // hand sweeps out.
            unsafe {
                (self.run)(Operands {
                    a: a.as_ptr(),
                    n,
                    k,
                    b: b.as_ptr().add(start),
                    m,
                    columns: COLUMNS.min(columns - start),
                    out: out.as_mut_ptr().add(start),
                    stride,
                });
            }
        }
    }
}

pub(super) const PORTABLE: Sweep = Sweep {
    lanes: 1,
    run: portable,
};

/// # Safety
/// As [`Run`].
unsafe fn portable(of: Operands) {
    for l in 0..of.k {
        for r in 0..of.n {
            // SAFETY: the caller's.
            let (x, row, out) = unsafe {
                (
                    *of.a.add(r * of.k + l),
                    std::slice::from_raw_parts(of.b.add(l * of.m), of.columns),
                    std::slice::from_raw_parts_mut(of.out.add(r * of.stride), of.columns),
                )
            };
            if l == 0 {
                out.fill(0.0);
            }
            for (sum, y) in out.iter_mut().zip(row) {
                *sum = add(x, *y, *sum);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::{Operands, Sweep};

    /// Numbers of a cache's line.
    const LINE: usize = 16;
    /// Terms that are added to a sum while it is in a register.
    const TERMS: usize = 4;

    /// Some terms of some rows; whether sums begin, and whether the next terms' rows of `b` are fetched.
    type Part = unsafe fn(Operands, bool, bool);

    /// Of so many rows: `TERMS` of them, and one.
    type Parts = (usize, [Part; 2]);

    /// All terms, by the parts of most rows that fit.
    ///
    /// # Safety
    /// As [`super::Run`], and the machine has the instructions of the parts, of which the last is for one row.
    unsafe fn sweep(parts: &[Parts], of: Operands) {
        let mut l = 0;
        while l < of.k {
            let (terms, which) = if of.k - l < TERMS { (1, 1) } else { (TERMS, 0) };
            let mut r = 0;
            for (rows, part) in parts {
                while of.n - r >= *rows {
                    // One row alone goes through memory as it lies, which the processor foresees.
                    let fetches = r == 0 && of.n > 1;
                    // SAFETY: the caller's.
                    unsafe {
                        let here = Operands {
                            a: of.a.add(r * of.k + l),
                            b: of.b.add(l * of.m),
                            out: of.out.add(r * of.stride),
                            ..of
                        };
                        part[which](here, l == 0, fetches);
                    }
                    r += rows;
                }
            }
            l += terms;
        }
    }

    /// The sweep of one instruction set, by parts of these rows.
    macro_rules! sweep {
        ($name:ident, $part:ident, $run:ident, $features:literal, $lanes:literal, [$($rows:literal),*],
         $zero:ident, $load:ident, $store:ident, $splat:ident, $fused:ident) => {
            /// # Safety
            /// As [`super::Run`], and the machine has the instructions.
            #[target_feature(enable = $features)]
            unsafe fn $part<const R: usize, const K: usize>(
                of: Operands,
                begins: bool,
                fetches: bool,
            ) {
                let x: [[_; K]; R] = std::array::from_fn(|r| {
                    // SAFETY: the caller's.
                    std::array::from_fn(|l| $splat(unsafe { *of.a.add(r * of.k + l) }))
                });
                for j in (0..of.columns).step_by($lanes) {
                    let at = |l: usize| of.b.wrapping_add(l * of.m + j);
                    // SAFETY: the caller's.
                    let rows: [_; K] = std::array::from_fn(|l| unsafe { $load(at(l)) });
                    // Once a line; of an address that is not there nothing comes.
                    if fetches && j % LINE == 0 {
                        for l in K..2 * K {
                            // SAFETY: it reads nothing. A function that is safe in newer compilers.
                            #[allow(unused_unsafe)]
                            unsafe {
                                _mm_prefetch::<_MM_HINT_T0>(at(l).cast());
                            }
                        }
                    }
                    for (r, x) in x.iter().enumerate() {
                        // SAFETY: the caller's.
                        unsafe {
                            let to = of.out.add(r * of.stride + j);
                            let mut sum = if begins { $zero() } else { $load(to) };
                            for (x, y) in x.iter().zip(rows) {
                                sum = $fused(*x, y, sum);
                            }
                            $store(to, sum);
                        }
                    }
                }
            }

            /// # Safety
            /// As [`super::Run`], and the machine has the instructions.
            unsafe fn $run(of: Operands) {
                const PARTS: &[Parts] = &[$(($rows, [$part::<$rows, TERMS>, $part::<$rows, 1>])),*];
                // SAFETY: the caller's.
                unsafe { sweep(PARTS, of) }
            }

            /// Only for machines with the instructions, as `tile::available` sees to.
            pub(in super::super) const $name: Sweep = Sweep {
                lanes: $lanes,
                run: $run,
            };
        };
    }

    sweep!(
        AVX512,
        avx512_part,
        avx512,
        "avx512f",
        16,
        [4, 2, 1],
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
    sweep!(
        AVX2,
        avx2_part,
        avx2,
        "avx2,fma",
        8,
        [2, 1],
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
}
