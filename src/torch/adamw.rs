//! AdamW over one flat buffer, with a state that can be written and read back, and the learning
//! rate's schedule. What changes from step to step comes as a tensor, so that a step can be recorded.

use std::f64::consts::PI;

use tch::{Device, Tensor};

use super::arena::{Arena, tensor};
use crate::error::Result;
use crate::refine::{BETA1, BETA2, EPSILON};

/// Numbers of an update that change from step to step.
pub(crate) const COEFFICIENTS: usize = 3;

/// Adam with decoupled weight decay (1711.05101, algorithm 2).
pub(crate) struct AdamW {
    weight_decay: f64,
    first_moment: Tensor,
    second_moment: Tensor,
}

impl AdamW {
    pub fn new(parameters: &Arena, weight_decay: f64) -> Result<AdamW> {
        Ok(AdamW {
            weight_decay,
            first_moment: parameters.zeros()?,
            second_moment: parameters.zeros()?,
        })
    }

    /// What [`AdamW::update`] is given at `step`, which counts from 0.
    pub fn coefficients(&self, step: usize, learning_rate: f64) -> [f32; COEFFICIENTS] {
        let t = (step + 1) as f64;
        // lr m̂ / (sqrt(v̂) + ε), with the bias corrections moved onto the rate and ε.
        let correction = (1.0 - BETA2.powf(t)).sqrt();
        let rate = learning_rate * correction / (1.0 - BETA1.powf(t));
        let kept = 1.0 - learning_rate * self.weight_decay;
        [EPSILON * correction, -1.0 / rate, kept].map(|x| x as f32)
    }

    /// One update, by coefficients [3] on the parameters' device.
    pub fn update(
        &mut self,
        parameters: &mut Arena,
        gradient: &Tensor,
        coefficients: &Tensor,
    ) -> Result<()> {
        let [epsilon, scale, kept] = [0, 1, 2].map(|i| coefficients.f_narrow(0, i, 1));
        let [epsilon, scale, kept] = [epsilon?, scale?, kept?];
        let theta = parameters.flat();
        let (all, part) = (theta.size()[0], part(theta.device()));
        for start in (0..all).step_by(part as usize) {
            let cut = |whole: &Tensor| whole.f_narrow(0, start, part.min(all - start));
            let (mut m, mut v) = (cut(&self.first_moment)?, cut(&self.second_moment)?);
            let (mut theta, gradient) = (cut(theta)?, cut(gradient)?);
            let _ = m.f_lerp_(&gradient, 1.0 - BETA1)?;
            let _ = v.f_lerp_(&gradient.f_square()?, 1.0 - BETA2)?;
            let denominator = v.f_sqrt()?.f_add_(&epsilon)?.f_mul_(&scale)?;
            if self.weight_decay > 0.0 {
                let _ = theta.f_mul_(&kept)?;
            }
            let _ = theta.f_addcdiv_(&m, &denominator)?;
        }
        Ok(())
    }

    /// One update at `step`, which counts from 0.
    pub fn step(
        &mut self,
        parameters: &mut Arena,
        gradient: &Tensor,
        step: usize,
        learning_rate: f64,
    ) -> Result<()> {
        let values = self.coefficients(step, learning_rate);
        let coefficients = tensor(&values, &[-1], gradient.device())?;
        self.update(parameters, gradient, &coefficients)
    }

    pub fn export(&self, parameters: &Arena, prefix: &str) -> Result<Vec<crate::Tensor>> {
        let [first, second] = names(prefix);
        let mut tensors = parameters.export_buffer(&self.first_moment, &first)?;
        tensors.extend(parameters.export_buffer(&self.second_moment, &second)?);
        Ok(tensors)
    }

    pub fn import(
        &self,
        parameters: &Arena,
        tensors: &[crate::Tensor],
        prefix: &str,
    ) -> Result<()> {
        let [first, second] = names(prefix);
        parameters.import_buffer(&self.first_moment, tensors, &first)?;
        parameters.import_buffer(&self.second_moment, tensors, &second)
    }
}

/// How many parameters are updated at a time: what a processor's cache holds with their moments, as an update reads
/// and writes them several times; on a GPU all, as each time costs a launch.
fn part(device: Device) -> i64 {
    match device {
        Device::Cpu => 1 << 17,
        _ => i64::MAX,
    }
}

fn names(prefix: &str) -> [String; 2] {
    ["first", "second"].map(|moment| format!("{moment}_moment.{prefix}"))
}

/// Half a cosine from `peak` at step 0 to zero at step `steps` (1608.03983, equation 5).
pub(crate) fn annealed(peak: f64, step: usize, steps: usize) -> f64 {
    0.5 * peak * (1.0 + (PI * step as f64 / steps as f64).cos())
}
