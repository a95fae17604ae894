//! Losses of a network's outputs, and their gradient.

use crate::error::{Error, Result};

/// What a chain's outputs should be.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// The class of each example: cross-entropy of the softmax, the mean over examples.
    Classes(&'a [u32]),
    /// The probability of each class, [examples, outputs]: cross-entropy of the softmax, the mean over examples.
    Probabilities(&'a [f32]),
    /// [examples, outputs]: the mean squared error over both.
    Values(&'a [f32]),
}

impl Targets<'_> {
    pub(super) fn check(&self, examples: usize, outputs: usize) -> Result<()> {
        let (given, needed) = match self {
            Targets::Classes(classes) => (classes.len(), examples),
            Targets::Probabilities(values) | Targets::Values(values) => {
                (values.len(), examples * outputs)
            }
        };
        if given != needed {
            return Err(Error::invalid(format!(
                "{given} targets, and {examples} examples need {needed}; pass one per example and output"
            )));
        }
        if let Targets::Classes(classes) = self
            && let Some(class) = classes.iter().find(|class| **class as usize >= outputs)
        {
            return Err(Error::invalid(format!(
                "class {class} of a target, and the network has {outputs} outputs; count classes from 0"
            )));
        }
        Ok(())
    }

    /// The sum of the losses of examples `first..` that `outputs` [outputs, n] holds, and in its
    /// place the gradient by it, both over `total` examples.
    pub(super) fn loss(&self, first: usize, n: usize, total: usize, outputs: &mut [f32]) -> f64 {
        let count = outputs.len() / n;
        let mut loss = 0.0;
        for example in 0..n {
            let at = |output: usize| output * n + example;
            match self {
                Targets::Classes(_) | Targets::Probabilities(_) => {
                    let wanted = |output| self.wanted(first + example, output, count);
                    let values = (0..count).map(|output| outputs[at(output)]);
                    let most = values.clone().fold(f32::NEG_INFINITY, f32::max);
                    let sum: f32 = values.map(|value| (value - most).exp()).sum();
                    let whole = sum.ln() + most;
                    for output in 0..count {
                        let (value, wanted) = (outputs[at(output)], wanted(output));
                        loss += f64::from(wanted * (whole - value));
                        outputs[at(output)] = ((value - most).exp() / sum - wanted) / total as f32;
                    }
                }
                Targets::Values(values) => {
                    let values = &values[(first + example) * count..][..count];
                    for (output, value) in values.iter().enumerate() {
                        let error = outputs[at(output)] - value;
                        loss += f64::from(error).powi(2) / count as f64;
                        outputs[at(output)] = 2.0 * error / (count * total) as f32;
                    }
                }
            }
        }
        loss / total as f64
    }

    /// The probability that an example should have of a class.
    fn wanted(&self, example: usize, class: usize, classes: usize) -> f32 {
        match self {
            Targets::Classes(of) if of[example] as usize == class => 1.0,
            Targets::Probabilities(of) => of[example * classes + class],
            Targets::Classes(_) | Targets::Values(_) => 0.0,
        }
    }
}
