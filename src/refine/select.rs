//! Selection: of several candidates the best is handed out.

use crate::error::{Error, Result};
use crate::evaluate::{Score, Scorer, Slice};
use crate::generator::{Cancel, Generator, SampleOptions};
use crate::refine::probe::Probe;

/// How many candidates there are for each network, and what tells them apart.
///
/// The candidates are [`SampleOptions::of_candidates`]; of equal ones the first is chosen.
pub struct Selection<'a> {
    /// Candidates, and so scores, that one network costs.
    pub candidates: usize,
    pub judge: Judge<'a>,
}

/// What says how good a candidate is.
pub enum Judge<'a> {
    /// Minus the mean cross-entropy over the whole probe set.
    Probe(&'a Probe<'a>),
    /// The selection score, or the score where there is none. Asked on the calling thread.
    Scorer(&'a mut dyn Scorer),
}

impl Selection<'_> {
    /// Writes the networks of a request to `out` [options.count, parameters].
    ///
    /// Fails with [`Error::Callback`] where a score is not finite, and as sampling and scoring do.
    pub(super) fn run(
        &mut self,
        generator: &Generator,
        options: &SampleOptions,
        cancel: &Cancel,
        out: &mut [f32],
    ) -> Result<()> {
        generator.check_room(options, out)?;
        let each = self.candidates;
        let all = options.of_candidates(each)?;
        let count = all.count;
        let parameters = generator.layout().parameters();
        let rows = generator.held_rows(options.device).min(count.max(1));
        let mut block = vec![0.0; rows * parameters];
        let mut best = vec![f64::NEG_INFINITY; options.count];
        for start in (0..count).step_by(rows) {
            let part = SampleOptions {
                first: all.first.saturating_add(start as u64),
                count: rows.min(count - start),
                ..all.clone()
            };
            let block = &mut block[..part.count * parameters];
            generator.sample(&part, cancel, block)?;
            let scores = self.judge.scores(&part, cancel, block, parameters)?;
            let candidates = block.chunks_exact(parameters).zip(scores);
            for (at, (candidate, score)) in (start..).zip(candidates) {
                let network = at / each;
                if score > best[network] {
                    best[network] = score;
                    out[network * parameters..][..parameters].copy_from_slice(candidate);
                }
            }
        }
        Ok(())
    }
}

impl Judge<'_> {
    /// A finite score for each of the samples in `networks` [part.count, parameters].
    fn scores(
        &mut self,
        part: &SampleOptions,
        cancel: &Cancel,
        networks: &[f32],
        parameters: usize,
    ) -> Result<Vec<f64>> {
        match self {
            Judge::Probe(probe) => {
                let losses = probe.losses(networks, part.threads, cancel)?;
                let scores: Vec<f64> = losses.iter().map(|loss| -loss).collect();
                if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
                    return Err(Error::invalid(format!(
                        "sample {}: its loss on the probe is {}; look for NaN in the probe",
                        part.first + at as u64,
                        -scores[at]
                    )));
                }
                Ok(scores)
            }
            Judge::Scorer(scorer) => {
                let named = |network| format!("sample {}", part.first + network as u64);
                finite_scores(*scorer, networks, parameters, cancel, named)
            }
        }
    }
}

/// The finite score of each network in `networks` [n, parameters], where all have a selection score that one. `named` says
/// what messages call a network.
pub(super) fn finite_scores(
    scorer: &mut dyn Scorer,
    networks: &[f32],
    parameters: usize,
    cancel: &Cancel,
    named: impl Fn(usize) -> String,
) -> Result<Vec<f64>> {
    let count = networks.len() / parameters;
    let mut scores = Vec::with_capacity(count);
    let mut has_selection = None;
    scorer.score(&Slice::new(parameters, networks), &mut |score| {
        let name = named(scores.len());
        scores.push(chosen_by(&name, &score, &mut has_selection)?);
        cancel.check()
    })?;
    match scores.len() == count {
        true => Ok(scores),
        false => Err(Error::Callback(format!(
            "{} scores came back for {count} networks; give one per network, in order",
            scores.len()
        ))),
    }
}

/// What a network is judged by, which must be a number and of the same kind for all.
fn chosen_by(name: &str, score: &Score, has_selection: &mut Option<bool>) -> Result<f64> {
    let is_selection = score.selection_score.is_some();
    if *has_selection.get_or_insert(is_selection) != is_selection {
        return Err(Error::Callback(format!(
            "{name}: some networks have a selection score and some have none; give it for all or for none"
        )));
    }
    let value = score.selection_score.unwrap_or(score.score);
    match value.is_finite() {
        true => Ok(value),
        false => Err(Error::Callback(format!(
            "{name}: its score is {value}; return a finite number"
        ))),
    }
}
