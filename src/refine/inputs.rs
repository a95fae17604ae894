//! Random inputs, as far as they can look like data that nobody has.

use crate::noise::Stream;

/// Deviations of the window that makes noise smooth: the least in pixels, which leaves it white, the largest as a share
/// of an image's side.
const LEAST_SCALE: f64 = 0.5;
const LARGEST_SCALE: f64 = 0.14;

/// An input of mean 0 and deviation 1: white noise, or for images [channels, height, width] smooth noise of one of many
/// scales that is cut into blobs, as images have edges.
pub(super) fn draw(shape: &[usize], stream: &mut Stream, out: &mut [f32]) {
    let [_, height, width] = *shape else {
        return stream.normal(out);
    };
    let largest = LARGEST_SCALE * height.min(width) as f64;
    // As likely within each octave.
    let scale = LEAST_SCALE * (largest / LEAST_SCALE).max(1.0).powf(stream.uniform());
    for channel in out.chunks_exact_mut(height * width) {
        smooth(height, width, scale, stream, channel);
        standardize(channel);
    }
    let (level, sharpness) = (stream.uniform() * 2.0 - 1.0, (3.0 * stream.uniform()).exp());
    for x in out.iter_mut() {
        *x = 1.0 / (1.0 + ((level as f32 - *x) * sharpness as f32).exp());
    }
    standardize(out);
}

/// White noise under a Gaussian window of a deviation of `scale` pixels, [height, width].
fn smooth(height: usize, width: usize, scale: f64, stream: &mut Stream, out: &mut [f32]) {
    let reach = (3.0 * scale).ceil() as usize;
    let window: Vec<f32> = (0..=2 * reach)
        .map(|i| (-0.5 * ((i as f64 - reach as f64) / scale).powi(2)).exp() as f32)
        .collect();
    let wide = width + 2 * reach;
    let mut noise = vec![0.0; (height + 2 * reach) * wide];
    stream.normal(&mut noise);
    let mut down = vec![0.0; wide];
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        down.fill(0.0);
        for (from, weight) in noise[row * wide..].chunks_exact(wide).zip(&window) {
            let both = down.iter_mut().zip(from);
            both.for_each(|(down, x)| *down += weight * x);
        }
        for (column, out) in out.iter_mut().enumerate() {
            let across = down[column..].iter().zip(&window);
            *out = across.map(|(x, weight)| x * weight).sum();
        }
    }
}

/// To mean 0 and deviation 1.
fn standardize(values: &mut [f32]) {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
    let deviation = variance.sqrt().max(f32::MIN_POSITIVE);
    values.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Purpose};

    #[test]
    fn images_are_standardized_and_smooth() {
        let mut stream = Noise::new(1).stream(Purpose::Distillation, 0, 0);
        let mut alike = 0.0;
        for _ in 0..100 {
            let mut image = vec![0.0; 2 * 12 * 14];
            draw(&[2, 12, 14], &mut stream, &mut image);
            let mean: f32 = image.iter().sum::<f32>() / image.len() as f32;
            let square: f32 = image.iter().map(|x| x * x).sum::<f32>() / image.len() as f32;
            assert!(
                mean.abs() < 1e-3 && (square - 1.0).abs() < 1e-3,
                "{mean} {square}"
            );
            let pairs = image.chunks_exact(14).flat_map(|row| row.windows(2));
            alike += pairs.map(|pair| pair[0] * pair[1]).sum::<f32>() / image.len() as f32;
        }
        assert!(alike / 100.0 > 0.3, "{alike}");
    }
}
