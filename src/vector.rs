//! Passes over rows of numbers, compiled a second time for machines with wider vectors. No addition is
//! fused, so that alone does not change their bytes; those here call no function of the platform's
//! either, and have the same bytes on every machine.
/// Defines passes; each runs as compiled for AVX2 where the machine has it.
macro_rules! passes {
    ($($(#[$attribute:meta])* fn $name:ident($($argument:ident: $kind:ty),*) $body:block)*) => {$(
        $(#[$attribute])*
        #[allow(unsafe_code)]
        pub(crate) fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn pass($($argument: $kind),*) $body
            #[cfg(target_arch = "x86_64")]
            if std::is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn wide($($argument: $kind),*) {
                    pass($($argument),*)
                }
                // SAFETY: the machine has these instructions.
                return unsafe { wide($($argument),*) };
            }
            pass($($argument),*)
        }
    )*};
}
pub(crate) use passes;

passes! {
    /// `x += bias` for every row of `x`.
    fn add_bias(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x += bias;
            }
        }
    }

    /// `x += update + bias` for every row of `x`.
    fn add_update(x: &mut [f32], update: &[f32], bias: &[f32]) {
        for (row, update) in x.chunks_exact_mut(bias.len()).zip(update.chunks_exact(bias.len())) {
            for ((x, update), bias) in row.iter_mut().zip(update).zip(bias) {
                *x += update + bias;
            }
        }
    }

    /// `x = (x + bias) scale` for every row of `x`.
    fn add_bias_and_scale(x: &mut [f32], bias: &[f32], scale: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for ((x, bias), scale) in row.iter_mut().zip(bias).zip(scale) {
                *x = (*x + bias) * scale;
            }
        }
    }

    /// `silu(x + bias)` for every row of `x`.
    fn silu(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                let biased = *x + bias;
                *x = biased / (1.0 + exp(-biased));
            }
        }
    }

    /// Layer normalization without parameters (arXiv 1607.06450) of every row of `x`, then
    /// `scale x + shift`. `epsilon` is added to a variance before its root.
    fn modulate(x: &[f32], scale: &[f32], shift: &[f32], epsilon: f32, out: &mut [f32]) {
        let n = scale.len() as f32;
        for (row, out) in x.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
            let mean = sum(row, |x| x) / n;
            let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
            let factor = 1.0 / (variance + epsilon).sqrt();
            for (((out, x), scale), shift) in out.iter_mut().zip(row).zip(scale).zip(shift) {
                *out = (x - mean) * factor * scale + shift;
            }
        }
    }
}

/// Sums that are added up side by side.
const LANES: usize = 16;

/// The sum of `f` over a row, in an order that vectors of any width keep.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole.iter().map(|part| &part[..]).chain([rest]) {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += f(*x);
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

/// `e` to the power of `x`, to one part in 5 million; at most 2^127 and at least 2^-126.
///
/// `x = n ln 2 + r` with a whole `n` and a small `r`, for which a polynomial stands (Cephes, `expf`).
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it leaves no place for a fraction.
    const ROUNDING: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    // ln 2 in two parts, of which n takes the first without rounding.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_65,
        0.5,
    ] {
        y = y * r + coefficient;
    }
    let power = (shifted.to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32) + 127;
    (y * r * r + r + 1.0) * f32::from_bits((power as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_one_part_in_five_million() {
        for i in -86_999..87_999 {
            let x = i as f32 * 1e-3;
            let (found, right) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / right - 1.0).abs() < 2e-7, "exp({x}) = {found}");
        }
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite());
    }

    /// Bits that another compiler, processor or width of vectors must not change.
    #[test]
    fn passes_have_the_same_bits_everywhere() {
        let x: Vec<f32> = (0..38).map(|i| (i * i % 41) as f32 * 0.375 - 7.0).collect();
        let ramp: Vec<f32> = (0..19).map(|i| i as f32 * 0.125 - 1.0).collect();
        let (mut activated, mut modulated) = (x.clone(), vec![0.0; 38]);
        silu(&mut activated, &ramp);
        modulate(&x, &ramp, &ramp, 1e-5, &mut modulated);
        let digest = |values: &[f32]| {
            let bytes: &[u8] = bytemuck::cast_slice(values);
            xxhash_rust::xxh3::xxh3_64(bytes)
        };
        assert_eq!(digest(&activated), 17_971_358_142_826_819_713);
        assert_eq!(digest(&modulated), 12_506_877_272_251_032_752);
    }
}
