//! A behaviour loss: what networks do, as the objective of a generator's training (arXiv 2503.17138).

use serde_json::{Value, json};

use crate::chain::spread;
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose};
use crate::refine::distill::Distillation;
use crate::refine::polish::{At, Objective, ask};

/// Examples of a minibatch, where the probe has as many: each network of each step gets its own. Fewer make a
/// noisier gradient, which costs more than the time they save (docs/research.md).
const BATCH: usize = 256;
/// Networks that get the same minibatch where snapshots are asked, as reading what all of them say takes long.
const TOGETHER: usize = 4;

/// By what a generator learns which networks work.
pub struct BehaviourLoss<'a> {
    /// Steps of training.
    pub steps: u64,
    lesson: Lesson<'a>,
}

enum Lesson<'a> {
    /// Minimized over the generator's samples.
    Objective(Objective<'a>),
    /// What snapshots do, by minibatches of so many inputs.
    Snapshots(Distillation, usize),
}

/// A step's networks.
pub(crate) struct Taken<'a> {
    pub seed: u64,
    pub step: u64,
    /// [networks, parameters]
    pub weights: &'a [f32],
    /// Inner products of their latents with those of [`BehaviourLoss::teachers`], [networks, teachers].
    pub likeness: &'a [f32],
}

impl<'a> BehaviourLoss<'a> {
    /// Steps where the host does not choose (docs/research.md).
    pub const STEPS: u64 = 5000;

    pub fn new(objective: Objective<'a>) -> BehaviourLoss<'a> {
        BehaviourLoss {
            steps: BehaviourLoss::STEPS,
            lesson: Lesson::Objective(objective),
        }
    }

    /// Samples learn what snapshots do, by minibatches of so many inputs; none: 256, or all where there are fewer.
    pub fn distilling(of: Distillation, batch: Option<usize>) -> BehaviourLoss<'a> {
        let batch = batch.unwrap_or(BATCH.min(of.inputs()));
        BehaviourLoss {
            steps: BehaviourLoss::STEPS,
            lesson: Lesson::Snapshots(of, batch),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::invalid(
                "0 steps of a behaviour loss; ask for at least 1, or leave the loss out",
            ));
        }
        match &self.lesson {
            Lesson::Objective(objective) => objective.check(),
            Lesson::Snapshots(of, batch) if !(1..=of.inputs()).contains(batch) => {
                Err(Error::invalid(format!(
                    "minibatches of {batch} from {} inputs that the library drew; take 1 to as many",
                    of.inputs()
                )))
            }
            Lesson::Snapshots(..) => Ok(()),
        }
    }

    /// Whether it asks for what snapshots do, and so for no data.
    pub(crate) fn is_distilled(&self) -> bool {
        matches!(self.lesson, Lesson::Snapshots(..))
    }

    /// Snapshots that samples learn from, by their places in the collection; none where they learn otherwise.
    pub(crate) fn teachers(&self) -> &[usize] {
        match &self.lesson {
            Lesson::Objective(_) => &[],
            Lesson::Snapshots(of, _) => of.teachers(),
        }
    }

    /// Tells losses apart, as far as they can be: a host's callbacks are all one.
    pub(crate) fn digest(&self) -> Value {
        let lesson = match &self.lesson {
            Lesson::Objective(Objective::Probe(probe, batch)) => json!([probe.digest(), batch]),
            Lesson::Objective(Objective::Host(_)) => json!("host"),
            Lesson::Snapshots(of, batch) => json!([of.digest(), batch]),
        };
        json!({"steps": self.steps, "objective": lesson})
    }

    /// Writes the loss's gradient by each of the networks to `gradients` [networks, parameters], and returns the mean
    /// loss. A host's callback is asked in order, on this thread.
    pub(crate) fn gradients(
        &mut self,
        taken: &Taken,
        parameters: usize,
        cancel: &Cancel,
        gradients: &mut [f32],
    ) -> Result<f64> {
        let &Taken { seed, step, .. } = taken;
        let mut losses = vec![0.0; taken.weights.len() / parameters];
        let stream = |number| Noise::new(seed).stream(Purpose::Behaviour, number, step);
        match &mut self.lesson {
            Lesson::Objective(objective) => {
                let rows = taken
                    .weights
                    .chunks_exact(parameters)
                    .zip(gradients.chunks_exact_mut(parameters))
                    .zip(&mut losses)
                    .zip(0u64..);
                match objective {
                    Objective::Probe(probe, batch) => {
                        let batch = batch.unwrap_or(BATCH.min(probe.examples()));
                        spread(rows, 0, |(((network, gradient), loss), number)| {
                            let mut stream = stream(number);
                            *loss =
                                probe.gradient(&mut stream, batch, network, cancel, gradient)?;
                            Ok(())
                        })?;
                    }
                    Objective::Host(gradient_of) => {
                        for (((network, gradient), loss), number) in rows {
                            cancel.check()?;
                            *loss = ask(gradient_of, At { number, step }, network, gradient)?;
                        }
                    }
                }
            }
            Lesson::Snapshots(of, batch) => {
                let together = TOGETHER * parameters;
                let groups = taken
                    .weights
                    .chunks(together)
                    .zip(taken.likeness.chunks(TOGETHER * of.teachers().len()))
                    .zip(gradients.chunks_mut(together))
                    .zip(losses.chunks_mut(TOGETHER))
                    .zip(0u64..);
                spread(
                    groups,
                    0,
                    |((((networks, likeness), gradients), losses), number)| {
                        let minibatch = of.minibatch(&mut stream(number), *batch);
                        minibatch.gradients(networks, likeness, cancel, gradients, losses)
                    },
                )?;
            }
        }
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }
}
