//! A behaviour loss: what networks do, as the objective of a generator's training (arXiv 2503.17138).

use serde_json::{Value, json};

use crate::chain::spread;
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose};
use crate::refine::polish::{At, Objective, ask};

/// Examples of a minibatch, where the probe has as many: each network of each step gets its own. Fewer make a
/// noisier gradient, which costs more than the time they save (docs/research.md).
const BATCH: usize = 256;

/// By what a generator learns which networks work.
pub struct BehaviourLoss<'a> {
    /// Steps of training.
    pub steps: u64,
    /// Minimized over the generator's samples.
    pub objective: Objective<'a>,
}

impl<'a> BehaviourLoss<'a> {
    /// Steps where the host does not choose (docs/research.md).
    pub const STEPS: u64 = 5000;

    pub fn new(objective: Objective<'a>) -> BehaviourLoss<'a> {
        BehaviourLoss {
            steps: BehaviourLoss::STEPS,
            objective,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::invalid(
                "0 steps of a behaviour loss; ask for at least 1, or leave the loss out",
            ));
        }
        self.objective.check()
    }

    /// Whether it asks for what snapshots do, and so for no data.
    pub(crate) fn is_distilled(&self) -> bool {
        matches!(&self.objective, Objective::Probe(probe, _) if probe.is_distilled())
    }

    /// Tells losses apart, as far as they can be: a host's callbacks are all one.
    pub(crate) fn digest(&self) -> Value {
        let objective = match &self.objective {
            Objective::Probe(probe, batch) => json!([probe.digest(), batch]),
            Objective::Host(_) => json!("host"),
        };
        json!({"steps": self.steps, "objective": objective})
    }

    /// Writes the loss's gradient by each of `networks` [n, parameters] to `gradients`, of the same
    /// shape, and returns the mean loss. A host's callback is asked in order, on this thread.
    pub(crate) fn gradients(
        &mut self,
        parameters: usize,
        seed: u64,
        step: u64,
        networks: &[f32],
        cancel: &Cancel,
        gradients: &mut [f32],
    ) -> Result<f64> {
        let mut losses = vec![0.0; networks.len() / parameters];
        let rows = networks
            .chunks_exact(parameters)
            .zip(gradients.chunks_exact_mut(parameters))
            .zip(&mut losses)
            .zip(0u64..);
        match &mut self.objective {
            Objective::Probe(probe, batch) => {
                let batch = batch.unwrap_or(BATCH.min(probe.examples()));
                spread(rows, 0, |(((network, gradient), loss), number)| {
                    let mut stream = Noise::new(seed).stream(Purpose::Behaviour, number, step);
                    *loss = probe.gradient(&mut stream, batch, network, cancel, gradient)?;
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
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }
}
