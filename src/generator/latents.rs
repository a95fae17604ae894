//! The default engine's latents, from noise through the flow.

use std::f64::consts::FRAC_PI_2;

use crate::chain::spread;
use crate::denoiser::{Behaviour, Flow, Guided};
use crate::diffusion;
use crate::error::Result;
use crate::generator::calibration::Calibration;
use crate::generator::options::Sampler;
use crate::generator::sample::Batch;
use crate::noise::Purpose;

/// Networks whose noise a thread draws at a time.
const ROWS: usize = 64;

/// Draws latents.
#[derive(Debug)]
pub(crate) struct LatentSampler {
    /// Latents per network.
    pub latents: usize,
    /// Moves the first latents; none leaves all of them Gaussian.
    pub flow: Option<Flow>,
    /// Maps what the flow gives; none leaves it.
    pub calibration: Option<Calibration>,
    /// Moves all latents, and adds the coordinates along its free directions; none leaves them.
    pub behaviour: Option<Behaviour>,
    /// Sampler steps where the request names none.
    pub steps: usize,
}

impl LatentSampler {
    /// Numbers of a network that the decoder is given: its latents, and what the behaviour adds.
    pub(crate) fn outputs(&self) -> usize {
        self.behaviour
            .as_ref()
            .map_or(self.latents, Behaviour::outputs)
    }

    /// Where samples begin, [count, latents], by so many threads; 0: as many as there are cores.
    pub(crate) fn noise(&self, batch: &Batch, threads: usize) -> Result<Vec<f32>> {
        let mut z = vec![0.0; batch.count * self.latents];
        let parts = z.chunks_mut(ROWS * self.latents);
        let parts = parts.zip((batch.first..).step_by(ROWS));
        spread(parts, threads, |(part, first)| {
            for (row, sample) in part.chunks_exact_mut(self.latents).zip(first..) {
                batch.noise().normal(Purpose::Sampling, sample, 0, row);
                for value in row {
                    *value *= batch.options.temperature;
                }
            }
            Ok(())
        })?;
        Ok(z)
    }

    /// What the decoder is given, [count, outputs].
    pub(crate) fn sample(&self, batch: &Batch) -> Result<Vec<f32>> {
        let z = self.flowed(batch)?;
        Ok(match &self.behaviour {
            Some(behaviour) => behaviour.apply(z),
            None => z,
        })
    }

    /// Latents after the flow, [count, latents].
    pub(crate) fn flowed(&self, batch: &Batch) -> Result<Vec<f32>> {
        let mut z = self.noise(batch, 1)?;
        let Some(flow) = &self.flow else {
            return Ok(z);
        };
        let width = flow.width();
        let mut y: Vec<f32> = z
            .chunks_exact(self.latents)
            .flat_map(|row| &row[..width])
            .copied()
            .collect();
        let condition = batch.condition.as_deref();
        let denoiser = Guided::new(flow, condition, batch.options.guidance);
        let steps = batch.options.steps.unwrap_or(self.steps);
        let solve = match batch.options.sampler {
            Some(Sampler::Euler) => diffusion::euler,
            Some(Sampler::Heun) => diffusion::heun,
            _ => diffusion::adams_bashforth,
        };
        solve(&denoiser, 0.0, FRAC_PI_2, steps, &mut y, &mut |_| {
            batch.cancel.check()
        })?;
        if let Some(calibration) = &self.calibration {
            y = calibration.apply(&y);
        }
        for (row, moved) in z.chunks_exact_mut(self.latents).zip(y.chunks_exact(width)) {
            row[..width].copy_from_slice(moved);
        }
        Ok(z)
    }
}
