//! How much signal is left at each step: x_t = sqrt(ᾱ_t) x_0 + sqrt(1 - ᾱ_t) ε.

use crate::error::{Error, Result};

/// A discrete variance-preserving noise schedule, by its ᾱ_t for t in 0..T.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub(super) alpha_bar: Vec<f64>,
}

impl Schedule {
    /// β_t evenly spaced from `first` to `last` (2006.11239, section 4).
    pub fn linear(steps: usize, first: f64, last: f64) -> Schedule {
        let span = (steps.max(2) - 1) as f64;
        Schedule::from_betas((0..steps).map(|t| first + (last - first) * t as f64 / span))
    }

    fn from_betas(betas: impl Iterator<Item = f64>) -> Schedule {
        let alpha_bar = betas
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Schedule { alpha_bar }
    }

    /// T, the number of steps the network was trained on.
    pub fn steps(&self) -> usize {
        self.alpha_bar.len()
    }

    /// ᾱ_t, the share of the variance of x_t that is signal.
    pub fn alpha_bar(&self, t: usize) -> f64 {
        self.alpha_bar[t]
    }

    /// `count` of the T steps, evenly spaced, from T - 1 down to 0. A single one is T - 1.
    pub(super) fn respaced(&self, count: usize) -> Result<Vec<usize>> {
        let last = self.steps() - 1;
        match count {
            0 => Err(Error::invalid("0 sampling steps; ask for at least 1")),
            1 => Ok(vec![last]),
            _ if count <= self.steps() => Ok((0..count)
                .rev()
                .map(|i| (last * i + (count - 1) / 2) / (count - 1))
                .collect()),
            _ => Err(Error::invalid(format!(
                "{count} sampling steps; the noise schedule has {}, ask for at most that",
                self.steps()
            ))),
        }
    }

    /// Each of `count` steps t with ᾱ at t and at the step that follows, which is 1 at the end.
    pub(super) fn transitions(&self, count: usize) -> Result<Vec<Transition>> {
        let times = self.respaced(count)?;
        let following = times[1..].iter().map(|&s| self.alpha_bar[s]).chain([1.0]);
        Ok(times
            .iter()
            .zip(following)
            .map(|(&t, alpha_bar_next)| Transition {
                t,
                alpha_bar: self.alpha_bar[t],
                alpha_bar_next,
            })
            .collect())
    }
}

/// One step of a sampler, from more noise to less.
pub(super) struct Transition {
    pub t: usize,
    pub alpha_bar: f64,
    pub alpha_bar_next: f64,
}
