//! A split of images to judge networks on.

use anyhow::Result;
use pdiff::Cancel;
use pdiff::chain::Runner;

use crate::architecture::CLASSES;
use crate::data::Images;

/// What one network says of each image of a split.
pub struct Judged {
    pub accuracy: f64,
    /// The class given to each image.
    pub predictions: Vec<u8>,
    /// Softmax of the outputs [images x 10].
    pub probabilities: Vec<f32>,
}

/// Scores networks [networks, parameters] on all images, or on the first `count`, by some threads: 0 takes one for each
/// processor.
pub fn judge(
    runner: &Runner,
    networks: &[f32],
    images: &Images,
    count: usize,
    threads: usize,
) -> Result<Vec<Judged>> {
    let count = images.len().min(count);
    let examples = &images.pixels()[..count * runner.inputs()];
    let each = count * CLASSES;
    let mut outputs = vec![0.0; networks.len() / runner.parameters() * each];
    runner.forward(networks, examples, threads, &Cancel::new(), &mut outputs)?;
    let judged = outputs.chunks_exact_mut(each).map(|outputs| {
        let predictions: Vec<u8> = outputs.chunks_exact_mut(CLASSES).map(softmax).collect();
        let both = predictions.iter().zip(&images.labels);
        let right = both.filter(|(given, label)| given == label).count();
        Judged {
            accuracy: right as f64 / count as f64,
            predictions,
            probabilities: outputs.to_vec(),
        }
    });
    Ok(judged.collect())
}

/// The accuracy of one network, by this thread.
pub fn accuracy(runner: &Runner, weights: &[f32], images: &Images, count: usize) -> Result<f64> {
    let judged = judge(runner, weights, images, count, 1)?;
    Ok(judged.iter().map(|judged| judged.accuracy).sum())
}

/// Puts probabilities in place of outputs, and gives the class of the largest, the first of equal ones.
fn softmax(outputs: &mut [f32]) -> u8 {
    let most = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let class = outputs.iter().position(|x| *x == most).unwrap_or(0);
    outputs.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f32 = outputs.iter().sum();
    outputs.iter_mut().for_each(|x| *x /= sum);
    class as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_follow_the_outputs() {
        let mut outputs = [0.0, 2f32.ln(), 2f32.ln(), f32::NEG_INFINITY];
        assert_eq!(softmax(&mut outputs), 1);
        for (found, right) in outputs.iter().zip([0.2, 0.4, 0.4, 0.0]) {
            assert!((found - right).abs() < 1e-6);
        }
    }
}
