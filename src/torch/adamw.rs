//! AdamW over one flat buffer, with a state that can be written and read back, and the learning
//! rate's schedule. What changes from step to step comes as a tensor, so that a step can be recorded.

use std::f64::consts::PI;

use tch::{Device, Tensor};

use super::arena::{Arena, copy_out, slice_mut, tensor};
use crate::chain::spread;
use crate::error::Result;
use crate::refine::{self, BETA1, BETA2, Update};

/// Numbers of an update that change from step to step.
pub(crate) const COEFFICIENTS: usize = 3;

/// Fewest parameters for which starting threads is worth while.
const WORTH_THREADS: usize = 1 << 19;

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

    /// One update, by coefficients [3] on the parameters' device.
    pub fn update(
        &mut self,
        parameters: &mut Arena,
        gradient: &Tensor,
        coefficients: &Tensor,
    ) -> Result<()> {
        match gradient.device() {
            Device::Cpu => self.in_one_pass(parameters, gradient, coefficients),
            _ => self.by_operations(parameters, gradient, coefficients),
        }
    }

    /// Reads and writes each number once: in a processor's memory that is what an update takes.
    fn in_one_pass(
        &mut self,
        parameters: &mut Arena,
        gradient: &Tensor,
        coefficients: &Tensor,
    ) -> Result<()> {
        let mut numbers = [0.0; COEFFICIENTS];
        copy_out(coefficients, &mut numbers)?;
        let [rate, epsilon, kept] = numbers;
        let update = Update {
            rate,
            epsilon,
            kept,
        };
        let mut gradient = gradient.shallow_clone();
        let gradient = slice_mut(&mut gradient)?;
        let theta = slice_mut(parameters.flat())?;
        let m = slice_mut(&mut self.first_moment)?;
        let v = slice_mut(&mut self.second_moment)?;
        let threads = match theta.len() < WORTH_THREADS {
            true => 1,
            false => usize::try_from(tch::get_num_threads()).unwrap_or(1),
        };
        let part = theta.len().div_ceil(threads).max(1);
        let moments = m.chunks_mut(part).zip(v.chunks_mut(part));
        let parts = theta.chunks_mut(part).zip(gradient.chunks(part));
        spread(
            parts.zip(moments),
            threads,
            |((theta, gradient), (m, v))| {
                refine::adamw(&update, theta, gradient, m, v);
                Ok(())
            },
        )
    }

    /// The same by libtorch's operations, none of which waits for the device.
    fn by_operations(
        &mut self,
        parameters: &mut Arena,
        gradient: &Tensor,
        coefficients: &Tensor,
    ) -> Result<()> {
        let [rate, epsilon, kept] = [0, 1, 2].map(|i| coefficients.f_narrow(0, i, 1));
        let (m, v) = (&mut self.first_moment, &mut self.second_moment);
        let _ = m.f_lerp_(gradient, 1.0 - BETA1)?;
        let _ = v.f_lerp_(&gradient.f_square()?, 1.0 - BETA2)?;
        let denominator = v.f_sqrt()?.f_add_(&epsilon?)?;
        let theta = parameters.flat();
        if self.weight_decay > 0.0 {
            let _ = theta.f_mul_(&kept?)?;
        }
        let _ = theta.f_addcdiv_(&m.f_mul(&rate?.f_neg()?)?, &denominator)?;
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
        let values = coefficients(step, learning_rate, self.weight_decay);
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

/// What [`AdamW::update`] is given at `step`, which counts from 0.
pub(crate) fn coefficients(step: usize, rate: f64, weight_decay: f64) -> [f32; COEFFICIENTS] {
    let update = Update::new(step as u64 + 1, rate, weight_decay);
    [update.rate, update.epsilon, update.kept]
}

fn names(prefix: &str) -> [String; 2] {
    ["first", "second"].map(|moment| format!("{moment}_moment.{prefix}"))
}

/// Half a cosine from `peak` at step 0 to zero at step `steps` (1608.03983, equation 5).
pub(crate) fn annealed(peak: f64, step: usize, steps: usize) -> f64 {
    0.5 * peak * (1.0 + (PI * step as f64 / steps as f64).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Purpose};
    use crate::torch::arena::{Init, Plan};

    #[test]
    fn one_pass_on_several_threads_is_what_the_operations_are() {
        let parameters = WORTH_THREADS + 37;
        let arena = || {
            let mut plan = Plan::default();
            plan.declare("x".into(), &[parameters], Init::Uniform(1.0));
            let mut stream = Noise::new(3).stream(Purpose::Initialization, 0, 0);
            Arena::new(plan, &mut stream, Device::Cpu).unwrap()
        };
        let numbers = |arena: &mut Arena| {
            let mut numbers = vec![0.0; arena.flat().numel()];
            copy_out(arena.flat(), &mut numbers).unwrap();
            numbers
        };
        let (mut one, mut other) = (arena(), arena());
        let mut pass = AdamW::new(&one, 0.01).unwrap();
        let mut operations = AdamW::new(&other, 0.01).unwrap();
        for step in 0..3 {
            let gradient = one.copy().unwrap() * (step + 1) as f64;
            pass.step(&mut one, &gradient, step, 1e-2).unwrap();
            let coefficients = Tensor::from_slice(&coefficients(step, 1e-2, 0.01));
            operations
                .by_operations(&mut other, &gradient, &coefficients)
                .unwrap();
        }
        let (start, one, other) = (
            numbers(&mut arena()),
            numbers(&mut one),
            numbers(&mut other),
        );
        assert!(start.iter().zip(&one).all(|(a, b)| *a == 0.0 || a != b));
        for (i, (a, b)) in one.iter().zip(&other).enumerate() {
            assert!((a - b).abs() < 1e-6, "{i}: {a} by one pass and {b}");
        }
    }
}
