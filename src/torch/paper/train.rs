//! The two phases of training: the autoencoder on weights, then the denoiser on its latents.

use tch::{Device, Reduction, Tensor};

use super::autoencoder::Autoencoder;
use super::config::PaperConfig;
use super::denoiser::Denoiser;
use super::sample::{AUTOENCODER, DENOISER};
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose, Stream};
use crate::torch::adamw::{AdamW, annealed};
use crate::torch::arena::tensor;

/// Fills its buffer, [indices, width], with the normalized weights of the snapshots of these
/// indices. One index may occur several times.
pub type Rows<'a> = &'a mut dyn FnMut(&[usize], &mut [f32]) -> Result<()>;

/// Which network is being trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Autoencoder,
    Diffusion,
}

/// A training run between two steps: all that is needed to go on to the same result.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps done, over both phases.
    pub step: usize,
    /// Parameters, running statistics and the optimizers' moments.
    pub tensors: Vec<crate::Tensor>,
}

/// A training run of the paper engine.
pub struct Trainer {
    config: PaperConfig,
    width: usize,
    snapshots: usize,
    device: Device,
    noise: Noise,
    schedule: Schedule,
    autoencoder: Autoencoder,
    denoiser: Denoiser,
    optimizers: [AdamW; 2],
    step: usize,
}

impl Trainer {
    /// A run at its start, for `snapshots` networks of `width` weights.
    pub fn new(
        config: PaperConfig,
        width: usize,
        snapshots: usize,
        device: Device,
    ) -> Result<Trainer> {
        config.check()?;
        if width == 0 || snapshots == 0 {
            return Err(Error::invalid(
                "paper engine: there are no weights to learn from",
            ));
        }
        let noise = Noise::new(config.seed);
        let stream = |network| noise.stream(Purpose::Initialization, network, 0);
        let padded = PaperConfig::padded(width);
        let mut autoencoder = Autoencoder::new(&config, padded, &mut stream(0), device)?;
        let mut denoiser = Denoiser::new(&config, &mut stream(1), device)?;
        autoencoder.arena.track(true)?;
        denoiser.arena.track(true)?;
        let optimizers = [
            AdamW::new(&autoencoder.arena, config.weight_decay)?,
            AdamW::new(&denoiser.arena, config.weight_decay)?,
        ];
        Ok(Trainer {
            schedule: config.schedule(),
            config,
            width,
            snapshots,
            device,
            noise,
            autoencoder,
            denoiser,
            optimizers,
            step: 0,
        })
    }

    /// Continues from a state of a run of the same configuration, width and snapshots.
    pub fn resume(&mut self, state: &State) -> Result<()> {
        let total = self.config.autoencoder_steps + self.config.diffusion_steps;
        if state.step > total {
            return Err(Error::Mismatch(format!(
                "the checkpoint is at step {} of {total}; resume with the options it was made with",
                state.step
            )));
        }
        self.autoencoder.arena.import(&state.tensors, AUTOENCODER)?;
        self.denoiser.arena.import(&state.tensors, DENOISER)?;
        self.denoiser.statistics.import(&state.tensors, DENOISER)?;
        self.optimizers[0].import(&self.autoencoder.arena, &state.tensors, AUTOENCODER)?;
        self.optimizers[1].import(&self.denoiser.arena, &state.tensors, DENOISER)?;
        self.step = state.step;
        Ok(())
    }

    /// The run as it stands.
    pub fn state(&self) -> Result<State> {
        let mut tensors = self.networks()?;
        tensors.extend(self.optimizers[0].export(&self.autoencoder.arena, AUTOENCODER)?);
        tensors.extend(self.optimizers[1].export(&self.denoiser.arena, DENOISER)?);
        Ok(State {
            step: self.step,
            tensors,
        })
    }

    /// The phase of the next step, its index in it and their number; none when all are done.
    pub fn next(&self) -> Option<(Phase, usize, usize)> {
        let (first, second) = (self.config.autoencoder_steps, self.config.diffusion_steps);
        match self.step.checked_sub(first) {
            None => Some((Phase::Autoencoder, self.step, first)),
            Some(step) if step < second => Some((Phase::Diffusion, step, second)),
            Some(_) => None,
        }
    }

