//! The velocity `F(y, theta, c)` of a trigonometric flow (arXiv 2410.11081, equation 4 with unit data
//! variance): `y = cos(theta) e + sin(theta) z` from noise `e` at theta 0 to a latent `z` at pi / 2,
//! `dy / dtheta = F`.
//!
//! Latents have unit variance, so `F = 0` leaves the noise as it is and samples the collection's
//! Gaussian; the network learns what is not Gaussian. Conditioning is feature-wise (FiLM, arXiv
//! 1709.07871): time and condition scale and shift the features of each block.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::{Deserialize, Serialize};

use crate::denoiser::dense::{Dense, Lookup};
use crate::diffusion::Denoiser;
use crate::error::Result;
use crate::vector;

/// Sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Architecture {
    /// Latents that the flow moves; any further ones stay Gaussian.
    pub width: usize,
    /// Features of the residual stream and of the embedding.
    pub hidden: usize,
    pub blocks: usize,
    /// Numbers of a condition; 0 without one.
    pub conditions: usize,
}

/// Frequencies of the time features.
const FREQUENCIES: usize = 8;

impl Architecture {
    /// Inputs of the embedding: the time features, the condition, and whether there is one.
    pub(crate) fn embedding_inputs(&self) -> usize {
        2 * FREQUENCIES
            + if self.conditions > 0 {
                self.conditions + 1
            } else {
                0
            }
    }

    /// Every parameter's name and shape, in the order in which they are stored.
    pub(crate) fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let (w, h) = (self.width, self.hidden);
        let mut list = Vec::new();
        let mut dense = |name: &str, outputs: usize, inputs: usize| {
            list.push((format!("denoiser.{name}.weight"), vec![outputs, inputs]));
            list.push((format!("denoiser.{name}.bias"), vec![outputs]));
        };
        dense("embedding", h, self.embedding_inputs());
        dense("input", h, w);
        for block in 0..self.blocks {
            dense(&format!("block{block}.film"), 2 * h, h);
            dense(&format!("block{block}.up"), h, h);
            dense(&format!("block{block}.down"), h, h);
        }
        dense("output", w, h);
        list
    }
}

/// `cos(j theta)` and `sin(j theta)` for j = 1, 2, ..., by functions that are the same everywhere.
pub(crate) fn time_features(theta: f64) -> [f32; 2 * FREQUENCIES] {
    std::array::from_fn(|i| {
        let angle = (i / 2 + 1) as f64 * theta;
        (if i % 2 == 0 {
            libm::cos(angle)
        } else {
            libm::sin(angle)
        }) as f32
    })
}

/// Added to a variance before its root.
pub(crate) const EPSILON: f32 = 1e-5;

#[derive(Clone, Debug)]
struct Block {
    film: Dense,
    up: Dense,
    down: Dense,
}

/// The network, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    architecture: Architecture,
    embedding: Dense,
    input: Dense,
    blocks: Vec<Block>,
    output: Dense,
    /// Per latent, how much of the velocity held-out snapshots confirmed, from 0 to 1.
    gain: Vec<f32>,
    /// What [`Flow::film`] gives without a condition at the times it was prepared for.
    prepared: Vec<(f64, Vec<f32>)>,
}

impl Flow {
    /// Takes the parameters by the names of [`Architecture::parameters`], and `denoiser.gain`.
    pub(crate) fn read(lookup: Lookup, architecture: Architecture) -> Result<Flow> {
        let (w, h) = (architecture.width, architecture.hidden);
        let block = |index: usize| -> Result<Block> {
            Ok(Block {
                film: Dense::read(lookup, &format!("denoiser.block{index}.film"), 2 * h, h)?,
                up: Dense::read(lookup, &format!("denoiser.block{index}.up"), h, h)?,
                down: Dense::read(lookup, &format!("denoiser.block{index}.down"), h, h)?,
            })
        };
        Ok(Flow {
            architecture,
            embedding: Dense::read(
                lookup,
                "denoiser.embedding",
                h,
                architecture.embedding_inputs(),
            )?,
            input: Dense::read(lookup, "denoiser.input", h, w)?,
            blocks: (0..architecture.blocks).map(block).collect::<Result<_>>()?,
            output: Dense::read(lookup, "denoiser.output", w, h)?,
            gain: lookup("denoiser.gain", &[w])?,
            prepared: Vec::new(),
        })
    }

