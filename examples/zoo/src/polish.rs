//! Some more steps of training for networks that are there already: what a generated start is worth with data.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::architecture::{self, Architecture};
use crate::data;
use crate::members;
use crate::parallel;
use crate::recipe::one_cycle;
use crate::training::{Order, Trainer};

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    architecture: architecture::Options,
    #[command(flatten)]
    data: data::Options,
    /// Steps of each network
    #[arg(long)]
    steps: usize,
    /// Images in a step of one network
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// The highest learning rate
    #[arg(long, default_value_t = 1e-2)]
    peak: f64,
    /// Decides the order of the images, with the file's place among the files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Networks, one safetensors file each, which the polished ones replace
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub fn run(options: &Options) -> Result<()> {
    let recipe = options.architecture.net.recipe();
    let splits = options.data.load(recipe.data)?;
    let architecture = Architecture::new(&options.architecture, splits.shape())?;
    let train = splits.images(|s| &s.train);
    let trainer = Trainer {
        runner: &architecture.runner()?,
        images: &train,
        batch: options.batch,
        augment: recipe.augment,
    };
    let files = (0..).zip(&options.files).collect();
    let polished = parallel::map(files, |(number, file)| {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(number);
        let order = Order::new(rng, (0..train.len()).collect());
        let mut training = trainer.begin(members::load(&architecture, file)?, order)?;
        for step in 0..options.steps {
            let rate = one_cycle(options.peak, 0.0, step as f64 / options.steps as f64);
            training.step(rate)?;
        }
        Ok((file, training.weights))
    })?;
    for (file, weights) in polished {
        members::save(&architecture, &weights, file)?;
    }
    Ok(())
}
