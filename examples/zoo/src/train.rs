//! One training run: a warm-up to a working network, then snapshots of consecutive steps at a constant rate.

use std::f64::consts::PI;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::nn::{AdamW, OptimizerConfig, VarStore};
use tch::{Device, Reduction, Tensor};

use crate::collect;
use crate::data::{DataSet, Images};
use crate::nets::{Net, Weights};
use crate::score::Probe;

#[derive(Args)]
pub struct Options {
    /// The architecture to train
    #[arg(long, value_enum, default_value = "cnn")]
    net: Net,
    /// The images to train on [default: the data set of the architecture's recipe]
    #[arg(long, value_enum)]
    data: Option<DataSet>,
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
    /// Decides the first weights, the order of the images and their augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for step-0000.safetensors, step-0001.safetensors, ...
    #[arg(short, long, value_name = "DIR", required_unless_present = "collect")]
    output: Option<PathBuf>,
    /// A libpdiff collection to which each step is pushed from memory
    #[arg(long, value_name = "DIR")]
    collect: Option<PathBuf>,
}

/// How an architecture is trained unless told otherwise.
struct Recipe {
    data: DataSet,
    warmup: usize,
    batch: usize,
    /// Learning rates: the highest of the warm-up, and the snapshots'.
    peak: f64,
    lr: f64,
    augment: bool,
}

impl Net {
    fn recipe(self) -> Recipe {
        match self {
            Net::Cnn => Recipe {
                data: DataSet::FashionSubset,
                warmup: 12,
                batch: 64,
                peak: 6e-3,
                lr: 3e-3,
                augment: false,
            },
            Net::Lenet5 => Recipe {
                data: DataSet::Mnist,
                warmup: 3,
                batch: 64,
                peak: 3e-3,
                lr: 1e-3,
                augment: false,
            },
            Net::CifarCnn => Recipe {
                data: DataSet::Cifar10,
                warmup: 20,
                batch: 128,
                peak: 6e-3,
                lr: 1e-3,
                augment: true,
            },
        }
    }
}

pub fn run(options: &Options) -> Result<()> {
    let recipe = options.net.recipe();
    let splits = options.data.unwrap_or(recipe.data).load()?;
    if let Some(output) = &options.output {
        std::fs::create_dir_all(output)
            .with_context(|| format!("{}: cannot be created", output.display()))?;
    }
    let mut run = Run::new(options, &recipe, &splits.train)?;
    let test = Probe::new(splits.test)?;
    eprintln!(
        "{} parameters, {} training images",
        run.weights.parameters(),
        splits.train.len()
    );

    let epochs = options.warmup.unwrap_or(recipe.warmup);
    let lr = options.lr.unwrap_or(recipe.lr);
    let total = epochs * run.steps_per_epoch();
    for step in 0..total {
        run.step(warmup_rate(recipe.peak, lr, step as f64 / total as f64))?;
        if (step + 1) % run.steps_per_epoch() == 0 {
            let epoch = (step + 1) / run.steps_per_epoch();
            eprintln!(
                "epoch {epoch}/{epochs}: test accuracy {:.4}",
                test.score(&run.weights)?.0
            );
        }
    }
    for snapshot in 0..options.snapshots {
        for _ in 0..options.every {
            run.step(lr)?;
        }
        let name = format!("step-{snapshot:04}");
        if let Some(output) = &options.output {
            let file = output.join(&name).with_extension("safetensors");
            run.weights.save(&file)?;
        }
        if let Some(collection) = &options.collect {
            collect::push(collection, &name, run.weights.tensors())?;
        }
    }
    println!(
        "{} snapshots; the last has test accuracy {:.4}",
        options.snapshots,
        test.score(&run.weights)?.0
    );
    Ok(())
}

/// Learning rate of the warm-up at `t` in [0, 1): up to `peak` in its first tenth, then down a cosine to `end`.
fn warmup_rate(peak: f64, end: f64, t: f64) -> f64 {
    const RISE: f64 = 0.1;
    if t < RISE {
        return peak * (t / RISE).max(0.01);
    }
    end + (peak - end) * 0.5 * (1.0 + (PI * (t - RISE) / (1.0 - RISE)).cos())
}

/// A network in training and the order of the images it sees.
struct Run<'a> {
    images: &'a Images,
    batch: usize,
    augment: bool,
    weights: Weights,
    optimizer: tch::nn::Optimizer,
    rng: ChaCha8Rng,
    order: Vec<usize>,
    position: usize,
}

impl<'a> Run<'a> {
    fn new(options: &Options, recipe: &Recipe, images: &'a Images) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let mut weights = Weights::random(options.net, &mut rng)?;
        let store = VarStore::new(Device::Cpu);
        for (i, (_, tensor)) in weights.tensors_mut().iter_mut().enumerate() {
            *tensor = store.root().f_var_copy(&i.to_string(), tensor)?;
        }
        let optimizer = AdamW::default().build(&store, recipe.lr)?;
        let order: Vec<usize> = (0..images.len()).collect();
        let position = order.len();
        Ok(Run {
            images,
            batch: recipe.batch,
            augment: recipe.augment,
            weights,
            optimizer,
            rng,
            order,
            position,
        })
    }

    fn steps_per_epoch(&self) -> usize {
        self.order.len() / self.batch
    }

    /// One step of AdamW on the next images; what an epoch leaves over, fewer than a batch, is left out.
    fn step(&mut self, lr: f64) -> Result<()> {
        if self.position + self.batch > self.order.len() {
            self.order.shuffle(&mut self.rng);
            self.position = 0;
        }
        let indices = &self.order[self.position..][..self.batch];
        self.position += self.batch;
        let (x, y) = match self.augment {
            true => self.images.augmented_batch(indices, &mut self.rng)?,
            false => self.images.batch(indices)?,
        };
        let logits = self.weights.logits(&x)?;
        let loss = logits.f_cross_entropy_loss(&y, None::<Tensor>, Reduction::Mean, -100, 0.0)?;
        self.optimizer.set_lr(lr);
        self.optimizer.zero_grad();
        loss.f_backward()?;
        self.optimizer.step();
        Ok(())
    }
}