    /// Computes ahead what depends on these times alone: as much work as the velocity of one network.
    pub(crate) fn prepare(&mut self, times: impl Iterator<Item = f64>) {
        self.prepared = times
            .map(|theta| (theta, self.computed_film(theta, None)))
            .collect();
    }

    /// Latents that the flow moves.
    pub(crate) fn width(&self) -> usize {
        self.architecture.width
    }

    /// What time and a standardized condition, or none, do to the features of each block: their
    /// scale and then their shift, [blocks, 2 hidden].
    fn film(&self, theta: f64, condition: Option<&[f32]>) -> Cow<'_, [f32]> {
        let at = |(time, _): &&(f64, Vec<f32>)| *time == theta;
        match (condition, self.prepared.iter().find(at)) {
            (None, Some((_, film))) => Cow::Borrowed(film),
            _ => Cow::Owned(self.computed_film(theta, condition)),
        }
    }

    fn computed_film(&self, theta: f64, condition: Option<&[f32]>) -> Vec<f32> {
        let h = self.architecture.hidden;
        let mut features = time_features(theta).to_vec();
        if self.architecture.conditions > 0 {
            match condition {
                Some(condition) => {
                    features.extend_from_slice(condition);
                    features.push(1.0);
                }
                None => features.resize(self.architecture.embedding_inputs(), 0.0),
            }
        }
        let (mut embedding, mut film, mut all) = (Vec::new(), Vec::new(), Vec::new());
        self.embedding.times(&features, &mut embedding);
        vector::silu(&mut embedding, &self.embedding.bias);
        for block in &self.blocks {
            block.film.times(&embedding, &mut film);
            vector::add_bias(&mut film, &block.film.bias);
            film[..h].iter_mut().for_each(|scale| *scale += 1.0);
            all.extend_from_slice(&film);
        }
        all
    }

    /// The velocity of `y` [n, width] with a time's and a condition's `film`.
    fn velocity(&self, y: &[f32], film: &[f32], room: &mut Room, out: &mut [f32]) {
        let h = self.architecture.hidden;
        let Room {
            stream,
            modulated,
            update,
        } = room;
        self.input.times(y, stream);
        vector::add_bias(stream, &self.input.bias);
        modulated.resize(stream.len(), 0.0);
        for (block, film) in self.blocks.iter().zip(film.chunks_exact(2 * h)) {
            let (scale, shift) = film.split_at(h);
            vector::modulate(stream, scale, shift, EPSILON, modulated);
            block.up.times(modulated, update);
            vector::silu(update, &block.up.bias);
            block.down.times(update, modulated);
            vector::add_update(stream, modulated, &block.down.bias);
        }
        vector::modulate(stream, &vec![1.0; h], &vec![0.0; h], EPSILON, modulated);
        self.output.times_into(modulated, out);
        vector::add_bias_and_scale(out, &self.output.bias, &self.gain);
    }
}

/// What a call computes in, [n, hidden] each; kept from call to call.
#[derive(Default)]
struct Room {
    stream: Vec<f32>,
    modulated: Vec<f32>,
    update: Vec<f32>,
}

/// A flow at one condition, with classifier-free guidance (arXiv 2207.12598, equation 6, written with
/// the scale 1 for the plain condition).
pub(crate) struct Guided<'a> {
    flow: &'a Flow,
    condition: Option<&'a [f32]>,
    guidance: f32,
    room: RefCell<Room>,
}

impl<'a> Guided<'a> {
    /// `condition` is standardized; none samples the collection as a whole.
    pub(crate) fn new(flow: &'a Flow, condition: Option<&'a [f32]>, guidance: f32) -> Guided<'a> {
        Guided {
            flow,
            condition,
            guidance,
            room: RefCell::default(),
        }
    }
}

impl Denoiser for Guided<'_> {
    fn width(&self) -> usize {
        self.flow.architecture.width
    }

    fn predict(&self, x: &[f32], time: f64, out: &mut [f32]) -> Result<()> {
        let room = &mut *self.room.borrow_mut();
        let film = self.flow.film(time, self.condition);
        self.flow.velocity(x, &film, room, out);
        if self.condition.is_some() && self.guidance != 1.0 {
            let mut free = vec![0.0; out.len()];
            let film = self.flow.film(time, None);
            self.flow.velocity(x, &film, room, &mut free);
            for (v, free) in out.iter_mut().zip(free) {
                *v = free + self.guidance * (*v - free);
            }
        }
        Ok(())
    }
}
