//! AdamW over some ranges of one network.

use std::ops::Range;

pub(crate) const BETA1: f64 = 0.9;
pub(crate) const BETA2: f64 = 0.999;
pub(crate) const EPSILON: f64 = 1e-8;
/// PyTorch's default, with which the recipe was measured.
const WEIGHT_DECAY: f64 = 0.01;

/// Adam with decoupled weight decay (1711.05101, algorithm 2).
pub(super) struct AdamW {
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
}

impl AdamW {
    pub fn new(parameters: usize) -> AdamW {
        AdamW {
            first_moment: vec![0.0; parameters],
            second_moment: vec![0.0; parameters],
        }
    }

    /// One update of the parameters in `ranges`; `step` counts from 0.
    pub fn step(
        &mut self,
        parameters: &mut [f32],
        gradient: &[f32],
        ranges: &[Range<usize>],
        step: u64,
        learning_rate: f64,
    ) {
        let t = (step + 1) as f64;
        // lr m̂ / (sqrt(v̂) + ε), with the bias corrections moved onto the rate and ε.
        let correction = (1.0 - BETA2.powf(t)).sqrt();
        let rate = (learning_rate * correction / (1.0 - BETA1.powf(t))) as f32;
        let epsilon = (EPSILON * correction) as f32;
        let kept = (1.0 - learning_rate * WEIGHT_DECAY) as f32;
        let (fresh, fresh_square) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
        for range in ranges {
            let gradient = &gradient[range.clone()];
            let moments = self.first_moment[range.clone()]
                .iter_mut()
                .zip(&mut self.second_moment[range.clone()]);
            let parameters = &mut parameters[range.clone()];
            for ((theta, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                *m += (g - *m) * fresh;
                *v += (g * g - *v) * fresh_square;
                *theta = *theta * kept - rate * *m / (v.sqrt() + epsilon);
            }
        }
    }
}
