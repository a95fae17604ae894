//! Training a generator, whichever engine: opening the collection, resuming, writing the file.

use std::path::{Path, absolute};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::aligned::AlignedCopy;
use super::checkpoint::Checkpoint;
use super::device::resolve;
use super::{default, paper};
use crate::collection::{Collection, split};
use crate::document::digest;
use crate::error::{Error, Result};
use crate::files::AtomicFile;
use crate::generator::{About, Cancel, ConditionSpec, EngineName, Provenance, Report};
use crate::progress::{Meter, Progress};
use crate::refine::BehaviourLoss;
use crate::symmetry::Aligned;
use crate::train::TrainOptions;

/// Snapshots that training needs.
const FEWEST: usize = 2;

/// What both engines' trainings work with.
pub(super) struct Job<'a> {
    pub collection: &'a Collection,
    /// The collection, or the one that it was copied from to be aligned.
    pub source: &'a Collection,
    pub aligned: Option<&'a Aligned>,
    /// Indices of the snapshots to learn from, and of those to judge by.
    pub train: Vec<usize>,
    pub held_out: Vec<usize>,
    pub conditions: Vec<ConditionSpec>,
    pub options: &'a TrainOptions,
    /// Of the loss that it is taught by, once that is known.
    pub behaviour_steps: Option<u64>,
    pub is_distilled: bool,
    pub device: tch::Device,
    pub generator: &'a Path,
    pub cancel: &'a Cancel,
    pub progress: &'a mut dyn FnMut(&Progress) -> Result<()>,
    pub started: Instant,
}

impl Job<'_> {
    /// Reports a step, unless the work was cancelled.
    pub fn tick(&mut self, meter: &Meter, step: u64, loss: f64) -> Result<()> {
        self.cancel.check()?;
        (self.progress)(&meter.at(step, loss))
    }

    /// Everything about the generator but its engine's settings and its report.
    pub fn about(
        &self,
        engine: EngineName,
        config: serde_json::Value,
        report: Report,
    ) -> Result<About> {
        let path = self.source.path();
        let mut about = About::new(engine, config, self.collection.layout().clone());
        about.order = self.collection.order().to_vec();
        about.conditions = self.conditions.clone();
        about.report = Report {
            seconds: self.started.elapsed().as_secs_f64(),
            ..report
        };
        if let Some(aligned) = self.aligned {
            about.report.notes.insert(0, aligned.to_string());
        }
        about.provenance = Provenance {
            collection: absolute(path)
                .map_err(Error::io(path))?
                .display()
                .to_string(),
            snapshots: self.collection.len(),
            digest: Some(self.source.digest(self.source.len())?),
            held_out: self.held_out.clone(),
            seed: self.options.seed,
            library: env!("CARGO_PKG_VERSION").into(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_secs()),
            alignment: self.aligned.cloned(),
            behaviour_steps: self.behaviour_steps,
            distilled: self.is_distilled,
        };
        Ok(about)
    }

    /// The checkpoint of a phase of this training and no other, told from others also by `of_phase`.
    pub fn checkpoint(&self, phase: &str, of_phase: Option<Value>) -> Result<Checkpoint> {
        let options = self.options;
        let job = digest(&json!({
            "collection": self.collection.digest(self.collection.len())?,
            "engine": options.engine,
            "seed": options.seed,
            "steps": options.steps,
            "autoencoder_steps": options.autoencoder_steps,
            "components": options.components,
            "alignment": self.aligned,
            "phase": of_phase,
            "library": env!("CARGO_PKG_VERSION"),
        }));
        Ok(Checkpoint::new(
            self.generator,
            phase,
            job,
            options.checkpoint_seconds,
        ))
    }

    /// Standardized conditions of snapshots, [indices, conditions].
    pub fn standardized(&self, indices: &[usize]) -> Vec<f32> {
        let standardize =
            |(value, spec): (&f32, &ConditionSpec)| (value - spec.mean) / spec.deviation;
        indices
            .iter()
            .flat_map(|i| {
                self.collection
                    .condition(*i)
                    .iter()
                    .zip(&self.conditions)
                    .map(standardize)
            })
            .collect()
    }
}

/// See [`crate::train`].
pub(crate) fn train<'a>(
    collection: &Path,
    generator: &Path,
    options: &TrainOptions,
    behaviour: Option<&mut BehaviourLoss<'a>>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(&Progress) -> Result<()>,
) -> Result<Report> {
    let started = Instant::now();
    let given = Collection::open(collection)?;
    if given.len() < FEWEST {
        return Err(Error::TooFewSnapshots {
            path: given.path().to_owned(),
            found: given.len(),
            needed: FEWEST,
        });
    }
    if options.steps == Some(0) || options.autoencoder_steps == Some(0) {
        return Err(Error::invalid("0 training steps; ask for at least 1"));
    }
    if options.components == Some(0) {
        return Err(Error::invalid("0 components; keep at least 1"));
    }
    let of_itself = options.engine == EngineName::Default
        && behaviour.is_none()
        && !options.untaught
        && given.conditions().is_empty();
    let mut own = match of_itself {
        true => BehaviourLoss::of_classifiers(&given, options.symmetry.as_ref())?,
        false => None,
    };
    if options.symmetry.is_some() && options.align.is_none() && own.is_none() {
        return Err(Error::invalid(
            "a symmetry spec for nothing: no alignment is asked for, and training teaches by it of itself only with the \
             default engine, no conditions, no other loss, and a chain whose outputs are logits; leave it out",
        ));
    }
    if let Some(behaviour) = &behaviour {
        behaviour.check(&given)?;
        if options.engine != EngineName::Default {
            return Err(Error::invalid(
                "a behaviour loss is for the default engine; leave it out, or choose that one",
            ));
        }
        if !given.conditions().is_empty() {
            return Err(Error::invalid(
                "a behaviour loss would teach the same behaviour at every condition; leave it out, or collect without conditions",
            ));
        }
    }
    // What cannot be written is found before the work, not after it.
    drop(AtomicFile::create(generator)?);
    let device = resolve(options.device)?;
    let align = |align| AlignedCopy::make(&given, generator, align, options, cancel, progress);
    let copy = options.align.as_ref().map(align).transpose()?;
    let collection = copy.as_ref().map_or(&given, |copy| &copy.collection);
    let (train, held_out) = split(collection.len());
    let mut job = Job {
        conditions: condition_specs(collection, &train),
        collection,
        source: &given,
        aligned: copy.as_ref().map(|copy| &copy.aligned),
        train,
        held_out,
        options,
        behaviour_steps: None,
        is_distilled: false,
        device,
        generator,
        cancel,
        progress,
        started,
    };
    match options.engine {
        EngineName::Default => default::train(&mut job, behaviour, own.as_mut()),
        EngineName::Paper => paper::train(&mut job),
    }
}

/// How conditions are standardized; one that never changes keeps its units.
fn condition_specs(collection: &Collection, train: &[usize]) -> Vec<ConditionSpec> {
    let n = train.len() as f64;
    let column = |c: usize| {
        train
            .iter()
            .map(move |i| f64::from(collection.condition(*i)[c]))
    };
    let names = collection.conditions().iter().enumerate();
    names
        .map(|(c, name)| {
            let mean = column(c).sum::<f64>() / n;
            let deviation = (column(c).map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            ConditionSpec {
                name: name.clone(),
                mean: mean as f32,
                deviation: if deviation > 0.0 {
                    deviation as f32
                } else {
                    1.0
                },
            }
        })
        .collect()
}
