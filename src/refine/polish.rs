//! Polishing: a few steps of training for each sample, by AdamW with one cycle of the learning rate.

use std::f64::consts::PI;
use std::ops::Range;

use crate::chain::spread;
use crate::error::{Error, Result};
use crate::generator::{Cancel, SampleOptions};
use crate::layout::Layout;
use crate::refine::adamw::AdamW;
use crate::refine::probe::Probe;

/// Examples of a minibatch, where the probe has as many.
const BATCH: usize = 64;
/// Share of the steps in which the learning rate rises.
const RISE: f64 = 0.1;

/// Training that each sample gets before it is handed out.
pub struct Polish<'a> {
    /// Steps of each network.
    pub steps: u64,
    /// The highest learning rate; none: the one that suits the generator's samples.
    pub rate: Option<f64>,
    pub objective: Objective<'a>,
}

/// What is minimized.
pub enum Objective<'a> {
    /// Mean cross-entropy over minibatches of a probe set, of so many examples; none: 64, or all where
    /// there are fewer. Networks are trained on several threads, each by one of them.
    Probe(&'a Probe<'a>, Option<usize>),
    /// What the host says, which is asked on the calling thread.
    Host(Box<GradientFn<'a>>),
}

/// Given where the training is and the network [parameters], writes the loss's gradient by it to the
/// last argument, of zeros [parameters], and returns the loss. Of running statistics it is not used.
pub type GradientFn<'a> = dyn FnMut(At, &[f32], &mut [f32]) -> Result<f64> + 'a;

/// Where a polish is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The sample's number.
    pub number: u64,
    /// The step, from 0.
    pub step: u64,
}

impl<'a> Polish<'a> {
    pub fn new(steps: u64, objective: Objective<'a>) -> Polish<'a> {
        Polish {
            steps,
            rate: None,
            objective,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(rate) = self.rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(Error::invalid(format!(
                "a polish at rate {rate}; give a finite one above 0"
            )));
        }
        self.objective.check()
    }

    /// Trains the samples of a request, `networks` [options.count, parameters], in place; at `usual_rate`
    /// where the host does not choose.
    ///
    /// Fails with [`Error::InvalidArgument`] where a training diverges, [`Error::Callback`] where the
    /// host's gradient is not finite, [`Error::Cancelled`], and as the host's gradient does.
    pub(super) fn run(
        &mut self,
        layout: &Layout,
        usual_rate: f64,
        options: &SampleOptions,
        cancel: &Cancel,
        networks: &mut [f32],
    ) -> Result<()> {
        let numbered = networks
            .chunks_exact_mut(layout.parameters())
            .zip(options.first..);
        let (steps, rate) = (self.steps, self.rate.unwrap_or(usual_rate));
        match &mut self.objective {
            Objective::Probe(probe, batch) => {
                let batch = batch.unwrap_or(BATCH.min(probe.examples()));
                let one = |(network, number): (&mut [f32], u64)| {
                    let mut minibatches = probe.minibatches(options.seed, number, batch);
                    let training = Training {
                        number,
                        steps,
                        rate,
                        trained: probe.trained(),
                    };
                    training.run(network, |_, network, gradient| {
                        minibatches.gradient(network, cancel, gradient)
                    })
                };
                spread(numbered, options.threads, one)
            }
            Objective::Host(gradient_of) => {
                let trained = trained(layout);
                for (network, number) in numbered {
                    let training = Training {
                        number,
                        steps,
                        rate,
                        trained: &trained,
                    };
                    training.run(network, |step, network, gradient| {
                        cancel.check()?;
                        ask(gradient_of, At { number, step }, network, gradient)
                    })?;
                }
                Ok(())
            }
        }
    }
}

impl Objective<'_> {
    pub(super) fn check(&self) -> Result<()> {
        if let Objective::Probe(probe, Some(batch)) = self
            && !(1..=probe.examples()).contains(batch)
        {
            return Err(Error::invalid(format!(
                "minibatches of {batch} from a probe of {} examples; take 1 to as many",
                probe.examples()
            )));
        }
        Ok(())
    }
}

/// What training changes: all but running statistics.
fn trained(layout: &Layout) -> Vec<Range<usize>> {
    let ranges = layout
        .ranges()
        .filter(|(tensor, _)| tensor.role.is_trained());
    ranges.map(|(_, range)| range).collect()
}

/// Asks the host for a loss and its gradient, which have to be numbers.
pub(super) fn ask(
    gradient_of: &mut GradientFn,
    at: At,
    network: &[f32],
    gradient: &mut [f32],
) -> Result<f64> {
    let At { number, step } = at;
    let wrong = |what: String| {
        Error::Callback(format!(
            "the gradient callback gave {what} at step {step} of network {number}; give finite numbers, or train at a lower rate"
        ))
    };
    gradient.fill(0.0);
    let loss = gradient_of(at, network, gradient)?;
    if !loss.is_finite() {
        return Err(wrong(format!("the loss {loss}")));
    }
    match gradient.iter().position(|g| !g.is_finite()) {
        Some(index) => Err(wrong(format!("{} for parameter {index}", gradient[index]))),
        None => Ok(loss),
    }
}

/// The training of one network.
struct Training<'a> {
    number: u64,
    steps: u64,
    rate: f64,
    trained: &'a [Range<usize>],
}

impl Training<'_> {
    /// `gradient_of` is given the step and the network, and writes its gradient.
    fn run(
        &self,
        network: &mut [f32],
        mut gradient_of: impl FnMut(u64, &[f32], &mut [f32]) -> Result<f64>,
    ) -> Result<()> {
        let mut optimizer = AdamW::new(network.len());
        let mut gradient = vec![0.0; network.len()];
        for step in 0..self.steps {
            let loss = gradient_of(step, network, &mut gradient)?;
            if !loss.is_finite() {
                return Err(self.diverged(step, &format!("its loss is {loss}")));
            }
            let rate = one_cycle(self.rate, step as f64 / self.steps as f64);
            optimizer.step(network, &gradient, self.trained, rate);
        }
        match network.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(self.diverged(self.steps, "its weights are not finite")),
        }
    }

    fn diverged(&self, step: u64, how: &str) -> Error {
        Error::invalid(format!(
            "sample {} diverged: {how} at step {step} of its polish; polish at a lower rate, or look for NaN in the probe",
            self.number
        ))
    }
}

/// Learning rate at `t` in [0, 1): up to `peak` in the first tenth, then down a cosine to 0.
pub(crate) fn one_cycle(peak: f64, t: f64) -> f64 {
    if t < RISE {
        return peak * (t / RISE).max(0.01);
    }
    peak * 0.5 * (1.0 + (PI * (t - RISE) / (1.0 - RISE)).cos())
}
