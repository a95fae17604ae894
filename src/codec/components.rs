//! Principal components as a codec: `x = A z + r e`, with latents `z` of unit variance.
//!
//! With as many components as the collection spans, every snapshot is decoded exactly and `r` is
//! zero. Where components were dropped, `r` holds each parameter's left-over deviation and `e` is
//! standard normal, so that samples keep the collection's variance (probabilistic principal
//! components, Tipping and Bishop 1999).

use crate::noise::{Noise, Purpose};
use crate::product;

/// The decoder, borrowed from wherever its numbers live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Components<'a> {
    /// `A`, [parameters, latents].
    pub decoder: &'a [f32],
    /// `r`, [parameters], or empty when nothing was dropped.
    pub residual: &'a [f32],
    /// Latents per network.
    pub latents: usize,
}

impl Components<'_> {
    /// Decodes latents [n, latents] to normalized weights [n, parameters]. The residual's noise is
    /// scaled by `temperature` and keyed by the samples' numbers, from `first` on.
    pub(crate) fn decode(
        &self,
        latents: &[f32],
        temperature: f32,
        noise: Noise,
        first: u64,
        out: &mut [f32],
    ) {
        let parameters = self.decoder.len() / self.latents;
        product::dense(latents, self.decoder, self.latents, out);
        if self.residual.is_empty() {
            return;
        }
        let mut e = vec![0.0; parameters];
        for (row, sample) in out.chunks_exact_mut(parameters).zip(first..) {
            noise.normal(Purpose::Residual, sample, 0, &mut e);
            for ((x, r), e) in row.iter_mut().zip(self.residual).zip(&e) {
                *x += temperature * r * e;
            }
        }
    }
}
