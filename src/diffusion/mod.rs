//! Diffusion: noise schedules and the samplers that walk them, as pure functions over a network.

mod ode;
mod sampler;
mod schedule;

pub use ode::{adams_bashforth, euler, heun, times};
#[cfg(any(test, feature = "torch"))]
pub use sampler::{ddim, ddpm, dpm_solver_pp_2m};
pub use schedule::Schedule;

use crate::error::Result;

/// A network that predicts noise or velocity for a batch of latents.
pub trait Denoiser {
    /// Width of a latent.
    fn width(&self) -> usize;

    /// `x` and `out` are [batch, width], row-major; `time` is the schedule's own time, which is
    /// the step for a noise schedule and the angle for a flow.
    fn predict(&self, x: &[f32], time: f64, out: &mut [f32]) -> Result<()>;
}

/// Called before each step of a sampler with its index, from 0; an error ends the sampling, so
/// this is where cancelling and progress belong.
pub type Tick<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// Fills its buffer, [batch, width], with the standard normal numbers of a step, counted from 0.
pub type StepNoise<'a> = &'a mut dyn FnMut(usize, &mut [f32]);

#[cfg(test)]
mod tests;
