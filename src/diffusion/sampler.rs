//! Samplers for a network that predicts noise. Each takes x_T, standard normal, [batch, width], and
//! leaves x_0 in its place. Coefficients are float64, the latents and the network float32.

use super::{Denoiser, Schedule, StepNoise, Tick};
use crate::error::Result;

/// Ancestral sampling (2006.11239, algorithm 2) on `steps` of the schedule's T, with the posterior
/// variance β̃ and, between the steps kept, α = ᾱ_t / ᾱ_s (2102.09672, section 4).
pub fn ddpm(
    epsilon: &dyn Denoiser,
    schedule: &Schedule,
    steps: usize,
    x: &mut [f32],
    noise: StepNoise,
    tick: Tick,
) -> Result<()> {
    let mut eps = vec![0.0; x.len()];
    let mut z = vec![0.0; x.len()];
    for (i, step) in schedule.transitions(steps)?.iter().enumerate() {
        tick(i)?;
        epsilon.predict(x, step.t as f64, &mut eps)?;
        let alpha = step.alpha_bar / step.alpha_bar_next;
        let beta = 1.0 - alpha;
        let sigma = (beta * (1.0 - step.alpha_bar_next) / (1.0 - step.alpha_bar)).sqrt();
        if sigma > 0.0 {
            noise(i, &mut z);
        }
        let (a, b) = (1.0 / alpha.sqrt(), beta / (1.0 - step.alpha_bar).sqrt());
        for ((x, &eps), &z) in x.iter_mut().zip(&eps).zip(&z) {
            *x = (a * (f64::from(*x) - b * f64::from(eps)) + sigma * f64::from(z)) as f32;
        }
    }
    Ok(())
}

/// Implicit sampling (2010.02502, equation 12). `eta` 0 is deterministic and asks for no noise,
/// 1 is [`ddpm`].
pub fn ddim(
    epsilon: &dyn Denoiser,
    schedule: &Schedule,
    steps: usize,
    eta: f64,
    x: &mut [f32],
    noise: StepNoise,
    tick: Tick,
) -> Result<()> {
    let mut eps = vec![0.0; x.len()];
    let mut z = vec![0.0; x.len()];
    for (i, step) in schedule.transitions(steps)?.iter().enumerate() {
        tick(i)?;
        epsilon.predict(x, step.t as f64, &mut eps)?;
        let (a, a_next) = (step.alpha_bar, step.alpha_bar_next);
        let sigma = eta * ((1.0 - a_next) / (1.0 - a) * (1.0 - a / a_next)).sqrt();
        if sigma > 0.0 {
            noise(i, &mut z);
        }
        let scale = (a_next / a).sqrt();
        // Rounding may take 1 - ᾱ - σ² a hair below zero.
        let direction = (1.0 - a_next - sigma * sigma).max(0.0).sqrt();
        let b = direction - scale * (1.0 - a).sqrt();
        for ((x, &eps), &z) in x.iter_mut().zip(&eps).zip(&z) {
            *x = (scale * f64::from(*x) + b * f64::from(eps) + sigma * f64::from(z)) as f32;
        }
    }
    Ok(())
}

/// DPM-Solver++(2M) (2211.01095, algorithm 2): second order, one call of the network a step. The
/// last step, to no noise at all, has an infinite half log-SNR λ and is of first order.
pub fn dpm_solver_pp_2m(
    epsilon: &dyn Denoiser,
    schedule: &Schedule,
    steps: usize,
    x: &mut [f32],
    tick: Tick,
) -> Result<()> {
    let lambda = |alpha_bar: f64| 0.5 * (alpha_bar / (1.0 - alpha_bar)).ln();
    let mut eps = vec![0.0; x.len()];
    let mut x0_before = vec![0.0; x.len()];
    let mut h_before = None;
    for (i, step) in schedule.transitions(steps)?.iter().enumerate() {
        tick(i)?;
        epsilon.predict(x, step.t as f64, &mut eps)?;
        let (alpha, sigma) = (step.alpha_bar.sqrt(), (1.0 - step.alpha_bar).sqrt());
        let alpha_next = step.alpha_bar_next.sqrt();
        let sigma_next = (1.0 - step.alpha_bar_next).sqrt();
        let h = lambda(step.alpha_bar_next) - lambda(step.alpha_bar);
        // 1 / (2 r) with r the ratio of the last two steps; 0 gives the first-order step.
        let slope = match h_before {
            Some(before) if h.is_finite() => 0.5 * h / before,
            _ => 0.0,
        };
        let (a, b) = (sigma_next / sigma, -alpha_next * (-h).exp_m1());
        for ((x, &eps), before) in x.iter_mut().zip(&eps).zip(&mut x0_before) {
            let x0 = (f64::from(*x) - sigma * f64::from(eps)) / alpha;
            let d = x0 + slope * (x0 - *before);
            *x = (a * f64::from(*x) + b * d) as f32;
            *before = x0;
        }
        h_before = Some(h);
    }
    Ok(())
}
