//! The network that predicts noise: convolutions along the latent, with the time's embedding added
//! before each, skips from the rising to the falling half, and normalization over the batch.

use tch::{Device, Tensor};

use super::config::PaperConfig;
use super::layers::{Conv, Linear, Norm, Running};
use crate::error::Result;
use crate::noise::Stream;
use crate::torch::arena::{Arena, Plan};

/// Width of the sinusoidal features of time, and their longest period.
pub(super) const FEATURES: usize = 256;
const MAX_PERIOD: f64 = 10_000.0;

pub(super) struct Denoiser {
    pub arena: Arena,
    pub statistics: Arena,
    time: [Linear; 2],
    encoder: Vec<(Conv, Norm, Running)>,
    decoder: Vec<(Conv, Norm, Running)>,
    last: Conv,
    /// Whether the normalizations are part of the convolutions.
    folded: bool,
}

impl Denoiser {
    pub fn new(config: &PaperConfig, stream: &mut Stream, device: Device) -> Result<Denoiser> {
        let (mut plan, mut statistics) = (Plan::default(), Plan::default());
        let time = [
            Linear::new(&mut plan, "time_embedder.mlp.0", (FEATURES, config.latent)),
            Linear::new(
                &mut plan,
                "time_embedder.mlp.2",
                (config.latent, config.latent),
            ),
        ];
        let channels = &config.denoiser_channels;
        let middle = channels.len() / 2 + 1;
        let mut layers = Vec::new();
        for i in 0..channels.len() - 2 {
            let name = match i.checked_sub(middle) {
                None => format!("encoder_list.{i}"),
                Some(i) => format!("decoder_list.{i}"),
            };
            let (a, b) = (channels[i], channels[i + 1]);
            let norm = format!("{name}.1.0");
            layers.push((
                Conv::new(&mut plan, &format!("{name}.0"), (a, b), config.kernel, 1),
                Norm::new(&mut plan, &norm, b),
                Running::new(&mut statistics, &norm, b),
            ));
        }
        let decoder = layers.split_off(middle);
        let name = format!("decoder_list.{}.0", decoder.len());
        let last = Conv::new(&mut plan, &name, (channels[1], 1), config.kernel, 1);
        Ok(Denoiser {
            arena: Arena::new(plan, stream, device)?,
            statistics: Arena::new(statistics, stream, device)?,
            time,
            encoder: layers,
            decoder,
            last,
            folded: false,
        })
    }

    /// Ends training: from here on the normalizations are by the running statistics, as part of the
    /// convolutions before them, which spares a pass over each layer's output.
    pub fn fold(&mut self) -> Result<()> {
        self.arena.track(false)?;
        for (conv, norm, running) in self.encoder.iter().chain(&self.decoder) {
            norm.fold_into(conv, &self.arena, (running, &self.statistics))?;
        }
        self.folded = true;
        Ok(())
    }

    /// The noise in latents x, [batch, width], at the schedule's steps whose [`time_features`] these are, [batch,
    /// FEATURES], or [1, FEATURES] for all. Until [`Denoiser::fold`] the normalizations are over the batch.
    pub fn forward(&self, x: &Tensor, features: &Tensor) -> Result<Tensor> {
        let hidden = self.time[0].forward(&self.arena, features)?.f_silu()?;
        let t = self.time[1].forward(&self.arena, &hidden)?.f_unsqueeze(1)?;
        let block = |(conv, norm, running): &(Conv, Norm, Running), x: Tensor| {
            let mut x = conv.forward(&self.arena, &x)?;
            if !self.folded {
                x = norm.moving(&self.arena, (running, &self.statistics), &x)?;
            }
            Ok::<Tensor, crate::Error>(x.f_elu_()?)
        };
        let mut rising = vec![x.f_unsqueeze(1)?];
        for (i, layer) in self.encoder.iter().enumerate() {
            rising.push(block(layer, rising[i].f_add(&t)?)?);
        }
        let last = self.encoder.len();
        let join = |x: &Tensor, skip: &Tensor| -> Result<Tensor> { Ok(x.f_add(skip)?.f_add_(&t)?) };
        // The first falling layer meets the output two before it, and so on outwards.
        let mut x = join(&rising[last], &rising[last - 2])?;
        for (i, layer) in self.decoder.iter().enumerate() {
            x = join(&block(layer, x)?, &rising[last - 3 - i])?;
        }
        Ok(self.last.forward(&self.arena, &x)?.f_squeeze_dim(1)?)
    }
}

/// Appends a time's cosines and sines of geometric periods.
pub(super) fn time_features(t: f32, to: &mut Vec<f32>) {
    let half = FEATURES / 2;
    let frequency = |i: usize| (-MAX_PERIOD.ln() * i as f64 / half as f64).exp() as f32;
    to.extend((0..half).map(|i| (t * frequency(i)).cos()));
    to.extend((0..half).map(|i| (t * frequency(i)).sin()));
}
