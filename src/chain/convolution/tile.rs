//! The inner loops of a convolution, with every sum in a register, for each instruction set.
//!
//! Each element of an output is added up tap by tap from its start, so it does not depend on its tile;
//! whether the additions are fused is all that instruction sets differ in.
#![allow(unsafe_code)]

use std::ops::Range;

/// Filters that are computed at once: as many as registers have room for beside what they are
/// multiplied with.
const BLOCKS: [usize; 2] = [6, 4];
/// Vectors of taps of which [`Kernels::correlate`] computes the gradient at once, in a block of each size.
const VECTORS: [usize; 2] = [2, 3];
/// Taps of a vector at most.
const WIDEST: usize = 2;
/// Partial sums of each element of [`Kernels::correlate`].
pub(super) const LANES: usize = 8;

/// Ranges of rows that fill blocks with the fewest rows over, and each block's size.
pub(super) fn blocks(rows: usize) -> impl Iterator<Item = (Range<usize>, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = rows - start;
        let size = match rest {
            0 => return None,
            1..=4 | 7 | 8 => BLOCKS[1],
            _ => BLOCKS[0],
        };
        let block = start..rows.min(start + size);
        start = block.end;
        Some((block, size))
    })
}

/// Rows with those that fill the last block up.
pub(super) fn padded(rows: usize) -> usize {
    blocks(rows).map(|(_, size)| size).sum()
}

/// One tap of the window: which of a plane's weights, and how far its run is from the base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub weight: usize,
    pub at: usize,
}

/// For a block of rows, `out[row, i] = start[row] + Σ weights[plane, tap, row] input[plane, tap.at + i]`.
pub(super) struct Gather<'a> {
    /// Packed [planes, weights of a plane, rows of the block].
    pub weights: &'a [f32],
    pub planes: usize,
    pub taps: &'a [Tap],
    /// From the first plane's base on; planes are `distance` apart.
    pub input: &'a [f32],
    pub distance: usize,
    /// Of each row of the block.
    pub start: &'a [f32],
    /// Numbers of a run.
    pub length: usize,
}

/// Runs that lie `above` and `input` apart in both arrays.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    pub count: usize,
    pub length: usize,
    pub above: usize,
    pub input: usize,
}

/// Adds to `sums[row, tap, lane]` the products `above[row, i] input[tap + i]` over runs.
pub(super) struct Correlate<'a> {
    /// Rows, `distance` apart.
    pub rows: usize,
    pub above: &'a [f32],
    pub distance: usize,
    /// Where each tap's first run begins.
    pub taps: &'a [usize],
    pub input: &'a [f32],
    pub runs: Runs,
}

impl Correlate<'_> {
    /// Numbers of `sums`: rows and taps with those that fill blocks up.
    pub(super) fn room(rows: usize, taps: usize) -> usize {
        padded(rows) * stride(taps)
    }
}

/// Numbers between the sums of two rows.
pub(super) fn stride(taps: usize) -> usize {
    taps.next_multiple_of(WIDEST * VECTORS[0] * VECTORS[1]) * LANES
}

type RunGather = unsafe fn(&Gather, &mut [f32], usize);
type RunCorrelate = unsafe fn(&Correlate, &mut [f32]);

/// The loops as compiled for one instruction set.
pub(super) struct Kernels {
    gather: RunGather,
    correlate: RunCorrelate,
}

impl Kernels {
    /// Writes the rows of a block to `out`, `distance` apart.
    pub(super) fn gather(&self, job: &Gather, out: &mut [f32], distance: usize) {
        let (rows, size) = (out.len().div_ceil(distance.max(1)), job.start.len());
        let last = |list: &mut dyn Iterator<Item = usize>| list.max().map_or(0, |at| at + 1);
        let weights = last(&mut job.taps.iter().map(|tap| tap.weight));
        let reach = last(&mut job.taps.iter().map(|tap| tap.at + job.length - 1));
        let each = job.weights.len() / job.planes / size;
        assert!(BLOCKS.contains(&size) && job.length > 0 && job.planes > 0 && rows <= size);
        assert!(weights <= each && (job.planes - 1) * job.distance + reach <= job.input.len());
        assert!(rows == 0 || (rows - 1) * distance + job.length <= out.len());
        // SAFETY: the assertions hold every element that is touched in its slice, and only `available`
        // hands kernels out, after asking the machine for their instructions.
        unsafe { (self.gather)(job, out, distance) }
    }