    /// Does the next step and returns its loss; none when all are done.
    pub fn step(&mut self, rows: Rows) -> Result<Option<f64>> {
        let Some((phase, step, steps)) = self.next() else {
            return Ok(None);
        };
        let mut stream = self
            .noise
            .stream(Purpose::Training, phase as u64, step as u64);
        let indices: Vec<usize> = (0..self.config.batch)
            .map(|_| stream.below(self.snapshots))
            .collect();
        let x = self.batch(&indices, rows)?;
        let loss = match phase {
            Phase::Autoencoder => self.autoencoder_step(x, &mut stream, step, steps),
            Phase::Diffusion => self.diffusion_step(x, &mut stream, step, steps),
        }?;
        if !loss.is_finite() {
            return Err(Error::invalid(format!(
                "paper engine: the loss of step {step} is {loss}; lower the learning rate"
            )));
        }
        self.step += 1;
        Ok(Some(loss))
    }

    /// Both networks' tensors: what [`super::Sampler`] is made from.
    pub fn networks(&self) -> Result<Vec<crate::Tensor>> {
        let mut tensors = self.autoencoder.arena.export(AUTOENCODER)?;
        tensors.extend(self.denoiser.arena.export(DENOISER)?);
        tensors.extend(self.denoiser.statistics.export(DENOISER)?);
        Ok(tensors)
    }

    /// The weights of these snapshots, padded with zeros.
    fn batch(&self, indices: &[usize], rows: Rows) -> Result<Tensor> {
        let padded = PaperConfig::padded(self.width);
        let mut x = vec![0.0; indices.len() * padded];
        if padded == self.width {
            rows(indices, &mut x)?;
        } else {
            let mut dense = vec![0.0; indices.len() * self.width];
            rows(indices, &mut dense)?;
            for (to, from) in x.chunks_mut(padded).zip(dense.chunks(self.width)) {
                to[..self.width].copy_from_slice(from);
            }
        }
        tensor(&x, &[indices.len() as i64, padded as i64], self.device)
    }

    /// Standard normal numbers, [batch, width].
    fn normal(&self, stream: &mut Stream, width: usize) -> Result<Tensor> {
        let batch = self.config.batch;
        let mut values = vec![0.0; batch * width];
        stream.normal(&mut values);
        tensor(&values, &[batch as i64, width as i64], self.device)
    }

    fn autoencoder_step(
        &mut self,
        mut x: Tensor,
        stream: &mut Stream,
        step: usize,
        steps: usize,
    ) -> Result<f64> {
        let mut noise = self.normal(stream, PaperConfig::padded(self.width))?;
        let _ = x.f_add_(&noise.f_mul_scalar_(self.config.input_noise)?)?;
        let mut latent_noise = self.normal(stream, self.config.latent)?;
        let _ = latent_noise.f_mul_scalar_(self.config.latent_noise)?;
        let loss = self
            .autoencoder
            .loss(&x, &latent_noise, self.config.kl_weight)?;
        let gradient = self.autoencoder.arena.gradients(&loss)?;
        let rate = annealed(self.config.autoencoder_learning_rate, step, steps);
        self.optimizers[0].step(&mut self.autoencoder.arena, &gradient, step, rate)?;
        Ok(loss.f_double_value(&[])?)
    }

    fn diffusion_step(
        &mut self,
        x: Tensor,
        stream: &mut Stream,
        step: usize,
        steps: usize,
    ) -> Result<f64> {
        self.autoencoder.arena.track(false)?;
        let x0 = self.autoencoder.encode(&x)?;
        let times: Vec<usize> = (0..self.config.batch)
            .map(|_| stream.below(self.schedule.steps()))
            .collect();
        let epsilon = self.normal(stream, self.config.latent)?;
        let column = |f: fn(f64) -> f64| {
            let values: Vec<f32> = times
                .iter()
                .map(|&t| f(self.schedule.alpha_bar(t)).sqrt() as f32)
                .collect();
            tensor(&values, &[values.len() as i64, 1], self.device)
        };
        let (signal, noise) = (column(|a| a)?, column(|a| 1.0 - a)?);
        let x_t = x0.f_mul(&signal)?.f_add_(&epsilon.f_mul(&noise)?)?;
        let times: Vec<f32> = times.iter().map(|&t| t as f32).collect();
        let predicted = self.denoiser.forward(&x_t, &times)?;
        let loss = predicted.f_mse_loss(&epsilon, Reduction::Mean)?;
        let gradient = self.denoiser.arena.gradients(&loss)?;
        let rate = annealed(self.config.diffusion_learning_rate, step, steps);
        self.optimizers[1].step(&mut self.denoiser.arena, &gradient, step, rate)?;
        Ok(loss.f_double_value(&[])?)
    }
}
