//! The honest benchmark: zoo, held-out members, samples and every trivial baseline, scored alike
//! and placed in one space.

use super::baselines::Budget;
use super::beside::Beside;
use super::choice::scorings;
use super::evaluation::{Evaluation, Kind, Points, Row};
use super::overlap::{Errors, mean_maximum, mean_maximum_leave_one_out, mean_pairwise};
use super::plan::{Judge, Plan};
use super::reference::{Placement, Reference};
use super::rows::{Restore, Rows};
use super::score::{Scored, Scorer};
use super::summary::{Summary, best_of, median};
use super::verdict::verdicts;
use crate::error::{Error, Result};
use crate::layout::Layout;

/// The distances, in units of the zoo's median leave-one-out nearest distance, beyond which a
/// network counts as novel.
pub const TAUS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

/// What is judged. Every set holds rows of the aligned and normalized weight space.
pub struct Sets<'a> {
    /// The members the generator was trained on; N² inner products of them are held in memory, so a
    /// few thousand at most.
    pub zoo: &'a dyn Rows,
    /// Members trained alike that the generator never saw: what a perfect generator's row shows.
    pub held_out: Option<&'a dyn Rows>,
    /// With `Options::candidates`, so many in turn for each that is judged.
    pub samples: &'a dyn Rows,
    /// From that space to the weights that a scorer gets, in place.
    pub restore: &'a Restore<'a>,
    /// The inverse of `restore`.
    pub normalize: &'a Restore<'a>,
    /// How a scorer's weights lie, by which random networks are begun; without it none are.
    pub layout: Option<&'a Layout>,
}

/// How to judge.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Networks per baseline; 0 for as many as there are samples.
    pub count: usize,
    /// The budget of scores: each sample and each network of a baseline is the best of so many by its selection score,
    /// or by its score where there is none. 0 or 1: they are judged as they are.
    pub candidates: usize,
    /// Seed of the baselines.
    pub seed: u64,
    /// Beginnings of the names of the baselines to run, such as "noise" or "soup"; empty for all.
    pub only: Vec<String>,
    /// Sets from elsewhere, which are judged as baselines are.
    pub beside: Vec<Beside>,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The set being scored.
    pub set: &'a str,
    /// Networks scored, of how many over all sets.
    pub done: usize,
    pub total: usize,
}

