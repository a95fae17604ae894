//! One training run: a warm-up to a working network, then snapshots of consecutive steps at a constant rate.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::architecture::{self, Architecture};
use crate::collect::{self, Collections, Names, Snapshot};
use crate::data;
use crate::members;
use crate::probe::accuracy;
use crate::recipe::one_cycle;
use crate::training::{Order, Trainer};

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    architecture: architecture::Options,
    #[command(flatten)]
    data: data::Options,
    /// Epochs before the first snapshot [default: the recipe's]
    #[arg(long, value_name = "EPOCHS")]
    warmup: Option<usize>,
    /// Learning rate of the snapshots' steps, which the warm-up comes down to [default: the recipe's]
    #[arg(long)]
    lr: Option<f64>,
    /// How many snapshots to save
    #[arg(long, default_value_t = 300)]
    snapshots: usize,
    /// Steps from one snapshot to the next
    #[arg(long, default_value_t = 1, value_name = "STEPS")]
    every: usize,
    #[command(flatten)]
    seen: data::Seen,
    /// Decides the first weights, the order of the images and their augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for step-0000.safetensors, step-0001.safetensors, ...
    #[arg(short, long, value_name = "DIR", required_unless_present = "collect")]
    output: Option<PathBuf>,
    #[command(flatten)]
    collections: Collections,
}

/// What is kept of each snapshot.
const METRICS: [&str; 3] = ["selection_accuracy", "seed", "step"];

pub fn run(options: &Options) -> Result<()> {
    let recipe = options.architecture.net.recipe();
    let folders = options.collections.of(options.snapshots, options.seed)?;
    let splits = options.data.load(recipe.data)?;
    let architecture = Architecture::new(&options.architecture, splits.shape())?;
    let runner = architecture.runner()?;
    let (train, selection) = (splits.images(|s| &s.train), splits.images(|s| &s.selection));
    let seen = options.seen.of(train.len())?;
    if let Some(output) = &options.output {
        std::fs::create_dir_all(output)
            .with_context(|| format!("{}: cannot be created", output.display()))?;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let first = members::random(&architecture, &mut rng);
    let order = Order::new(rng, (0..seen).collect());
    let trainer = Trainer {
        runner: &runner,
        images: &train,
        batch: recipe.batch,
        augment: recipe.augment,
    };
    let mut run = trainer.begin(first, order)?;
    let selected = |weights: &[f32]| accuracy(&runner, weights, &selection, usize::MAX);
    eprintln!(
        "{} parameters, {seen} training images",
        architecture.parameters()
    );

    let epochs = options.warmup.unwrap_or(recipe.warmup);
    let lr = options.lr.unwrap_or(recipe.lr);
    let epoch_steps = seen / recipe.batch;
    let total = epochs * epoch_steps;
    let names = Names {
        metrics: METRICS.map(String::from).to_vec(),
        ..Names::default()
    };
    for step in 0..total {
        run.step(one_cycle(recipe.peak, lr, step as f64 / total as f64))?;
        if (step + 1) % epoch_steps == 0 {
            let epoch = (step + 1) / epoch_steps;
            let accuracy = selected(&run.weights)?;
            eprintln!("epoch {epoch}/{epochs}: accuracy {accuracy:.4} on selection images");
        }
    }
    for (snapshot, folder) in folders.into_iter().enumerate() {
        for _ in 0..options.every {
            run.step(lr)?;
        }
        let name = format!("step-{snapshot:04}");
        if let Some(output) = &options.output {
            let file = output.join(&name).with_extension("safetensors");
            members::save(&architecture, &run.weights, &file)?;
        }
        if let Some(collection) = folder {
            let steps = total + (snapshot + 1) * options.every;
            let snapshot = Snapshot {
                name,
                weights: run.weights.clone(),
                condition: vec![],
                metrics: vec![selected(&run.weights)?, options.seed as f64, steps as f64],
            };
            collect::push(collection, &architecture, &names, &[snapshot])?;
        }
    }
    println!(
        "{} snapshots; the last has accuracy {:.4} on selection images",
        options.snapshots,
        selected(&run.weights)?
    );
    Ok(())
}
