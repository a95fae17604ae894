//! The settings of the paper engine and the authors' values for them.

use serde::{Deserialize, Serialize};

use crate::diffusion::Schedule;
use crate::error::{Error, Result};

/// Everything that decides a training run of the paper engine. The default is the authors' main
/// configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaperConfig {
    /// Width of the latent.
    pub latent: usize,
    /// Output channels of the encoder's convolutions; the decoder mirrors them.
    pub autoencoder_channels: Vec<usize>,
    /// Channels between the denoiser's convolutions: an odd count, the same read backwards, 1 at
    /// both ends.
    pub denoiser_channels: Vec<usize>,
    /// Width of every convolution, odd.
    pub kernel: usize,
    /// Snapshots a step, drawn with replacement.
    pub batch: usize,
    pub autoencoder_steps: usize,
    pub diffusion_steps: usize,
    /// Peak rates; both fall to zero along a half cosine.
    pub autoencoder_learning_rate: f64,
    pub diffusion_learning_rate: f64,
    pub weight_decay: f64,
    /// Deviation of the noise on the autoencoder's input and target.
    pub input_noise: f64,
    /// Deviation of the noise on the latent while the autoencoder trains.
    pub latent_noise: f64,
    /// Weight of the Kullback-Leibler term. At 0, the authors' value, the encoder's variance
    /// has no influence and stays as initialized.
    pub kl_weight: f64,
    /// The linear noise schedule: T, and β at its ends.
    pub schedule_steps: usize,
    pub first_beta: f64,
    pub last_beta: f64,
    pub seed: u64,
}

impl Default for PaperConfig {
    fn default() -> PaperConfig {
        PaperConfig {
            latent: 128,
            autoencoder_channels: vec![64, 128, 256, 256, 32],
            denoiser_channels: vec![1, 64, 128, 256, 512, 256, 128, 64, 1],
            kernel: 7,
            batch: 50,
            autoencoder_steps: 500,
            diffusion_steps: 1000,
            autoencoder_learning_rate: 2e-5,
            diffusion_learning_rate: 1e-4,
            weight_decay: 0.0,
            input_noise: 0.001,
            latent_noise: 0.1,
            kl_weight: 0.0,
            schedule_steps: 1000,
            first_beta: 1e-4,
            last_beta: 0.02,
            seed: 0,
        }
    }
}

/// Weights are padded with zeros to a multiple of this.
const SLICE: usize = 64;

impl PaperConfig {
    /// Fails where a value would make networks of no size or a loss of no meaning.
    pub fn check(&self) -> Result<()> {
        let denoiser = &self.denoiser_channels;
        let rates = [
            self.autoencoder_learning_rate,
            self.diffusion_learning_rate,
            self.weight_decay,
            self.input_noise,
            self.latent_noise,
            self.kl_weight,
        ];
        let wrong = if self.latent == 0 {
            "latent is 0"
        } else if self.kernel % 2 == 0 {
            "kernel is even"
        } else if self.batch < 2 {
            "batch is below 2, which batch normalization needs"
        } else if self.autoencoder_channels.is_empty()
            || self.autoencoder_channels.len() > SLICE.ilog2() as usize
            || self.autoencoder_channels.contains(&0)
        {
            "autoencoder_channels must be 1 to 6 positive numbers"
        } else if denoiser.len() < 5
            || denoiser.len() % 2 == 0
            || denoiser.contains(&0)
            || denoiser[0] != 1
            || !denoiser.iter().eq(denoiser.iter().rev())
        {
            "denoiser_channels must be a palindrome of odd length, at least 5, with 1 at its ends"
        } else if rates.iter().any(|r| !(r.is_finite() && *r >= 0.0)) {
            "a learning rate, decay, noise or weight is negative or not finite"
        } else if self.schedule_steps == 0
            || !(0.0 < self.first_beta && self.first_beta <= self.last_beta && self.last_beta < 1.0)
        {
            "the noise schedule needs a step and 0 < first_beta <= last_beta < 1"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("paper engine: {wrong}")))
    }

    /// The noise schedule of training and sampling.
    pub fn schedule(&self) -> Schedule {
        Schedule::linear(self.schedule_steps, self.first_beta, self.last_beta)
    }

    /// Length of the autoencoder's input for networks of `width` weights.
    pub(super) fn padded(width: usize) -> usize {
        width.div_ceil(SLICE) * SLICE
    }
}
