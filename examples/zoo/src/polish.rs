//! Some more steps of training for networks that are there already: what a generated start is worth with data.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::architecture::{self, Architecture};
use crate::data;
use crate::group::{Group, Order};
use crate::members::Members;
use crate::parallel;
use crate::recipe::one_cycle;

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
    let architecture = Arc::new(Architecture::new(&options.architecture, splits.shape())?);
    let train = splits.images(|s| &s.train)?;
    let groups: Vec<(usize, &[PathBuf])> = options.files.chunks(recipe.group).enumerate().collect();
    let polished = parallel::map(groups, |(number, files)| {
        let members = Members::load(&architecture, files)?;
        let orders = (0..files.len())
            .map(|i| {
                let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
                rng.set_stream((number * recipe.group + i) as u64);
                Order::new(rng, (0..train.len()).collect())
            })
            .collect();
        let mut group = Group::new(members, orders, &train, options.batch, recipe.augment)?;
        for step in 0..options.steps {
            group.step(one_cycle(
                options.peak,
                0.0,
                step as f64 / options.steps as f64,
            ))?;
        }
        Ok((files, group.members))
    })?;
    for (files, members) in polished {
        for (i, file) in files.iter().enumerate() {
            members.save(i, file)?;
        }
    }
    Ok(())
}
