//! A behaviour loss: what networks do, as the objective of a generator's training (arXiv 2503.17138).

use serde_json::{Value, json};

use crate::chain::{Chain, Outputs, Runner, spread};
use crate::collection::{Collection, split};
use crate::error::{Error, Result};
use crate::evaluate::Scorer;
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose};
use crate::progress::Meter;
use crate::refine::distill::{self, Distillation};
use crate::refine::evolution;
use crate::refine::polish::{At, Objective, ask};
use crate::symmetry::Spec;

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
    Snapshots(Box<Distilling>),
    /// What its networks score is maximized.
    Scores(&'a mut dyn Scorer),
}

/// What a behaviour loss goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// A probe's examples, or what a host's gradients know.
    Examples,
    /// What snapshots do, and so no data.
    Snapshots,
    Scores,
}

/// What snapshots do.
struct Distilling {
    /// By which networks compute.
    chain: Chain,
    /// Inputs of a minibatch; none: 256.
    batch: Option<usize>,
    /// None before training begins.
    drawn: Option<Distillation>,
}

/// A step's networks.
pub(crate) struct Taken<'a> {
    pub seed: u64,
    pub step: u64,
    /// [networks, parameters]
    pub weights: &'a [f32],
    /// What a gradient by weights is multiplied by to be one by normalized weights, [parameters]; 0 where nothing is
    /// trained.
    pub factors: &'a [f32],
    /// Those that the flow gave, [networks, latents].
    pub latents: &'a [f32],
}

impl<'a> BehaviourLoss<'a> {
    /// Steps where the host does not choose (docs/research.md).
    pub const STEPS: u64 = 5000;
    /// The same of [`BehaviourLoss::scoring`], whose every step costs 64 scores.
    pub const SCORED_STEPS: u64 = 2000;

    pub fn new(objective: Objective<'a>) -> BehaviourLoss<'a> {
        BehaviourLoss {
            steps: BehaviourLoss::STEPS,
            lesson: Lesson::Objective(objective),
        }
    }

    /// Samples learn what snapshots do, which compute by `chain`, on inputs that the library draws as training begins:
    /// minibatches of so many; none: 256.
    pub fn distilling(chain: Chain, batch: Option<usize>) -> BehaviourLoss<'a> {
        BehaviourLoss {
            steps: BehaviourLoss::STEPS,
            lesson: Lesson::Snapshots(Box::new(Distilling {
                chain,
                batch,
                drawn: None,
            })),
        }
    }

    /// What training goes by of itself where the host gives no loss: what snapshots do, if the chain of `spec` or, without
    /// one, of the collection's own symmetry says that they are classifiers.
    ///
    /// Fails with [`Error::Mismatch`] where the chain of `spec` does not fit the layout.
    #[cfg(feature = "torch")]
    pub(crate) fn of_classifiers(
        collection: &Collection,
        spec: Option<&Spec>,
    ) -> Result<Option<BehaviourLoss<'a>>> {
        let says_logits = |chain: &Chain| chain.outputs == Some(Outputs::Logits);
        let Some(chain) = collection.chain(spec).ok().filter(says_logits) else {
            return Ok(None);
        };
        match Runner::new(&chain, collection.layout()) {
            Err(_) if spec.is_none() => Ok(None),
            runner => runner.map(|_| Some(BehaviourLoss::distilling(chain, None))),
        }
    }

    /// What samples score is maximized, where nothing has a gradient: the selection score, or the score where there is
    /// none. The scorer is asked on the calling thread, for two networks by each of a step's 32: beside each of its
    /// networks, forwards and backwards.
    pub fn scoring(scorer: &'a mut dyn Scorer) -> BehaviourLoss<'a> {
        BehaviourLoss {
            steps: BehaviourLoss::SCORED_STEPS,
            lesson: Lesson::Scores(scorer),
        }
    }

    pub(crate) fn check(&self, collection: &Collection) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::invalid(
                "0 steps of a behaviour loss; ask for at least 1, or leave the loss out",
            ));
        }
        match &self.lesson {
            Lesson::Objective(objective) => objective.check(),
            Lesson::Scores(_) => Ok(()),
            Lesson::Snapshots(of) => {
                if of.chain.outputs == Some(Outputs::Values) {
                    return Err(Error::invalid(
                        "distilling is for classifiers, and the chain says that its outputs are values; teach by a gradient or scores",
                    ));
                }
                let runner = Runner::new(&of.chain, collection.layout())?;
                let (inputs, _) = distill::sizes(&runner, split(collection.len()).0.len())?;
                match of.batch {
                    Some(batch) if !(1..=inputs).contains(&batch) => Err(Error::invalid(format!(
                        "minibatches of {batch} from {inputs} inputs that the library draws; take 1 to as many"
                    ))),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Makes what the loss goes by where the library makes it, given every snapshot's latents [snapshots, latents].
    pub(crate) fn begin(
        &mut self,
        collection: &Collection,
        encoded: &[f32],
        seed: u64,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&Meter, u64) -> Result<()>,
    ) -> Result<()> {
        if let Lesson::Snapshots(of) = &mut self.lesson {
            let drawn = Distillation::new(collection, encoded, &of.chain, seed, cancel, progress)?;
            of.drawn = Some(drawn);
        }
        Ok(())
    }

    /// Bytes that [`BehaviourLoss::begin`] makes, at most.
    pub(crate) fn memory(&self) -> u64 {
        match self.basis() {
            Basis::Snapshots => distill::MEMORY,
            Basis::Examples | Basis::Scores => 0,
        }
    }

    pub(crate) fn basis(&self) -> Basis {
        match self.lesson {
            Lesson::Objective(_) => Basis::Examples,
            Lesson::Snapshots(_) => Basis::Snapshots,
            Lesson::Scores(_) => Basis::Scores,
        }
    }

    /// Tells losses apart, as far as they can be: a host's gradients are all one and so are its scores, and what is
    /// drawn is known by the training's collection and seed.
    pub(crate) fn digest(&self) -> Value {
        let lesson = match &self.lesson {
            Lesson::Objective(Objective::Probe(probe, batch)) => json!([probe.digest(), batch]),
            Lesson::Objective(Objective::Host(_)) => json!("host"),
            Lesson::Snapshots(of) => json!([of.chain, of.batch]),
            Lesson::Scores(scorer) => json!(["scores", scorer.identity()]),
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
            Lesson::Scores(scorer) => {
                return evolution::gradients(*scorer, stream, taken, cancel, gradients);
            }
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
            Lesson::Snapshots(of) => {
                let Distilling { batch, drawn, .. } = &**of;
                let drawn = drawn
                    .as_ref()
                    .ok_or_else(|| Error::Internal("a behaviour loss that has not begun".into()))?;
                let batch = batch.unwrap_or(BATCH);
                let latents = taken.latents.len() / losses.len();
                let groups = taken
                    .weights
                    .chunks(TOGETHER * parameters)
                    .zip(taken.latents.chunks(TOGETHER * latents))
                    .zip(gradients.chunks_mut(TOGETHER * parameters))
                    .zip(losses.chunks_mut(TOGETHER))
                    .zip(0u64..);
                spread(
                    groups,
                    0,
                    |((((networks, z), gradients), losses), number)| {
                        let minibatch = drawn.minibatch(&mut stream(number), batch);
                        minibatch.gradients(networks, z, cancel, gradients, losses)
                    },
                )?;
            }
        }
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }
}
