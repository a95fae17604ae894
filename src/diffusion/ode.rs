//! Solvers of dx/dt = v(x, t) for a network that predicts velocity, in even steps from one time to
//! another. Each takes x at `from`, [batch, width], and leaves x at `to` in its place. Coefficients
//! are float64, the latents and the network float32.

use super::{Denoiser, Tick};
use crate::error::{Error, Result};

/// Euler's method: first order, one call of the network a step.
pub fn euler(
    v: &dyn Denoiser,
    from: f64,
    to: f64,
    steps: usize,
    x: &mut [f32],
    tick: Tick,
) -> Result<()> {
    let h = step_size(from, to, steps)?;
    let mut d = vec![0.0; x.len()];
    for (i, time) in times(from, to, steps).enumerate() {
        tick(i)?;
        v.predict(x, time, &mut d)?;
        for (x, &d) in x.iter_mut().zip(&d) {
            *x = (f64::from(*x) + h * f64::from(d)) as f32;
        }
    }
    Ok(())
}

/// Heun's method (2206.00364, algorithm 1): second order, two calls of the network a step.
pub fn heun(
    v: &dyn Denoiser,
    from: f64,
    to: f64,
    steps: usize,
    x: &mut [f32],
    tick: Tick,
) -> Result<()> {
    let h = step_size(from, to, steps)?;
    let mut d = vec![0.0; x.len()];
    let mut d_next = vec![0.0; x.len()];
    let mut x_next = vec![0.0; x.len()];
    for (i, time) in times(from, to, steps).enumerate() {
        tick(i)?;
        v.predict(x, time, &mut d)?;
        for ((next, &x), &d) in x_next.iter_mut().zip(&*x).zip(&d) {
            *next = (f64::from(x) + h * f64::from(d)) as f32;
        }
        v.predict(&x_next, from + h * (i + 1) as f64, &mut d_next)?;
        for ((x, &d), &d_next) in x.iter_mut().zip(&d).zip(&d_next) {
            *x = (f64::from(*x) + 0.5 * h * (f64::from(d) + f64::from(d_next))) as f32;
        }
    }
    Ok(())
}

/// The two-step Adams-Bashforth method (Hairer, Nørsett and Wanner, Solving Ordinary Differential
/// Equations I, III.1), begun by a step of Euler's: second order, one call of the network a step.
pub fn adams_bashforth(
    v: &dyn Denoiser,
    from: f64,
    to: f64,
    steps: usize,
    x: &mut [f32],
    tick: Tick,
) -> Result<()> {
    let h = step_size(from, to, steps)?;
    let mut d = vec![0.0; x.len()];
    let mut d_before = vec![0.0; x.len()];
    for (i, time) in times(from, to, steps).enumerate() {
        tick(i)?;
        v.predict(x, time, &mut d)?;
        let before = if i == 0 { 0.0 } else { 0.5 };
        for ((x, &d), &d_before) in x.iter_mut().zip(&d).zip(&d_before) {
            let slope = (1.0 + before) * f64::from(d) - before * f64::from(d_before);
            *x = (f64::from(*x) + h * slope) as f32;
        }
        std::mem::swap(&mut d, &mut d_before);
    }
    Ok(())
}

/// Where `steps` even steps begin.
pub fn times(from: f64, to: f64, steps: usize) -> impl Iterator<Item = f64> {
    let h = (to - from) / steps as f64;
    (0..steps).map(move |i| from + h * i as f64)
}

fn step_size(from: f64, to: f64, steps: usize) -> Result<f64> {
    if steps == 0 {
        return Err(Error::invalid("0 sampling steps; ask for at least 1"));
    }
    Ok((to - from) / steps as f64)
}
