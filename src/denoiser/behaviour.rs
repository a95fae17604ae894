//! What a behaviour loss taught: a residual perceptron that moves latents to where their networks work,
//! and coordinates along free directions of weights, which no snapshot spans.
//!
//! `z <- z + B silu(A n(z) + a) + b` block by block, then `u = silu(U n(z) + c)`, with `n` standardizing a
//! latent over its numbers. A network is `[z, u]` times the decoder, whose last rows are the free directions.

use serde::{Deserialize, Serialize};

use crate::denoiser::EPSILON;
use crate::denoiser::dense::{Dense, Lookup};
use crate::error::Result;
use crate::vector;

/// Sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BehaviourShape {
    pub hidden: usize,
    pub blocks: usize,
    /// Free directions.
    pub directions: usize,
}

impl BehaviourShape {
    /// Every parameter's name and shape, in the order in which they are stored.
    pub(crate) fn parameters(&self, latents: usize) -> Vec<(String, Vec<usize>)> {
        let mut list = Vec::new();
        let mut dense = |name: &str, outputs: usize, inputs: usize| {
            list.push((format!("behaviour.{name}.weight"), vec![outputs, inputs]));
            list.push((format!("behaviour.{name}.bias"), vec![outputs]));
        };
        for block in 0..self.blocks {
            dense(&format!("block{block}.up"), self.hidden, latents);
            dense(&format!("block{block}.down"), latents, self.hidden);
        }
        dense("directions", self.directions, latents);
        list
    }
}

/// The network, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    latents: usize,
    /// Up and down of each block.
    blocks: Vec<[Dense; 2]>,
    directions: Dense,
}

impl Behaviour {
    /// Takes the parameters by the names of [`BehaviourShape::parameters`].
    pub(crate) fn read(lookup: Lookup, shape: BehaviourShape, latents: usize) -> Result<Behaviour> {
        let dense = |name: &str, outputs, inputs| {
            Dense::read(lookup, &format!("behaviour.{name}"), outputs, inputs)
        };
        let block = |index: usize| -> Result<[Dense; 2]> {
            Ok([
                dense(&format!("block{index}.up"), shape.hidden, latents)?,
                dense(&format!("block{index}.down"), latents, shape.hidden)?,
            ])
        };
        Ok(Behaviour {
            latents,
            blocks: (0..shape.blocks).map(block).collect::<Result<_>>()?,
            directions: dense("directions", shape.directions, latents)?,
        })
    }

    /// Numbers of a network that the decoder is given.
    pub(crate) fn outputs(&self) -> usize {
        self.latents + self.directions.bias.len()
    }

    /// Latents [n, latents] to what the decoder is given, [n, outputs].
    pub(crate) fn apply(&self, mut z: Vec<f32>) -> Vec<f32> {
        let (ones, zeros) = (vec![1.0; self.latents], vec![0.0; self.latents]);
        let (mut standardized, mut features) = (vec![0.0; z.len()], Vec::new());
        for [up, down] in &self.blocks {
            vector::modulate(&z, &ones, &zeros, EPSILON, &mut standardized);
            up.times(&standardized, &mut features);
            vector::silu(&mut features, &up.bias);
            down.times(&features, &mut standardized);
            vector::add_update(&mut z, &standardized, &down.bias);
        }
        vector::modulate(&z, &ones, &zeros, EPSILON, &mut standardized);
        self.directions.times(&standardized, &mut features);
        vector::silu(&mut features, &self.directions.bias);
        let along = features.chunks_exact(self.directions.bias.len());
        let rows = z.chunks_exact(self.latents).zip(along);
        rows.flat_map(|(z, u)| [z, u]).flatten().copied().collect()
    }
}
