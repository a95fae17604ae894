//! Many networks of one architecture, each trained by itself: from its own first weights, or all branched from one
//! short warm-up; and what each was trained on.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::architecture::{self, Architecture, CLASSES};
use crate::collect::{self, Collections, Names, Snapshot};
use crate::data::{self, Images};
use crate::members;
use crate::parallel;
use crate::probe::accuracy;
use crate::recipe::one_cycle;
use crate::training::{Order, Trainer};

/// Training images that a member is tested on, as it would be on a split of its own.
const TRAIN_PROBE: usize = 5_000;

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    architecture: architecture::Options,
    #[command(flatten)]
    data: data::Options,
    /// How many networks to train
    #[arg(long, default_value_t = 300)]
    members: usize,
    /// Branch all members from one warm-up of so many steps; 0: each has its own first weights
    #[arg(long, default_value_t = 0, value_name = "STEPS")]
    branch: usize,
    /// Steps of each member, after the branching [default: the recipe's]
    #[arg(long)]
    steps: Option<usize>,
    /// Images in a step of one member [default: the recipe's]
    #[arg(long)]
    batch: Option<usize>,
    /// The highest learning rate [default: the recipe's]
    #[arg(long)]
    peak: Option<f64>,
    #[command(flatten)]
    seen: data::Seen,
    /// Give each member a task of its own, kept as its condition: fraction=.05..1 or classes=2..9
    #[arg(long, value_name = "WHAT=LOW..HIGH", value_parser = parse_vary)]
    vary: Option<Vary>,
    /// Decides the first weights, the tasks and the order of the images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for member-0000.safetensors, member-0001.safetensors, ...
    #[arg(short, long, value_name = "DIR", required_unless_present = "collect")]
    output: Option<PathBuf>,
    #[command(flatten)]
    collections: Collections,
}

/// What differs between the members' tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Vary {
    /// The share of the training images, uniform between two.
    Fraction(f64, f64),
    /// Which classes a member sees, of a uniform number of them.
    Classes(usize, usize),
}

fn parse_vary(text: &str) -> Result<Vary, String> {
    let help = || "write fraction=.05..1 or classes=2..9".to_owned();
    let (what, range) = text.split_once('=').ok_or_else(help)?;
    let (low, high) = range.split_once("..").ok_or_else(help)?;
    let number = |text: &str| text.parse::<f64>().map_err(|_| help());
    let (low, high) = (number(low)?, number(high)?);
    match what {
        "fraction" if 0.0 < low && low <= high && high <= 1.0 => Ok(Vary::Fraction(low, high)),
        "classes" if 1.0 <= low && low <= high && high <= CLASSES as f64 => {
            Ok(Vary::Classes(low as usize, high as usize))
        }
        _ => Err(help()),
    }
}

impl Vary {
    fn names(self) -> Vec<String> {
        match self {
            Vary::Fraction(..) => vec!["fraction".into()],
            Vary::Classes(..) => (0..CLASSES).map(|class| format!("class-{class}")).collect(),
        }
    }

    /// A member's condition, and which of the first `count` images it sees.
    fn draw(self, rng: &mut ChaCha8Rng, images: &Images, count: usize) -> (Vec<f32>, Vec<usize>) {
        match self {
            Vary::Fraction(low, high) => {
                let fraction = low + (high - low) * rng.random::<f64>();
                let seen = (count as f64 * fraction) as usize;
                (vec![fraction as f32], (0..seen).collect())
            }
            Vary::Classes(low, high) => {
                let mut classes: Vec<usize> = (0..CLASSES).collect();
                classes.shuffle(rng);
                classes.truncate(rng.random_range(low..=high));
                let condition = (0..CLASSES).map(|class| match classes.contains(&class) {
                    true => 1.0,
                    false => 0.0,
                });
                let seen = (0..count).filter(|i| classes.contains(&usize::from(images.labels[*i])));
                (condition.collect(), seen.collect())
            }
        }
    }
}

/// What training a population takes, shared by all members.
struct Plan<'a> {
    trainer: Trainer<'a>,
    /// The highest learning rate.
    peak: f64,
    steps: usize,
    /// How many of the training images members may see.
    seen: usize,
    vary: Option<Vary>,
    seed: u64,
    architecture: &'a Architecture,
    selection: &'a Images,
}

