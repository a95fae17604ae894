//! One network in training, on its own images in its own order.

use std::slice;

use anyhow::{Result, ensure};
use pdiff::Cancel;
use pdiff::chain::{Runner, Targets};
use pdiff::refine::AdamW;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::data::Images;

/// What networks are trained with, and by what.
pub struct Trainer<'a> {
    pub runner: &'a Runner,
    pub images: &'a Images,
    /// Images in a step.
    pub batch: usize,
    pub augment: bool,
}

/// The images that one network sees, and what decides their order.
pub struct Order {
    rng: ChaCha8Rng,
    images: Vec<usize>,
    position: usize,
}

impl Order {
    pub fn new(rng: ChaCha8Rng, images: Vec<usize>) -> Order {
        let position = images.len();
        Order {
            rng,
            images,
            position,
        }
    }

    /// The next images; what an epoch leaves over, fewer than a batch, is left out.
    fn next(&mut self, batch: usize) -> &[usize] {
        if self.position + batch > self.images.len() {
            self.images.shuffle(&mut self.rng);
            self.position = 0;
        }
        self.position += batch;
        &self.images[self.position - batch..self.position]
    }
}

/// A network in training.
pub struct Training<'a> {
    trainer: &'a Trainer<'a>,
    pub weights: Vec<f32>,
    optimizer: AdamW,
    order: Order,
    gradient: Vec<f32>,
    examples: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// Begins to train a network. Fails on an order with fewer images than a batch.
    pub fn begin(&'a self, weights: Vec<f32>, order: Order) -> Result<Training<'a>> {
        ensure!(
            (1..=order.images.len()).contains(&self.batch),
            "a batch of {} from {} images; ask for a batch of 1 to as many",
            self.batch,
            order.images.len()
        );
        Ok(Training {
            trainer: self,
            optimizer: AdamW::new(weights.len()),
            gradient: vec![0.0; weights.len()],
            examples: Vec::new(),
            weights,
            order,
        })
    }
}

impl Training<'_> {
    pub fn step(&mut self, rate: f64) -> Result<()> {
        let Trainer {
            runner,
            images,
            batch,
            augment,
        } = *self.trainer;
        let indices = self.order.next(batch);
        images.gather(indices, &mut self.examples);
        let classes = indices.iter().map(|i| u32::from(images.labels[*i]));
        let classes: Vec<u32> = classes.collect();
        if augment {
            images.augment(&mut self.order.rng, &mut self.examples);
        }
        runner.gradients(
            &self.weights,
            &self.examples,
            Targets::Classes(&classes),
            1,
            &Cancel::new(),
            &mut [0.0],
            &mut self.gradient,
        )?;
        let all = 0..self.weights.len();
        let ranges = slice::from_ref(&all);
        self.optimizer
            .step(&mut self.weights, &self.gradient, ranges, rate);
        Ok(())
    }
}
