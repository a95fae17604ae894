//! The honest benchmark: zoo, held-out members, samples and every trivial baseline, scored alike
//! and placed in one space.

use serde::{Deserialize, Serialize};

use super::baselines::{Baseline, Budget, Method, STRENGTHS};
use super::overlap::{Errors, mean_maximum, mean_maximum_leave_one_out, mean_pairwise};
use super::reference::{Placement, Reference};
use super::rows::{Restore, Restored, Rows};
use super::score::{Scored, Scorer, Tally};
use super::summary::{Summary, best_of, median};
use super::verdict::{Verdict, verdicts};
use crate::error::{Error, Result};

/// The format of an evaluation's JSON.
pub const VERSION: u32 = 1;
/// The distances, in units of the zoo's median leave-one-out nearest distance, beyond which a
/// network counts as novel.
pub const TAUS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// Networks scored per strength when noise is tuned, and members tried by the greedy soup.
const TRIALS: usize = 16;

/// What is judged. Every set holds rows of the aligned and normalized weight space.
pub struct Sets<'a> {
    /// The members the generator was trained on.
    pub zoo: &'a dyn Rows,
    /// Members trained alike that the generator never saw: what a perfect generator's row shows.
    pub held_out: Option<&'a dyn Rows>,
    pub samples: &'a dyn Rows,
    /// From that space to the weights that a scorer gets, in place.
    pub restore: &'a Restore<'a>,
}

/// How to judge.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Networks per baseline; 0 for as many as there are samples.
    pub count: usize,
    /// Seed of the baselines.
    pub seed: u64,
    /// Beginnings of the names of the baselines to run, such as "noise" or "soup"; empty for all.
    pub only: Vec<String>,
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
    pub points: Points,
}

/// What the pictures show, one entry per network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    pub score: Vec<f32>,
    /// Nearest distance to the zoo in units of `Evaluation::typical_distance`.
    pub novelty: Vec<f32>,
    /// The zoo's first two principal coordinates.
    pub map: Vec<[f32; 2]>,
}

/// A whole evaluation, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub version: u32,
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

    /// Reads what `serde_json` wrote. Fails on a newer version and on anything else.
    pub fn from_json(path: &std::path::Path, json: &str) -> Result<Evaluation> {
        let evaluation: Evaluation =
            serde_json::from_str(json).map_err(|error| Error::corrupt(path, error.to_string()))?;
        if evaluation.version > VERSION {
            return Err(Error::NewerVersion {
                path: path.to_owned(),
                found: evaluation.version,
                known: VERSION,
            });
        }
        Ok(evaluation)
    }
}

/// Scores all sets and the baselines, at equal N, and measures each.
///
/// Scoring is almost all of the work: zoo, held-out, samples, and per baseline
/// `options.count` networks. `progress` is called after every network and ends the evaluation with
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
    let count = if options.count == 0 {
        sets.samples.len()
    } else {
        options.count
    };
    let plan = Plan::new(&reference, &options.only)?;
    let mut judge = Judge {
        restore: sets.restore,
        total: sets.zoo.len()
            + sets.held_out.map_or(0, Rows::len)
            + sets.samples.len()
            + plan.networks(&reference, count, options.seed)?,
        done: 0,
        scorer,
        tally: Tally::default(),
        progress,
    };

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
    let scored = judge.score("samples", sets.samples)?;
    table.add(
        Kind::Samples,
        "samples",
        &scored,
        &reference.place(sets.samples)?,
    )?;

    for (baseline, note) in plan.prepare(&reference, &zoo, &mut judge, count, options.seed)? {
        let scored = judge.score(&baseline.name, &baseline)?;
        let placement = reference.place(&baseline)?;
        let row = table.add(Kind::Baseline, &baseline.name, &scored, &placement)?;
        row.budget = baseline.budget;
        row.note = note;
    }
    Ok(table.finish(options.seed))
}

/// The scorer with what every call to it needs.
struct Judge<'a> {
    restore: &'a Restore<'a>,
    scorer: &'a mut dyn Scorer,
    tally: Tally,
    progress: &'a mut dyn FnMut(Progress) -> Result<()>,
    done: usize,
    total: usize,
}

impl Judge<'_> {
    fn score(&mut self, name: &str, rows: &dyn Rows) -> Result<Scored> {
        let networks = Restored {
            rows,
            restore: self.restore,
        };
        let (before, total, progress) = (self.done, self.total, &mut self.progress);
        let scored = self
            .tally
            .collect(name, self.scorer, &networks, &mut |seen| {
                progress(Progress {
                    set: name,
                    done: before + seen,
                    total,
                })
            })?;
        self.done += scored.scores.len();
        Ok(scored)
    }
}

/// Which baselines run.
struct Plan {
    noise: bool,
    greedy: bool,
    fixed: Vec<Method>,
}