pub fn run(options: &Options) -> Result<()> {
    ensure!(options.members > 0, "--members is at least 1");
    let mut recipe = options.architecture.net.recipe();
    recipe.batch = options.batch.unwrap_or(recipe.batch);
    recipe.peak = options.peak.unwrap_or(recipe.peak);
    let splits = options.data.load(recipe.data)?;
    let folders = options.collections.of(options.members, options.seed)?;
    let Collections { collect, held_out } = &options.collections;
    for folder in [&options.output, collect, held_out].into_iter().flatten() {
        if folder
            .read_dir()
            .is_ok_and(|mut files| files.next().is_some())
        {
            bail!("{}: is not empty; name a new folder", folder.display());
        }
    }
    let architecture = Architecture::new(&options.architecture, splits.shape())?;
    let train = splits.images(|s| &s.train);
    let plan = Plan {
        steps: options.steps.unwrap_or(recipe.steps),
        peak: recipe.peak,
        seen: options.seen.of(train.len())?,
        vary: options.vary,
        seed: options.seed,
        trainer: Trainer {
            runner: &architecture.runner()?,
            images: &train,
            batch: recipe.batch,
            augment: recipe.augment,
        },
        architecture: &architecture,
        selection: &splits.images(|s| &s.selection),
    };
    eprintln!(
        "{} members of {} parameters, {} steps of {} each",
        options.members,
        architecture.parameters(),
        plan.steps,
        recipe.batch
    );

    let root = plan.warm_up(options.branch)?;
    let all = (0..options.members).collect();
    let snapshots = parallel::map(all, |number| plan.train(number, root.clone()))?;

    if let Some(output) = &options.output {
        std::fs::create_dir_all(output)
            .with_context(|| format!("{}: cannot be created", output.display()))?;
        for snapshot in &snapshots {
            let file = output.join(&snapshot.name).with_extension("safetensors");
            members::save(&architecture, &snapshot.weights, &file)?;
        }
    }
    let names = Names {
        conditions: plan.vary.map_or_else(Vec::new, Vary::names),
        metrics: METRICS.map(String::from).to_vec(),
    };
    let mean = |metric: &str| {
        let at = METRICS.iter().position(|name| *name == metric);
        let values = snapshots
            .iter()
            .map(|snapshot| at.map_or(f64::NAN, |at| snapshot.metrics[at]));
        values.sum::<f64>() / snapshots.len() as f64
    };
    let said = format!(
        "{} members; mean accuracy {:.4} on selection, {:.4} on training images",
        snapshots.len(),
        mean("selection_accuracy"),
        mean("train_accuracy")
    );
    let (kept, unseen): (Vec<_>, Vec<_>) = snapshots
        .into_iter()
        .zip(folders)
        .partition(|(_, folder)| *folder == collect.as_deref());
    for (folder, part) in [(collect, kept), (held_out, unseen)] {
        if let Some(folder) = folder {
            let part: Vec<Snapshot> = part.into_iter().map(|(snapshot, _)| snapshot).collect();
            collect::push(folder, &architecture, &names, &part)?;
        }
    }
    println!("{said}");
    Ok(())
}

/// What is kept of each member.
const METRICS: [&str; 4] = ["selection_accuracy", "train_accuracy", "seed", "steps"];

impl Plan<'_> {
    /// The random numbers of one member; stream 0 is the warm-up's.
    fn rng(&self, stream: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream as u64);
        rng
    }

    /// The network that all members are branched from, with a rate that only rises; none of no steps.
    fn warm_up(&self, steps: usize) -> Result<Option<Vec<f32>>> {
        if steps == 0 {
            return Ok(None);
        }
        let mut rng = self.rng(0);
        let first = members::random(self.architecture, &mut rng);
        let order = Order::new(rng, (0..self.seen).collect());
        let mut training = self.trainer.begin(first, order)?;
        for step in 0..steps {
            training.step(self.peak * (step + 1) as f64 / steps as f64)?;
        }
        Ok(Some(training.weights))
    }

    /// Trains a member from `start`, or from first weights of its own.
    fn train(&self, number: usize, start: Option<Vec<f32>>) -> Result<Snapshot> {
        let mut rng = self.rng(number + 1);
        let first = start.unwrap_or_else(|| members::random(self.architecture, &mut rng));
        let (condition, images) = match self.vary {
            Some(vary) => vary.draw(&mut rng, self.trainer.images, self.seen),
            None => (vec![], (0..self.seen).collect()),
        };
        let mut training = self.trainer.begin(first, Order::new(rng, images))?;
        for step in 0..self.steps {
            let rate = one_cycle(self.peak, 0.0, step as f64 / self.steps as f64);
            training.step(rate)?;
        }
        let weights = training.weights;
        let accuracy = |images, count| accuracy(self.trainer.runner, &weights, images, count);
        let train = TRAIN_PROBE.min(self.seen);
        let metrics = vec![
            accuracy(self.selection, usize::MAX)?,
            accuracy(self.trainer.images, train)?,
            self.seed as f64,
            self.steps as f64,
        ];
        Ok(Snapshot {
            name: format!("member-{number:04}"),
            weights,
            condition,
            metrics,
        })
    }
}
