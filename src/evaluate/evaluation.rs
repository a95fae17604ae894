//! An evaluation as it is stored: one row per set of networks, and what they say.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::baselines::Budget;
use super::ensemble::Ensemble;
use super::summary::Summary;
use super::verdict::{Tone, Verdict};
use crate::document;
use crate::error::Result;
use crate::generator::Provenance;

const FORMAT: &str = "pdiff-evaluation";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Zoo,
    HeldOut,
    Samples,
    Baseline,
}

/// One set of networks and all that is measured on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub kind: Kind,
    pub budget: Budget,
    /// How a baseline's free choice was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub score: Summary,
    /// The same of the selection scores; none when the scorer gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Summary>,
    /// Best of `Evaluation::best_of` networks, in expectation; none of a smaller set.
    pub best_of: Option<f64>,
    /// Mean error overlap of pairs inside the set; none without predictions.
    pub overlap: Option<f64>,
    /// Mean over the set of the largest error overlap with a zoo member (the zoo's row: with
    /// another one).
    pub overlap_zoo: Option<f64>,
    /// Median nearest distance to the zoo in units of `Evaluation::typical_distance`.
    pub novelty: f64,
    /// N&P(tau), one for each of `Evaluation::taus`: the share of networks that score above
    /// `Evaluation::bar` and lie further than tau from the zoo.
    pub novel_and_performing: Vec<f64>,
    /// Spread about its own mean over the zoo's; none of a single network.
    pub dispersion: Option<f64>,
    /// Spread about the zoo's mean over the zoo's.
    pub displacement: f64,
    /// What networks of the set are worth together; none without probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<Ensemble>,
    pub points: Points,
}

/// What the pictures show, one entry per network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    pub score: Vec<f64>,
    /// Nearest distance to the zoo in units of `Evaluation::typical_distance`.
    pub novelty: Vec<f32>,
    /// The zoo's first two principal coordinates.
    pub map: Vec<[f32; 2]>,
}

/// A whole evaluation, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What the judged generator was made from, by which a report finds it to be of that one; none
    /// of sets that came from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Provenance>,
    /// Seed of the baselines.
    pub seed: u64,
    pub taus: Vec<f64>,
    /// The zoo's mean score less one standard deviation.
    pub bar: f64,
    /// The N of the rows' `best_of`.
    pub best_of: usize,
    /// The zoo's median leave-one-out nearest distance.
    pub typical_distance: f64,
    /// Shares of the zoo's variance along the two axes of the map.
    pub explained: [f64; 2],
    /// Zoo, held-out, samples, then the baselines.
    pub rows: Vec<Row>,
    pub verdicts: Vec<Verdict>,
}

impl Evaluation {
    /// The first row of this kind.
    pub fn row(&self, kind: Kind) -> Option<&Row> {
        self.rows.iter().find(|row| row.kind == kind)
    }

    /// Says that networks were chosen among candidates, and by what.
    pub(super) fn chosen(&mut self, candidates: usize, by: &str) {
        self.verdicts.push(Verdict {
            tone: Tone::Neutral,
            text: format!(
                "Each sample, and each network of a baseline that makes several, is the best of {candidates} candidates by the {by}."
            ),
        });
    }

    /// Says that the samples' generator asked the snapshots what they do, which needs no data.
    pub(super) fn distilled(&mut self, steps: u64) {
        self.verdicts.push(Verdict {
            tone: Tone::Neutral,
            text: format!(
                "The generator was taught by {steps} steps what its snapshots do on random inputs: its samples owe nothing to data, as the baselines of weights alone do not."
            ),
        });
    }

    /// Says that the samples' generator saw data, which a baseline of weights alone did not.
    pub(super) fn taught(&mut self, steps: u64) {
        let samples = self.rows.iter_mut().filter(|row| row.kind == Kind::Samples);
        for row in samples.filter(|row| row.budget == Budget::Weights) {
            row.budget = Budget::Behaviour;
        }
        self.verdicts.push(Verdict {
            tone: Tone::Neutral,
            text: format!(
                "The generator was taught by {steps} steps of a behaviour loss: its samples owe something to data, which the baselines of weights alone do not."
            ),
        });
    }

    /// Writes the evaluation as JSON with a checksum.
    pub fn write(&self, path: &Path) -> Result<()> {
        document::write(path, FORMAT, self)
    }

    /// Reads what [`Evaluation::write`] wrote. Fails on a newer version and on anything else.
    pub fn open(path: &Path) -> Result<Evaluation> {
        document::read(path, FORMAT)
    }
}