/// Scores all sets and the baselines, at equal N, and measures each.
///
/// Scoring is almost all of the work: zoo, held-out, samples, and per baseline
/// `options.count` networks, with their candidates. `progress` is called after every network and ends the evaluation with
/// the error it returns.
pub fn evaluate(
    sets: &Sets,
    scorer: &mut dyn Scorer,
    options: &Options,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<Evaluation> {
    if sets.samples.is_empty() {
        return Err(Error::invalid(
            "there are no samples to evaluate; ask for at least 1",
        ));
    }
    let reference = Reference::new(sets.zoo)?;
    let candidates = options.candidates.max(1);
    let count = match options.count {
        0 => sets.samples.len(),
        count => count.saturating_mul(candidates),
    };
    let start = sets.layout.filter(|_| scorer.polishes());
    let plan = Plan::new(&reference, start, options)?;
    let total = sets.zoo.len()
        + sets.held_out.map_or(0, Rows::len)
        + scorings(sets.samples.len(), candidates)
        + plan.networks(&reference, count, candidates, options.seed)?;
    let mut judge = Judge::new(scorer, sets, candidates, total, progress);

    let zoo = judge.score("zoo", sets.zoo)?;
    let zoo_score = Summary::of(&zoo.scores).ok_or_else(|| Error::Internal("empty zoo".into()))?;
    let mut table = Table {
        bar: zoo_score.mean - zoo_score.deviation.unwrap_or(0.0),
        zoo_errors: zoo.errors.clone(),
        reference: &reference,
        rows: Vec::new(),
    };
    table.add(Kind::Zoo, "zoo", &zoo, &reference.placement)?;
    if let Some(held_out) = sets.held_out.filter(|set| !set.is_empty()) {
        let scored = judge.score("held-out", held_out)?;
        table.add(
            Kind::HeldOut,
            "held-out",
            &scored,
            &reference.place(held_out)?,
        )?;
    }
    let chosen = judge.choose("samples", sets.samples)?;
    let samples = judge.polish(&chosen)?;
    let scored = judge.score("samples", samples.rows())?;
    let placement = reference.place(samples.rows())?;
    let row = table.add(Kind::Samples, "samples", &scored, &placement)?;
    row.budget = samples.budget(chosen.budget(Budget::Weights));

    for rival in plan.prepare(&reference, &zoo, &mut judge, count, options.seed)? {
        let chosen = judge.choose(&rival.name, &*rival.networks)?;
        let networks = judge.polish(&chosen)?;
        let scored = judge.score(&rival.name, networks.rows())?;
        let placement = reference.place(networks.rows())?;
        let row = table.add(Kind::Baseline, &rival.name, &scored, &placement)?;
        row.budget = networks.budget(chosen.budget(rival.budget));
        row.note = rival.note;
    }
    let mut evaluation = table.finish(options.seed);
    if candidates > 1 {
        evaluation.chosen(candidates, zoo.choices());
    }
    Ok(evaluation)
}

/// The rows while they are measured.
struct Table<'a> {
    reference: &'a Reference<'a>,
    zoo_errors: Option<Vec<Errors>>,
    bar: f64,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn add(
        &mut self,
        kind: Kind,
        name: &str,
        scored: &Scored,
        place: &Placement,
    ) -> Result<&mut Row> {
        let unit = self.reference.typical;
        let novelty: Vec<f64> = place.nearest.iter().map(|d| d / unit).collect();
        let (Some(score), Some(typical)) = (Summary::of(&scored.scores), median(&novelty)) else {
            return Err(Error::Internal(format!("{name}: an empty set was scored")));
        };
        let zoo = self.zoo_errors.as_deref();
        let overlap_zoo = match (scored.errors.as_deref(), zoo) {
            (Some(errors), _) if kind == Kind::Zoo => mean_maximum_leave_one_out(errors),
            (Some(errors), Some(zoo)) => mean_maximum(errors, zoo),
            _ => None,
        };
        let row = Row {
            name: name.to_owned(),
            kind,
            budget: Budget::Weights,
            note: None,
            selection: scored.selection.as_deref().and_then(Summary::of),
            best_of: None,
            overlap: scored.errors.as_deref().and_then(mean_pairwise),
            overlap_zoo,
            novelty: typical,
            novel_and_performing: TAUS
                .iter()
                .map(|tau| novel_and_performing(&scored.scores, &novelty, self.bar, *tau))
                .collect(),
            dispersion: self.reference.dispersion(place),
            displacement: self.reference.displacement(place),
            ensemble: scored.ensemble,
            points: Points {
                score: scored.scores.clone(),
                novelty: novelty.iter().map(|d| *d as f32).collect(),
                map: place.map.iter().map(|p| p.map(|c| c as f32)).collect(),
            },
            score,
        };
        self.rows.push(row);
        let last = self.rows.len() - 1;
        Ok(&mut self.rows[last])
    }

    fn finish(mut self, seed: u64) -> Evaluation {
        let sizes = self.rows.iter().map(|row| row.score.n).filter(|n| *n > 1);
        let equal = sizes.min().unwrap_or(1);
        for row in &mut self.rows {
            row.best_of = best_of(&row.points.score, equal);
        }
        let principal = &self.reference.principal;
        Evaluation {
            generator: None,
            seed,
            taus: TAUS.to_vec(),
            bar: self.bar,
            best_of: equal,
            typical_distance: self.reference.typical,
            explained: std::array::from_fn(|k| {
                if k < principal.rank() {
                    principal.explained(k)
                } else {
                    0.0
                }
            }),
            verdicts: verdicts(&self.rows, &TAUS),
            rows: self.rows,
        }
    }
}

/// N&P(tau): the share of networks whose score is above `bar` and whose novelty is above `tau`.
pub fn novel_and_performing(scores: &[f64], novelty: &[f64], bar: f64, tau: f64) -> f64 {
    let passing = scores
        .iter()
        .zip(novelty)
        .filter(|(s, d)| **s > bar && **d > tau);
    passing.count() as f64 / scores.len().max(1) as f64
}
