//! Batches of the flow's training: drawn on the host, by the noise that is the same on every device, and put
//! on the device some steps at a time.

use std::f64::consts::FRAC_PI_2;

use tch::{Device, Kind, Tensor as Torch};

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
    y: Vec<f32>,
    features: Vec<f32>,
    velocity: Vec<f32>,
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

    pub fn tensors(&self, architecture: Architecture, device: tch::Device) -> Result<[Torch; 3]> {
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

/// Batches of some steps on the device, and the numbers that change from step to step; read at a counter that lies
/// there too, so that reading it is the same work at every step.
pub(super) struct Batches {
    /// [steps, rows, numbers]
    parts: [Torch; 3],
    /// [steps, numbers]
    numbers: Torch,
    /// The step that is next, [1].
    next: Torch,
}

impl Batches {
    /// Room for `steps` batches of `rows`, with `numbers` numbers for each.
    pub fn new(
        steps: u64,
        rows: usize,
        numbers: usize,
        architecture: Architecture,
        device: Device,
    ) -> Result<Batches> {
        let room = |sizes: &[usize]| {
            let sizes = sizes.iter().map(|n| *n as i64);
            let sizes: Vec<i64> = std::iter::once(steps as i64).chain(sizes).collect();
            Torch::f_zeros(sizes, (Kind::Float, device))
        };
        let (w, f) = (architecture.width, architecture.embedding_inputs());
        Ok(Batches {
            parts: [room(&[rows, w])?, room(&[rows, f])?, room(&[rows, w])?],
            numbers: room(&[numbers])?,
            next: Torch::f_zeros([1], (Kind::Int64, device))?,
        })
    }

    /// Puts the batches of the next steps there, one after the other, and their numbers.
    pub fn fill(&mut self, drawn: &Noisy, numbers: &[f32]) -> Result<()> {
        let from = [&drawn.y, &drawn.features, &drawn.velocity, numbers];
        for (to, from) in self.parts.iter().chain([&self.numbers]).zip(from) {
            let from = tensor(from, &[-1], Device::Cpu)?;
            to.f_view([-1])?
                .f_narrow(0, 0, from.size()[0])?
                .f_copy_(&from)?;
        }
        let _ = self.next.f_zero_()?;
        Ok(())
    }

    /// Noisy latents, the embedding's inputs, the velocity to predict and the numbers of the next step.
    pub fn next(&mut self) -> Result<([Torch; 3], Torch)> {
        let at = |part: &Torch| part.f_index_select(0, &self.next)?.f_squeeze_dim(0);
        let [y, features, velocity] = self.parts.each_ref().map(at);
        let (parts, numbers) = ([y?, features?, velocity?], at(&self.numbers)?);
        let _ = self.next.f_add_scalar_(1)?;
        Ok((parts, numbers))
    }
}
