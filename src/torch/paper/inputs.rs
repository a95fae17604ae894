//! What the steps of either phase learn from, drawn on the host by noise that is the same for every device.

use tch::{Device, Kind, Tensor};

use super::config::PaperConfig;
use super::denoiser::{FEATURES, time_features};
use super::train::{Phase, Rows};
use crate::diffusion::Schedule;
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose, Stream};
use crate::torch::adamw::{COEFFICIENTS, annealed, coefficients};
use crate::torch::arena::tensor;

/// Numbers that are put on a CUDA device together, 64 MiB, where a step has not more.
const TOGETHER: usize = 1 << 24;
/// Steps of which they are at most, as nobody hears of a training in between.
const MOST: usize = 100;
/// Snapshots that are read at a time.
const READ: usize = 64;

/// Where steps' inputs come from.
pub(super) struct InputSource {
    pub config: PaperConfig,
    pub schedule: Schedule,
    pub noise: Noise,
    /// Weights of a snapshot.
    pub width: usize,
    pub snapshots: usize,
    pub device: Device,
}

/// The inputs of some steps of one phase.
pub(super) struct Drawn {
    /// The first step, over both phases.
    pub first: usize,
    pub count: usize,
    /// In the order of [`InputSource::sizes`], each one step after the other.
    pub parts: Vec<Vec<f32>>,
}

impl InputSource {
    /// The phase of a step, its index in it and their number; none when all are done.
    pub fn position(&self, step: usize) -> Option<(Phase, usize, usize)> {
        let (first, second) = (self.config.autoencoder_steps, self.config.diffusion_steps);
        match step.checked_sub(first) {
            None => Some((Phase::Autoencoder, step, first)),
            Some(step) if step < second => Some((Phase::Diffusion, step, second)),
            Some(_) => None,
        }
    }

    /// Of a step's inputs: snapshots [batch], by index below 2^24, which float32 holds, or [batch, padded]; what is added to them and to the latents, or
    /// signal and noise of the latents, what they are made noisy by, and the embedding's inputs; the optimizer's numbers.
    pub fn sizes(&self, phase: Phase) -> Vec<Vec<usize>> {
        let (batch, latent) = (self.config.batch, self.config.latent);
        let padded = PaperConfig::padded(self.width);
        let snapshots = match self.device {
            Device::Cpu => vec![batch, padded],
            _ => vec![batch],
        };
        let mut sizes = vec![snapshots];
        sizes.extend(match phase {
            Phase::Autoencoder => vec![vec![batch, padded], vec![batch, latent]],
            Phase::Diffusion => vec![
                vec![2, batch, 1],
                vec![batch, latent],
                vec![batch, FEATURES],
            ],
        });
        sizes.push(vec![COEFFICIENTS]);
        sizes
    }

    /// Steps of a phase whose inputs are drawn together: one on the CPU, which nothing waits for.
    pub fn together(&self, phase: Phase) -> usize {
        let numbers: usize = self
            .sizes(phase)
            .iter()
            .map(|size| size.iter().product::<usize>())
            .sum();
        match self.device {
            Device::Cpu => 1,
            _ => (TOGETHER / numbers).clamp(1, MOST),
        }
    }

    /// The inputs of the steps from one on that are drawn together; none are left when all are done.
    pub fn draw(&self, first: usize, rows: Rows) -> Result<Drawn> {
        let Some((phase, step, steps)) = self.position(first) else {
            return Ok(Drawn {
                first,
                count: 0,
                parts: Vec::new(),
            });
        };
        let count = self.together(phase).min(steps - step);
        let mut parts = vec![Vec::new(); self.sizes(phase).len()];
        for step in step..step + count {
            self.draw_step((phase, step, steps), rows, &mut parts)?;
        }
        Ok(Drawn {
            first,
            count,
            parts,
        })
    }

    fn draw_step(
        &self,
        (phase, step, steps): (Phase, usize, usize),
        rows: Rows,
        parts: &mut [Vec<f32>],
    ) -> Result<()> {
        let config = &self.config;
        let mut stream = self
            .noise
            .stream(Purpose::Training, phase as u64, step as u64);
        let indices: Vec<usize> = (0..config.batch)
            .map(|_| stream.below(self.snapshots))
            .collect();
        let (snapshots, parts) = parts.split_first_mut().unzip();
        let (Some(snapshots), Some(parts)) = (snapshots, parts) else {
            return Err(Error::Internal("a step of no inputs".into()));
        };
        match self.device {
            Device::Cpu => self.read(&indices, rows, snapshots)?,
            _ => snapshots.extend(indices.iter().map(|i| *i as f32)),
        }
        let rate = match phase {
            Phase::Autoencoder => config.autoencoder_learning_rate,
            Phase::Diffusion => config.diffusion_learning_rate,
        };
        let numbers = coefficients(step, annealed(rate, step, steps), config.weight_decay);
        match (phase, parts) {
            (Phase::Autoencoder, [inputs, latents, optimizer]) => {
                normal(
                    &mut stream,
                    config.batch * PaperConfig::padded(self.width),
                    inputs,
                );
                normal(&mut stream, config.batch * config.latent, latents);
                optimizer.extend(numbers);
            }
            (Phase::Diffusion, [levels, epsilon, features, optimizer]) => {
                let times: Vec<usize> = (0..config.batch)
                    .map(|_| stream.below(self.schedule.steps()))
                    .collect();
                for level in [|a: f64| a, |a: f64| 1.0 - a] {
                    levels.extend(
                        times
                            .iter()
                            .map(|&t| level(self.schedule.alpha_bar(t)).sqrt() as f32),
                    );
                }
                normal(&mut stream, config.batch * config.latent, epsilon);
                for t in times {
                    time_features(t as f32, features);
                }
                optimizer.extend(numbers);
            }
            _ => return Err(Error::Internal("a step of another phase's inputs".into())),
        }
        Ok(())
    }

    /// All snapshots' weights on the device, [snapshots, padded].
    pub fn all(&self, rows: Rows) -> Result<Tensor> {
        let padded = PaperConfig::padded(self.width);
        let whole = Tensor::f_zeros(
            [self.snapshots as i64, padded as i64],
            (Kind::Float, self.device),
        )?;
        for first in (0..self.snapshots).step_by(READ) {
            let indices: Vec<usize> = (first..self.snapshots.min(first + READ)).collect();
            let mut block = Vec::new();
            self.read(&indices, rows, &mut block)?;
            let count = indices.len() as i64;
            let block = tensor(&block, &[count, padded as i64], Device::Cpu)?;
            whole.f_narrow(0, first as i64, count)?.f_copy_(&block)?;
        }
        Ok(whole)
    }

    /// Appends the weights of these snapshots, padded with zeros.
    fn read(&self, indices: &[usize], rows: Rows, to: &mut Vec<f32>) -> Result<()> {
        let padded = PaperConfig::padded(self.width);
        let begin = to.len();
        to.resize(begin + indices.len() * padded, 0.0);
        let to = &mut to[begin..];
        if padded == self.width {
            return rows(indices, to);
        }
        let mut dense = vec![0.0; indices.len() * self.width];
        rows(indices, &mut dense)?;
        for (to, from) in to.chunks_mut(padded).zip(dense.chunks(self.width)) {
            to[..self.width].copy_from_slice(from);
        }
        Ok(())
    }
}

/// Appends standard normal numbers.
fn normal(stream: &mut Stream, count: usize, to: &mut Vec<f32>) {
    let begin = to.len();
    to.resize(begin + count, 0.0);
    stream.normal(&mut to[begin..]);
}
