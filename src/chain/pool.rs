//! Pooling under a window, and its gradient, [features, examples].

use crate::chain::window::Window;
use crate::vector::passes;

passes! {
    /// The largest number under the window.
    fn largest(window: &Window, input: &[f32], examples: usize, out: &mut [f32]) {
        let offsets = window.offsets(examples);
        let whole = examples - examples % LANES;
        for (out, first) in out.chunks_exact_mut(examples).zip(window.pools()) {
            let input = &input[first * examples..];
            for at in (0..whole).step_by(LANES) {
                out[at..][..LANES].copy_from_slice(&most::<LANES>(&offsets, &input[at..]).0);
            }
            for at in whole..examples {
                out[at] = most::<1>(&offsets, &input[at..]).0[0];
            }
        }
    }

    /// The gradient by the inputs goes to the first of the largest, as `largest` takes it.
    fn largest_backward(
        window: &Window,
        input: &[f32],
        above: &[f32],
        examples: usize,
        below: &mut [f32]
    ) {
        below.fill(0.0);
        let offsets = window.offsets(examples);
        let whole = examples - examples % LANES;
        for (above, first) in above.chunks_exact(examples).zip(window.pools()) {
            let (input, below) = (&input[first * examples..], &mut below[first * examples..]);
            for at in (0..whole).step_by(LANES) {
                pass_on::<LANES>(&offsets, &input[at..], &above[at..], &mut below[at..]);
            }
            for at in whole..examples {
                pass_on::<1>(&offsets, &input[at..], &above[at..], &mut below[at..]);
            }
        }
    }

    /// The mean under the window.
    fn mean(window: &Window, input: &[f32], examples: usize, out: &mut [f32]) {
        let offsets = window.offsets(examples);
        for (out, first) in out.chunks_exact_mut(examples).zip(window.pools()) {
            out.fill(0.0);
            for offset in &offsets {
                let input = &input[first * examples + offset..][..examples];
                out.iter_mut().zip(input).for_each(|(sum, x)| *sum += x);
            }
            out.iter_mut().for_each(|sum| *sum /= offsets.len() as f32);
        }
    }

    fn mean_backward(window: &Window, above: &[f32], examples: usize, below: &mut [f32]) {
        below.fill(0.0);
        let offsets = window.offsets(examples);
        for (above, first) in above.chunks_exact(examples).zip(window.pools()) {
            for offset in &offsets {
                let below = &mut below[first * examples + offset..][..examples];
                let both = below.iter_mut().zip(above);
                both.for_each(|(sum, above)| *sum += above / offsets.len() as f32);
            }
        }
    }
}

/// Examples of which a pass keeps what it compares in registers.
const LANES: usize = 16;

/// The largest of the inputs at each offset, for some examples, and the number of its offset. A NaN stays
/// one.
#[inline(always)]
fn most<const N: usize>(offsets: &[usize], input: &[f32]) -> ([f32; N], [u32; N]) {
    let (mut most, mut which) = ([0.0; N], [0; N]);
    most.copy_from_slice(&input[..N]);
    for (number, offset) in (0..).zip(offsets).skip(1) {
        let input = &input[*offset..][..N];
        for i in 0..N {
            let stays = mask(input[i] <= most[i]);
            most[i] = if input[i] <= most[i] {
                most[i]
            } else {
                input[i]
            };
            which[i] = (which[i] & stays) | (number & !stays);
        }
    }
    (most, which)
}

/// Adds what comes from above to the largest of the inputs.
#[inline(always)]
fn pass_on<const N: usize>(offsets: &[usize], input: &[f32], above: &[f32], below: &mut [f32]) {
    let (_, which) = most::<N>(offsets, input);
    for (number, offset) in (0..).zip(offsets) {
        let below = &mut below[*offset..][..N];
        for ((sum, above), which) in below.iter_mut().zip(&above[..N]).zip(&which) {
            *sum += f32::from_bits(above.to_bits() & mask(*which == number));
        }
    }
}

/// All bits or none, where of a choice the compiler would make a branch that is often predicted wrong.
#[inline(always)]
fn mask(is_set: bool) -> u32 {
    u32::from(is_set).wrapping_neg()
}