impl Plan {
    fn new(reference: &Reference, only: &[String]) -> Result<Plan> {
        let (n, rank) = (reference.zoo.len(), reference.principal.rank());
        let mut used = vec![only.is_empty(); only.len()];
        let mut wanted = |name: &str| {
            let mut any = only.is_empty();
            for (prefix, used) in only.iter().zip(&mut used) {
                if name
                    .to_lowercase()
                    .starts_with(&prefix.trim().to_lowercase())
                {
                    (any, *used) = (true, true);
                }
            }
            any
        };
        let plan = Plan {
            noise: wanted("noise"),
            greedy: wanted("greedy soup"),
            fixed: Method::fixed(n, rank)
                .into_iter()
                .filter(|method| wanted(&method.name(n)))
                .collect(),
        };
        if let Some(index) = used.iter().position(|used| !used) {
            return Err(Error::invalid(format!(
                "no baseline begins with \"{}\"; there are noise, Gaussian, kernel, interpolation, \
                 soup, greedy and stored",
                only[index]
            )));
        }
        Ok(plan)
    }

    /// Networks that all of it scores.
    fn networks(&self, reference: &Reference, count: usize, seed: u64) -> Result<usize> {
        let mut networks = 0;
        for method in &self.fixed {
            networks +=
                Baseline::new(reference, method.clone(), Budget::Weights, count, seed)?.len();
        }
        if self.noise {
            networks += count + STRENGTHS.len() * TRIALS;
        }
        if self.greedy {
            networks += TRIALS.min(reference.zoo.len());
        }
        Ok(networks)
    }

    /// Makes the choices that some baselines leave open. They see the zoo's selection scores, or,
    /// when the scorer gives none, the scores themselves, which flatters them.
    fn prepare<'a>(
        self,
        reference: &'a Reference<'a>,
        zoo: &Scored,
        judge: &mut Judge,
        count: usize,
        seed: u64,
    ) -> Result<Vec<(Baseline<'a>, Option<String>)>> {
        let by = |scored: &Scored| {
            scored
                .selection
                .clone()
                .unwrap_or_else(|| scored.scores.clone())
        };
        let on = if zoo.selection.is_some() {
            "selection score"
        } else {
            "score itself"
        };
        let make = |method, budget| Baseline::new(reference, method, budget, count, seed);
        let mut baselines = Vec::new();

        if self.noise {
            let zoo = Summary::of(&by(zoo)).ok_or_else(|| Error::Internal("empty zoo".into()))?;
            let bar = zoo.mean - zoo.deviation.unwrap_or(0.0);
            let mut strength = STRENGTHS[0];
            for candidate in STRENGTHS {
                let method = Method::Noise {
                    strength: candidate,
                };
                let trial = Baseline::new(reference, method, Budget::Score, TRIALS, !seed)?;
                let scores = by(&judge.score(&trial.name, &trial)?);
                let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
                if mean >= bar {
                    strength = candidate;
                }
            }
            let note = format!(
                "the largest strength of {STRENGTHS:?} whose mean {on} reaches the zoo's mean less \
                 one deviation"
            );
            baselines.push((make(Method::Noise { strength }, Budget::Score)?, Some(note)));
        }
        for method in self.fixed {
            baselines.push((make(method, Budget::Weights)?, None));
        }
        if self.greedy {
            let members = greedy_soup(reference, &by(zoo), seed, |soup| {
                Ok(by(&judge.score("greedy soup", soup)?).iter().sum())
            })?;
            let note = format!("members added in order of their {on}, kept when it does not fall");
            baselines.push((make(Method::SoupOf { members }, Budget::Score)?, Some(note)));
        }
        Ok(baselines)
    }
}

/// The greedy soup (arXiv 2203.05482, recipe 1) over the best members by `scores`.
fn greedy_soup(
    reference: &Reference,
    scores: &[f64],
    seed: u64,
    mut score: impl FnMut(&dyn Rows) -> Result<f64>,
) -> Result<Vec<usize>> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut soup, mut best) = (vec![order[0]], scores[order[0]]);
    for member in &order[1..TRIALS.min(order.len())] {
        let members: Vec<usize> = soup.iter().chain([member]).copied().collect();
        let method = Method::SoupOf {
            members: members.clone(),
        };
        let value = score(&Baseline::new(reference, method, Budget::Score, 1, seed)?)?;
        if value >= best {
            (soup, best) = (members, value);
        }
    }
    Ok(soup)
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
            points: Points {
                score: scored.scores.iter().map(|s| *s as f32).collect(),
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
            let scores: Vec<f64> = row.points.score.iter().map(|s| f64::from(*s)).collect();
            row.best_of = best_of(&scores, equal);
        }
        let principal = &self.reference.principal;
        Evaluation {
            version: VERSION,
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
