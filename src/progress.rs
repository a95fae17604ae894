//! How far long work is.

use std::time::Instant;

/// Where long work is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// `collect`; `evaluate`; or a phase of training: `align`, `codec`, `autoencoder`, `denoiser`,
    /// `inputs` that are drawn, `behaviour`, `gates`.
    pub phase: &'static str,
    /// Steps done of this phase.
    pub step: u64,
    /// Steps of this phase.
    pub total: u64,
    /// The phase's latest loss; NaN where it has none.
    pub loss: f64,
    /// Steps a second.
    pub rate: f64,
    /// Estimated seconds until the phase ends; NaN before its first step.
    pub seconds_left: f64,
}

/// Times a phase.
pub(crate) struct Meter {
    phase: &'static str,
    total: u64,
    first: u64,
    started: Instant,
}

impl Meter {
    /// A phase of `total` steps that begins (or resumes) at step `first`.
    pub(crate) fn new(phase: &'static str, first: u64, total: u64) -> Meter {
        Meter {
            phase,
            total,
            first,
            started: Instant::now(),
        }
    }

    /// The phase after `step` of its steps.
    pub(crate) fn at(&self, step: u64, loss: f64) -> Progress {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let rate = step.saturating_sub(self.first) as f64 / seconds;
        let left = self.total.saturating_sub(step) as f64;
        Progress {
            phase: self.phase,
            step,
            total: self.total,
            loss,
            rate,
            seconds_left: if rate > 0.0 { left / rate } else { f64::NAN },
        }
    }
}
