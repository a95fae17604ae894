//! Principal components as a codec: `x = A z + r e`, with latents `z` of unit variance.
//!
//! With as many components as the collection spans, every snapshot is decoded exactly and `r` is
//! zero. Where components were dropped, `r` holds each parameter's left-over deviation and `e` is
//! standard normal, so that samples keep the collection's variance (probabilistic principal
//! components, Tipping and Bishop 1999).
//!
//! `A` lies in strips of parameters, each [latents, width] and decoded on its own: a strip's product
//! stays in the cache, and both one network and many read it in the order in which it lies. The last
//! strip is filled up with zeros.

use crate::noise::{Noise, Purpose};
use crate::product;

/// Parameters of a strip, in a network that has as many.
const STRIP: usize = 1024;

/// How many strips the decoder of a network has, and the width of each.
pub(crate) fn strips(parameters: usize) -> [usize; 2] {
    let width = parameters.clamp(1, STRIP);
    [parameters.div_ceil(width), width]
}

/// The decoder, borrowed from wherever its numbers live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Components<'a> {
    /// `A`, [strips, latents, width].
    pub decoder: &'a [f32],
    /// `r`, [parameters], or empty when nothing was dropped.
    pub residual: &'a [f32],
    /// Latents per network.
    pub latents: usize,
    /// Numbers of a network.
    pub parameters: usize,
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
        let (k, parameters) = (self.latents, self.parameters);
        let [_, width] = strips(parameters);
        let starts = (0..parameters).step_by(width);
        for (start, strip) in starts.zip(self.decoder.chunks_exact(k * width)) {
            let columns = width.min(parameters - start);
            product::times(latents, k, strip, columns, &mut out[start..], parameters);
        }
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
