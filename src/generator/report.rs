//! What training says of itself, kept inside the generator.

use serde::{Deserialize, Serialize};

/// A loss over the steps of training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub name: String,
    /// (step, loss).
    pub points: Vec<(u64, f64)>,
}

/// A figure that must lie in a range before a generator is called good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    pub name: String,
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub passed: bool,
    /// One line: what the figure says, and what to do when it lies outside.
    pub verdict: String,
}

impl Gate {
    pub(crate) fn new(
        name: &str,
        value: f64,
        low: f64,
        high: f64,
        verdict: impl Into<String>,
    ) -> Gate {
        Gate {
            name: name.into(),
            value,
            low,
            high,
            passed: value >= low && value <= high,
            verdict: verdict.into(),
        }
    }
}

/// The report of a training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub curves: Vec<Curve>,
    /// Share of held-out snapshots' variance that the codec loses; none without held-out ones.
    pub held_out_reconstruction: Option<f64>,
    /// The denoising loss on held-out snapshots, of the flow that was trained, also where it was left out; none where none was.
    pub held_out_denoising: Option<f64>,
    /// The same loss of the collection's Gaussian, which the flow must beat to be worth its time.
    pub gaussian_denoising: Option<f64>,
    pub gates: Vec<Gate>,
    /// Sentences for whoever reads the report.
    pub notes: Vec<String>,
    pub seconds: f64,
}

impl Report {
    /// Whether there were gates and every one passed. A generator that fails one can still be sampled, but no command
    /// calls it good.
    pub fn is_good(&self) -> bool {
        !self.gates.is_empty() && self.gates.iter().all(|gate| gate.passed)
    }
}