    pub(super) fn correlate(&self, job: &Correlate, sums: &mut [f32]) {
        let Runs {
            count,
            length,
            above,
            input,
        } = job.runs;
        let reach = |distance: usize| (count.max(1) - 1) * distance + length;
        let furthest = job.taps.iter().max().map_or(0, |at| at + reach(input));
        assert!(job.rows > 0 && (job.rows - 1) * job.distance + reach(above) <= job.above.len());
        assert!(furthest <= job.input.len() && !job.taps.is_empty());
        assert!(sums.len() >= Correlate::room(job.rows, job.taps.len()));
        // SAFETY: as above.
        unsafe { (self.correlate)(job, sums) }
    }
}

/// The kernels for this machine, the fastest first and the portable ones last.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    #[cfg(target_arch = "x86_64")]
    let wide = {
        use std::is_x86_feature_detected as has;
        let is_fused = has!("avx2") && has!("fma");
        let is_wide = is_fused && has!("avx512f") && has!("avx512dq");
        [
            is_wide.then_some(&x86::AVX512),
            is_fused.then_some(&x86::AVX2),
        ]
    };
    #[cfg(not(target_arch = "x86_64"))]
    let wide: [Option<&'static Kernels>; 0] = [];
    wide.into_iter().flatten().chain([&PORTABLE])
}

/// The kernels that are used on this machine.
pub(super) fn fastest() -> &'static Kernels {
    available().next().unwrap_or(&PORTABLE)
}

/// Numbers that one instruction takes.
trait Lanes: Copy {
    const COUNT: usize;
    /// Taps that lie side by side in one vector of [`correlate`], each with as many lanes.
    const TAPS: usize = 1;

    fn splat(x: f32) -> Self;

    /// # Safety
    /// `COUNT` numbers can be read there.
    unsafe fn load(from: *const f32) -> Self;

    /// The same numbers for every tap.
    ///
    /// # Safety
    /// `COUNT / TAPS` numbers can be read there.
    #[inline(always)]
    unsafe fn load_same(from: *const f32) -> Self {
        // SAFETY: the caller's.
        unsafe { Self::load(from) }
    }

    /// Each tap's own numbers.
    ///
    /// # Safety
    /// `COUNT / TAPS` numbers can be read `at` numbers behind each of the first `TAPS`.
    #[inline(always)]
    unsafe fn load_own(taps: &[*const f32], at: usize) -> Self {
        // SAFETY: the caller's.
        unsafe { Self::load(taps[0].add(at)) }
    }

    /// # Safety
    /// `COUNT` numbers can be written there.
    unsafe fn store(self, to: *mut f32);

    /// `sum + self * x`.
    fn multiply_add(self, x: Self, sum: Self) -> Self;
}

/// In vectors of `W`, `N` at once, and what is left over in those of `Half` and `One`.
///
/// # Safety
/// Every element of the job is in its slice, and the machine has the instructions of `W`, `Half` and `One`.
#[inline(always)]
unsafe fn gather<W: Lanes, Half: Lanes, One: Lanes, const N: usize>(
    job: &Gather,
    out: &mut [f32],
    distance: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match job.start.len() {
            6 => gather_block::<W, Half, One, 6, N>(job, out, distance),
            _ => gather_block::<W, Half, One, 4, N>(job, out, distance),
        }
    }
}

/// # Safety
/// As of [`gather`].
#[inline(always)]
unsafe fn gather_block<W: Lanes, Half: Lanes, One: Lanes, const R: usize, const N: usize>(
    job: &Gather,
    out: &mut [f32],
    distance: usize,
) {
    let rows = out.len().div_ceil(distance);
    let mut at = 0;
    // SAFETY: the caller's.
    unsafe {
        while at + N * W::COUNT <= job.length {
            gather_tile::<W, R, N>(job, at, (out.as_mut_ptr(), distance, rows));
            at += N * W::COUNT;
        }
        while at + W::COUNT <= job.length {
            gather_tile::<W, R, 1>(job, at, (out.as_mut_ptr(), distance, rows));
            at += W::COUNT;
        }
        while at + Half::COUNT <= job.length {
            gather_tile::<Half, R, 1>(job, at, (out.as_mut_ptr(), distance, rows));
            at += Half::COUNT;
        }
        while at < job.length {
            gather_tile::<One, R, 1>(job, at, (out.as_mut_ptr(), distance, rows));
            at += 1;
        }
    }
}

