//! Sampling: the trained denoiser for the samplers of `crate::diffusion`, and the decoder.

use tch::Device;

use super::autoencoder::Autoencoder;
use super::config::PaperConfig;
use super::denoiser::Denoiser;
use crate::diffusion;
use crate::error::Result;
use crate::noise::{Noise, Purpose};
use crate::torch::arena::{copy_out, tensor};

/// Prefixes of the networks' tensors.
pub(super) const AUTOENCODER: &str = "autoencoder.";
pub(super) const DENOISER: &str = "denoiser.";

/// A trained paper engine.
pub struct Sampler {
    latent: usize,
    /// Weights of a network.
    weights: usize,
    device: Device,
    autoencoder: Autoencoder,
    denoiser: Denoiser,
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
        let x = tensor(x, &[batch as i64, self.latent as i64], self.device)?;
        copy_out(&self.denoiser.forward(&x, &[time as f32])?, out)
    }
}
