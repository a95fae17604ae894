//! Sampling: the trained denoiser for the samplers of `crate::diffusion`, and the decoder.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use super::autoencoder::Autoencoder;
use super::config::PaperConfig;
use super::denoiser::{Denoiser, FEATURES, time_features};
use crate::diffusion;
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose};
use crate::torch::arena::{copy_out, tensor};
use crate::torch::graph::RecordedStep;
use crate::torch::step_inputs::StepInputs;

/// Prefixes of the networks' tensors.
pub(super) const AUTOENCODER: &str = "autoencoder.";
pub(super) const DENOISER: &str = "denoiser.";

/// Predictions that are kept: of a request's whole batches, and of its last one.
const PREDICTIONS: usize = 2;

/// A trained paper engine.
pub struct Sampler {
    latent: usize,
    /// Weights of a network.
    weights: usize,
    device: Device,
    // Dropped before the networks, whose tensors they use.
    predictions: RefCell<Vec<Prediction>>,
    autoencoder: Autoencoder,
    denoiser: Denoiser,
}

/// One prediction for a batch of a size, from inputs and to outputs that stay where they are, so that it can be recorded.
struct Prediction {
    recorded: RecordedStep,
    batch: usize,
    /// Latents [batch, latent] and the time's features [1, FEATURES].
    inputs: StepInputs,
    /// The noise, [batch, latent].
    y: Tensor,
}

impl Prediction {
    /// On a device, recorded there or, where that is the CPU, not.
    fn new(batch: usize, latent: usize, device: Device, recorded: Device) -> Result<Prediction> {
        Ok(Prediction {
            recorded: RecordedStep::new(recorded),
            batch,
            inputs: StepInputs::new(1, &[&[batch, latent], &[1, FEATURES]], device)?,
            y: Tensor::f_zeros([batch as i64, latent as i64], (Kind::Float, device))?,
        })
    }
}

impl Sampler {
    /// From the tensors of [`super::train`], for networks of `width` weights. Fails where one is
    /// missing or of another shape.
    pub fn new(
        config: &PaperConfig,
        width: usize,
        tensors: &[crate::Tensor],
        device: Device,
    ) -> Result<Sampler> {
        config.check()?;
        // The initial values are overwritten.
        let mut stream = Noise::new(0).stream(Purpose::Initialization, 0, 0);
        let padded = PaperConfig::padded(width);
        let mut autoencoder = Autoencoder::new(config, padded, &mut stream, device)?;
        let mut denoiser = Denoiser::new(config, &mut stream, device)?;
        autoencoder.arena.import(tensors, AUTOENCODER)?;
        denoiser.arena.import(tensors, DENOISER)?;
        denoiser.statistics.import(tensors, DENOISER)?;
        denoiser.fold()?;
        Ok(Sampler {
            latent: config.latent,
            weights: width,
            device,
            predictions: RefCell::new(Vec::new()),
            autoencoder,
            denoiser,
        })
    }

    /// Normalized weights, [batch, weights], of latents, [batch, latent]. Each network is decoded
    /// by itself, whatever the batch.
    pub fn decode(&self, latents: &[f32], out: &mut [f32]) -> Result<()> {
        let batch = latents.len() / self.latent;
        let z = tensor(latents, &[batch as i64, self.latent as i64], self.device)?;
        let decoded = self.autoencoder.decode(&z)?;
        copy_out(&decoded.f_narrow(1, 0, self.weights as i64)?, out)
    }
}

impl diffusion::Denoiser for Sampler {
    fn width(&self) -> usize {
        self.latent
    }

    fn predict(&self, x: &[f32], time: f64, out: &mut [f32]) -> Result<()> {
        let batch = x.len() / self.latent;
        let mut features = Vec::with_capacity(FEATURES);
        time_features(time as f32, &mut features);
        let mut predictions = self.predictions.borrow_mut();
        let at = match predictions.iter().position(|of| of.batch == batch) {
            Some(at) => at,
            None => {
                // A recording that failed would fail again, and leaves memory that libtorch keeps.
                let fails = predictions.iter().any(|of| of.recorded.note().is_some());
                let device = if fails { Device::Cpu } else { self.device };
                let made = Prediction::new(batch, self.latent, self.device, device)?;
                predictions.truncate(PREDICTIONS - 1);
                predictions.insert(0, made);
                0
            }
        };
        let Prediction {
            recorded,
            inputs,
            y,
            ..
        } = &mut predictions[at];
        inputs.fill(&[x, &features])?;
        recorded.run(|| {
            let [x, features] = &inputs.next()?[..] else {
                return Err(Error::Internal("a prediction of other inputs".into()));
            };
            y.f_copy_(&self.denoiser.forward(x, features)?)?;
            Ok(())
        })?;
        copy_out(y, out)
    }
}
