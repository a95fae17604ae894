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

    /// The gradient by the inputs is_larger to the first of the largest, as `largest` takes it.
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
            let is_larger = input[i] > most[i] || input[i].is_nan();
            most[i] = if is_larger { input[i] } else { most[i] };
            which[i] = (which[i] & mask(!is_larger)) | (number & mask(is_larger));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// More examples than a pass has lanes, all alike.
    const EXAMPLES: usize = LANES + 3;

    fn alike(pixels: &[f32]) -> Vec<f32> {
        pixels.iter().flat_map(|x| [*x; EXAMPLES]).collect()
    }

    /// One row of pixels under a window of height 1 and width 2.
    fn window(width: usize, stride: usize) -> Window {
        Window {
            channels: 1,
            height: 1,
            width,
            kernel: [1, 2],
            stride,
            padding: 0,
        }
    }

    #[test]
    fn of_equal_inputs_the_first_gets_the_gradient() {
        // After ReLU most ties are of zeros.
        let (window, input) = (window(6, 2), alike(&[0.0, 0.0, 3.0, 5.0, -1.0, -2.0]));
        let (mut out, mut below) = (vec![9.0; 3 * EXAMPLES], vec![9.0; 6 * EXAMPLES]);
        largest(&window, &input, EXAMPLES, &mut out);
        assert_eq!(out, alike(&[0.0, 5.0, -1.0]));
        let above = alike(&[1.0, 2.0, 4.0]);
        largest_backward(&window, &input, &above, EXAMPLES, &mut below);
        assert_eq!(below, alike(&[1.0, 0.0, 0.0, 2.0, 4.0, 0.0]));
    }

    #[test]
    fn gradients_add_up_where_windows_overlap() {
        let (window, input) = (window(3, 1), alike(&[1.0, 7.0, 2.0]));
        let (above, mut below) = (alike(&[1.0, 2.0]), vec![9.0; 3 * EXAMPLES]);
        largest_backward(&window, &input, &above, EXAMPLES, &mut below);
        assert_eq!(below, alike(&[0.0, 3.0, 0.0]));
        mean_backward(&window, &above, EXAMPLES, &mut below);
        assert_eq!(below, alike(&[0.5, 1.5, 1.0]));
    }

    #[test]
    fn not_a_number_stays_one() {
        let (window, mut out) = (window(2, 2), vec![9.0; EXAMPLES]);
        for pixels in [[f32::NAN, 1.0], [1.0, f32::NAN]] {
            largest(&window, &alike(&pixels), EXAMPLES, &mut out);
            assert!(out.iter().all(|x| x.is_nan()), "{pixels:?}");
        }
    }
}
