//! AdamW over some ranges of one network.

use std::ops::Range;

use crate::vector::passes;

pub(crate) const BETA1: f64 = 0.9;
pub(crate) const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// PyTorch's default, with which the recipe was measured.
const WEIGHT_DECAY: f64 = 0.01;

/// Adam with decoupled weight decay (1711.05101, algorithm 2) and PyTorch's defaults: betas .9 and .999,
/// epsilon 1e-8, decay .01. With [`crate::chain::Runner::gradients`] it trains a network.
pub struct AdamW {
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
    /// Updates that were made.
    steps: u64,
}

impl AdamW {
    /// For a network of so many parameters, before its first step.
    pub fn new(parameters: usize) -> AdamW {
        AdamW {
            first_moment: vec![0.0; parameters],
            second_moment: vec![0.0; parameters],
            steps: 0,
        }
    }

    /// One update of the parameters in `ranges`, which may not lie beyond the network's end; `parameters`
    /// and `gradient` are as long as the network.
    pub fn step(
        &mut self,
        parameters: &mut [f32],
        gradient: &[f32],
        ranges: &[Range<usize>],
        learning_rate: f64,
    ) {
        self.steps += 1;
        let update = Update::new(self.steps, learning_rate, WEIGHT_DECAY);
        for range in ranges {
            apply(
                &update,
                &mut parameters[range.clone()],
                &gradient[range.clone()],
                &mut self.first_moment[range.clone()],
                &mut self.second_moment[range.clone()],
            );
        }
    }
}

/// What one step does alike to each parameter.
pub(crate) struct Update {
    pub rate: f32,
    pub epsilon: f32,
    /// What weight decay leaves.
    pub kept: f32,
}

impl Update {
    /// Of a step that counts from 1.
    pub fn new(step: u64, learning_rate: f64, weight_decay: f64) -> Update {
        let t = step as f64;
        // lr m̂ / (sqrt(v̂) + ε), with the bias corrections moved onto the rate and ε.
        let correction = (1.0 - BETA2.powf(t)).sqrt();
        Update {
            rate: (learning_rate * correction / (1.0 - BETA1.powf(t))) as f32,
            epsilon: (EPSILON * correction) as f32,
            kept: (1.0 - learning_rate * weight_decay) as f32,
        }
    }
}

passes! {
    /// One step of slices of one length.
    fn apply(update: &Update, parameters: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32]) {
        let (fresh, fresh_square) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
        let moments = m.iter_mut().zip(v);
        for ((theta, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *m += (g - *m) * fresh;
            *v += (g * g - *v) * fresh_square;
            *theta = *theta * update.kept - update.rate * *m / (v.sqrt() + update.epsilon);
        }
    }
}
