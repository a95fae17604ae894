//! The variational autoencoder: strided convolutions to a latent and transposed ones back.
//!
//! The authors keep it in training mode throughout, so that every normalization is by the statistics of
//! the batch at hand, and they decode one network at a time: by the statistics of that network alone.

use tch::{Device, Reduction, Tensor};

use super::config::PaperConfig;
use super::layers::{Conv, ConvTranspose, Linear, Norm};
use crate::error::Result;
use crate::noise::Stream;
use crate::torch::arena::{Arena, Plan};

pub(super) struct Autoencoder {
    pub arena: Arena,
    encoder: Vec<(Conv, Norm)>,
    to_latent: Linear,
    mean: Linear,
    log_variance: Linear,
    to_decode: Linear,
    decoder: Vec<(ConvTranspose, Norm)>,
    last: Conv,
    /// Channels and length of the encoder's last output.
    deepest: [i64; 2],
}

impl Autoencoder {
    /// For inputs of `length`, a multiple of 64.
    pub fn new(
        config: &PaperConfig,
        length: usize,
        stream: &mut Stream,
        device: Device,
    ) -> Result<Autoencoder> {
        let mut plan = Plan::default();
        let (channels, kernel) = (&config.autoencoder_channels, config.kernel);
        let deepest = channels[channels.len() - 1];
        let flat = (length >> channels.len()) * deepest;

        let inputs = std::iter::once(&1).chain(channels);
        let encoder = inputs.zip(channels).enumerate().map(|(i, (&a, &b))| {
            let name = format!("encoder.{i}");
            let conv = Conv::new(&mut plan, &format!("{name}.0"), (a, b), kernel, 2);
            (conv, Norm::new(&mut plan, &format!("{name}.1"), b))
        });
        let encoder = encoder.collect();
        let to_latent = Linear::new(&mut plan, "to_latent", (flat, config.latent));
        let mean = Linear::new(&mut plan, "fc_mu", (config.latent, config.latent));
        let log_variance = Linear::new(&mut plan, "fc_var", (config.latent, config.latent));
        let to_decode = Linear::new(&mut plan, "to_decode", (config.latent, flat));

        // Back through the channels, and once more at the first one's width.
        let outputs = channels.iter().rev().skip(1).chain(&channels[..1]);
        let decoder = channels.iter().rev().zip(outputs).enumerate();
        let decoder = decoder.map(|(i, (&a, &b))| {
            let name = match i + 1 == channels.len() {
                true => "final_layer".to_owned(),
                false => format!("decoder.{i}"),
            };
            let conv = ConvTranspose::new(&mut plan, &format!("{name}.0"), (a, b), kernel);
            (conv, Norm::new(&mut plan, &format!("{name}.1"), b))
        });
        let decoder = decoder.collect();
        let last = Conv::new(&mut plan, "final_layer.3", (channels[0], 1), kernel, 1);
        Ok(Autoencoder {
            arena: Arena::new(plan, stream, device)?,
            encoder,
            to_latent,
            mean,
            log_variance,
            to_decode,
            decoder,
            last,
            deepest: [deepest as i64, (length >> channels.len()) as i64],
        })
    }

    /// [batch, length] to what the mean and the log variance are read from, [batch, latent].
    fn features(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.f_unsqueeze(1)?;
        for (conv, norm) in &self.encoder {
            x = norm.over_batch(&self.arena, &conv.forward(&self.arena, &x)?)?;
            x = x.f_leaky_relu_()?;
        }
        self.to_latent.forward(&self.arena, &x.f_flatten(1, 2)?)
    }

    /// The latents' means, [batch, latent], for weights [batch, length].
    pub fn encode(&self, x: &Tensor) -> Result<Tensor> {
        self.mean.forward(&self.arena, &self.features(x)?)
    }

    /// Weights [batch, length] for latents [batch, latent]; each network by its own statistics,
    /// so that it does not depend on the others of the batch.
    pub fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decode_by(z, |norm, x| norm.over_sample(&self.arena, x))
    }

    fn decode_by(
        &self,
        z: &Tensor,
        normalize: impl Fn(&Norm, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let x = self.to_decode.forward(&self.arena, z)?;
        let mut x = x.f_view_([-1, self.deepest[0], self.deepest[1]])?;
        for (conv, norm) in &self.decoder {
            x = normalize(norm, &conv.forward(&self.arena, &x)?)?.f_elu_()?;
        }
        Ok(self.last.forward(&self.arena, &x)?.f_squeeze_dim(1)?)
    }

    /// Mean squared error of the reconstruction from the latents' means plus `latent_noise`,
    /// [batch, latent], and `kl_weight` times the divergence from the standard normal distribution.
    pub fn loss(&self, x: &Tensor, latent_noise: &Tensor, kl_weight: f64) -> Result<Tensor> {
        let features = self.features(x)?;
        let mean = self.mean.forward(&self.arena, &features)?;
        let z = mean.f_add(latent_noise)?;
        let decoded = self.decode_by(&z, |norm, x| norm.over_batch(&self.arena, x))?;
        let loss = decoded.f_mse_loss(x, Reduction::Mean)?;
        if kl_weight == 0.0 {
            return Ok(loss);
        }
        // -½ Σ (1 + log σ² - μ² - σ²), averaged over the batch.
        let log_variance = self.log_variance.forward(&self.arena, &features)?;
        let excess = mean.f_square()?.f_add(&log_variance.f_exp()?)?;
        let divergence = excess
            .f_sub(&log_variance)?
            .f_sub_scalar(1.0)?
            .f_sum_dim_intlist(1i64, false, None)?
            .f_mean(None)?;
        Ok(loss.f_add(&divergence.f_mul_scalar(0.5 * kl_weight)?)?)
    }
}