/// # Safety
/// As of [`gather`], from number `at` of the run on.
#[inline(always)]
unsafe fn gather_tile<L: Lanes, const R: usize, const N: usize>(
    job: &Gather,
    at: usize,
    (out, distance, rows): (*mut f32, usize, usize),
) {
    let each = job.weights.len() / job.planes;
    let mut sums: [[L; N]; R] = std::array::from_fn(|r| [L::splat(job.start[r]); N]);
    for plane in 0..job.planes {
        // SAFETY: the caller's.
        let (weights, input) = unsafe {
            (
                job.weights.as_ptr().add(plane * each),
                job.input.as_ptr().add(plane * job.distance + at),
            )
        };
        for tap in job.taps {
            // SAFETY: the caller's.
            unsafe {
                let weights = weights.add(tap.weight * R);
                let run: [L; N] =
                    std::array::from_fn(|n| L::load(input.add(tap.at + n * L::COUNT)));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let weight = L::splat(*weights.add(r));
                    for (sum, x) in sums.iter_mut().zip(run) {
                        *sum = weight.multiply_add(x, *sum);
                    }
                }
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate().take(rows) {
        for (n, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { sum.store(out.add(r * distance + at + n * L::COUNT)) };
        }
    }
}

/// With `T6` taps at once in blocks of 6 rows, `T4` in blocks of 4.
///
/// # Safety
/// As of [`gather`].
#[inline(always)]
unsafe fn correlate<W: Lanes, One: Lanes, const T6: usize, const T4: usize>(
    job: &Correlate,
    sums: &mut [f32],
) {
    let stride = stride(job.taps.len());
    for (block, size) in blocks(job.rows) {
        let sums = &mut sums[block.start * stride..];
        // SAFETY: the caller's.
        unsafe {
            match size {
                6 => correlate_block::<W, One, 6, T6, { VECTORS[0] }>(job, block, sums),
                _ => correlate_block::<W, One, 4, T4, { VECTORS[1] }>(job, block, sums),
            }
        }
    }
}

/// # Safety
/// As of [`gather`]; `sums` begins with the block's.
#[inline(always)]
unsafe fn correlate_block<W: Lanes, One: Lanes, const R: usize, const T: usize, const N: usize>(
    job: &Correlate,
    block: Range<usize>,
    sums: &mut [f32],
) {
    let whole = job.runs.length - job.runs.length % LANES;
    let last = job.taps.len() - 1;
    for first in (0..=last).step_by(T) {
        // Rows and taps that fill up are the last once more.
        let above: [*const f32; R] = std::array::from_fn(|r| {
            let row = (block.start + r).min(block.end - 1);
            job.above[row * job.distance..].as_ptr()
        });
        let input: [*const f32; T] =
            std::array::from_fn(|t| job.input[job.taps[(first + t).min(last)]..].as_ptr());
        let sums = &mut sums[first * LANES..];
        // SAFETY: the caller's.
        unsafe {
            correlate_tile::<W, R, T, N>((above, input), job, 0..whole, sums);
            if whole < job.runs.length {
                let rest = whole..job.runs.length;
                correlate_tile::<One, R, T, T>((above, input), job, rest, sums);
            }
        }
    }
}

/// `T` taps in `N` vectors.
///
/// # Safety
/// As of [`gather`], for the part of each run.
#[inline(always)]
unsafe fn correlate_tile<L: Lanes, const R: usize, const T: usize, const N: usize>(
    (above, input): ([*const f32; R], [*const f32; T]),
    job: &Correlate,
    part: Range<usize>,
    sums: &mut [f32],
) {
    const { assert!(T == N * L::TAPS) };
    let stride = stride(job.taps.len());
    assert!(sums.len() >= (R - 1) * stride + T * LANES);
    // SAFETY: the assertion, and the caller's.
    unsafe {
        let first = sums.as_mut_ptr();
        let slot = |r: usize, n: usize| first.add(r * stride + n * L::TAPS * LANES);
        let mut sums: [[L; N]; R] =
            std::array::from_fn(|r| std::array::from_fn(|n| L::load(slot(r, n))));
        for run in 0..job.runs.count {
            let (above_at, input_at) = (run * job.runs.above, run * job.runs.input);
            for i in part.clone().step_by(L::COUNT / L::TAPS) {
                let input: [L; N] =
                    std::array::from_fn(|n| L::load_own(&input[n * L::TAPS..], input_at + i));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let above = L::load_same(above[r].add(above_at + i));
                    for (sum, x) in sums.iter_mut().zip(input) {
                        *sum = above.multiply_add(x, *sum);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                sum.store(slot(r, n));
            }
        }
    }
}

/// What the compiler makes vectors of by itself.
impl<const N: usize> Lanes for [f32; N] {
    const COUNT: usize = N;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; N]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's.
        unsafe { from.cast::<[f32; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; N]>().write_unaligned(self) }
    }

    #[inline(always)]
    fn multiply_add(self, x: Self, sum: Self) -> Self {
        std::array::from_fn(|i| match cfg!(target_arch = "aarch64") {
            // An instruction of every ARM64; where it is a function it takes a hundred times as long.
            true => self[i].mul_add(x[i], sum[i]),
            false => sum[i] + self[i] * x[i],
        })
    }
}

static PORTABLE: Kernels = Kernels {
    gather: gather::<[f32; LANES], [f32; LANES], [f32; 1], 2>,
    correlate: correlate::<[f32; LANES], [f32; 1], { VECTORS[0] }, { VECTORS[1] }>,
};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Correlate, Gather, Kernels, LANES, Lanes, VECTORS, WIDEST};

    pub(super) static AVX2: Kernels = Kernels { gather, correlate };
    pub(super) static AVX512: Kernels = Kernels {
        gather: gather_512,
        correlate: correlate_512,
    };

    /// # Safety
    /// As of [`super::gather`].
    #[target_feature(enable = "avx2,fma")]
    unsafe fn gather(job: &Gather, out: &mut [f32], distance: usize) {
        // SAFETY: the caller's.
        unsafe { super::gather::<__m256, __m256, Fused, 2>(job, out, distance) }
    }

    /// # Safety
    /// As of [`super::gather`].
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn gather_512(job: &Gather, out: &mut [f32], distance: usize) {
        // SAFETY: the caller's.
        unsafe { super::gather::<__m512, __m256, Fused, 3>(job, out, distance) }
    }

    /// # Safety
    /// As of [`super::gather`].
    #[target_feature(enable = "avx2,fma")]
    unsafe fn correlate(job: &Correlate, sums: &mut [f32]) {
        // SAFETY: the caller's.
        unsafe { super::correlate::<__m256, Fused, { VECTORS[0] }, { VECTORS[1] }>(job, sums) }
    }

    /// # Safety
    /// As of [`super::gather`].
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn correlate_512(job: &Correlate, sums: &mut [f32]) {
        const T6: usize = WIDEST * VECTORS[0];
        const T4: usize = WIDEST * VECTORS[1];
        // SAFETY: the caller's.
        unsafe { super::correlate::<__m512, Fused, T6, T4>(job, sums) }
    }

    /// Used in functions of the instruction set alone. Of two taps each sum has the lanes that it has in narrower
    /// vectors, and so its bytes.
    impl Lanes for __m512 {
        const COUNT: usize = WIDEST * LANES;
        const TAPS: usize = WIDEST;

        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: the machine has the instructions.
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn load_same(from: *const f32) -> Self {
            // SAFETY: the caller's.
            unsafe { _mm512_broadcast_f32x8(_mm256_loadu_ps(from)) }
        }

        #[inline(always)]
        unsafe fn load_own(taps: &[*const f32], at: usize) -> Self {
            // SAFETY: the caller's.
            unsafe {
                let first = _mm256_loadu_ps(taps[0].add(at));
                let second = _mm256_loadu_ps(taps[1].add(at));
                _mm512_insertf32x8::<1>(_mm512_castps256_ps512(first), second)
            }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's.
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        fn multiply_add(self, x: Self, sum: Self) -> Self {
            // SAFETY: the machine has the instructions.
            unsafe { _mm512_fmadd_ps(self, x, sum) }
        }
    }

    /// Used in functions of the instruction set alone.
    impl Lanes for __m256 {
        const COUNT: usize = 8;

        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: the machine has the instructions.
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's.
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        fn multiply_add(self, x: Self, sum: Self) -> Self {
            // SAFETY: the machine has the instructions.
            unsafe { _mm256_fmadd_ps(self, x, sum) }
        }
    }

    /// One number, added as the vectors add theirs.
    #[derive(Clone, Copy)]
    struct Fused(f32);

    impl Lanes for Fused {
        const COUNT: usize = 1;

        #[inline(always)]
        fn splat(x: f32) -> Self {
            Fused(x)
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's.
            Fused(unsafe { *from })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's.
            unsafe { *to = self.0 }
        }

        #[inline(always)]
        fn multiply_add(self, x: Self, sum: Self) -> Self {
            Fused(self.0.mul_add(x.0, sum.0))
        }
    }
}
