//! What the flow learns from: rows of clean latents, made noisy.

use std::f64::consts::FRAC_PI_2;

use tch::{Device, Tensor as Torch};

use super::super::arena::tensor;
use crate::denoiser::{Architecture, time_features};
use crate::error::Result;
use crate::noise::Stream;

/// Rows of clean latents with their conditions, and what is made of them.
pub(super) struct Rows<'a> {
    pub latents: Vec<&'a [f32]>,
    pub conditions: Vec<f32>,
    pub architecture: Architecture,
}

/// A batch: noisy latents, the embedding's inputs, the velocity to predict.
pub(super) struct Noisy {
    pub y: Vec<f32>,
    pub features: Vec<f32>,
    pub velocity: Vec<f32>,
}

impl Rows<'_> {
    /// Appends row `index` at a random time.
    pub fn add(&self, index: usize, hide: bool, stream: &mut Stream, to: &mut Noisy) {
        let theta = stream.uniform() * FRAC_PI_2;
        let (sin, cos) = (theta.sin() as f32, theta.cos() as f32);
        let mut noise = vec![0.0; self.architecture.width];
        stream.normal(&mut noise);
        for (z, e) in self.latents[index].iter().zip(&noise) {
            to.y.push(cos * e + sin * z);
            to.velocity.push(cos * z - sin * e);
        }
        to.features.extend_from_slice(&time_features(theta));
        let n = self.architecture.conditions;
        if n > 0 {
            let shown = if hide { 0.0 } else { 1.0 };
            to.features
                .extend(self.conditions[index * n..][..n].iter().map(|c| c * shown));
            to.features.push(shown);
        }
    }
}

impl Noisy {
    pub fn new() -> Noisy {
        Noisy {
            y: Vec::new(),
            features: Vec::new(),
            velocity: Vec::new(),
        }
    }

    pub fn tensors(&self, architecture: Architecture, device: Device) -> Result<[Torch; 3]> {
        let (w, f) = (
            architecture.width as i64,
            architecture.embedding_inputs() as i64,
        );
        Ok([
            tensor(&self.y, &[-1, w], device)?,
            tensor(&self.features, &[-1, f], device)?,
            tensor(&self.velocity, &[-1, w], device)?,
        ])
    }
}
