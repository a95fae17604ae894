//! Which baselines an evaluation runs, and the choices that some of them leave open.

use super::baselines::{Baseline, Budget, Method, STRENGTHS};
use super::benchmark::{Options, Progress, Sets};
use super::beside::{Beside, check_names};
use super::choice::{Chosen, is_choice, scorings};
use super::polish::Polished;
use super::reference::Reference;
use super::rows::{Matrix, Restore, Restored, Rows};
use super::score::{Scored, Scorer, Tally};
use super::start::{self, RandomStart};
use super::summary::Summary;
use crate::error::{Error, Result};
use crate::layout::Layout;

/// Networks scored per strength when noise is tuned, and members tried by the greedy soup.
const TRIALS: usize = 16;

/// The scorer with what every call to it needs.
pub(super) struct Judge<'a> {
    restore: &'a Restore<'a>,
    scorer: &'a mut dyn Scorer,
    normalize: &'a Restore<'a>,
    /// Of which each network is the best.
    candidates: usize,
    tally: Tally,
    progress: &'a mut dyn FnMut(Progress) -> Result<()>,
    done: usize,
    total: usize,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        scorer: &'a mut dyn Scorer,
        sets: &Sets<'a>,
        candidates: usize,
        total: usize,
        progress: &'a mut dyn FnMut(Progress) -> Result<()>,
    ) -> Judge<'a> {
        Judge {
            restore: sets.restore,
            normalize: sets.normalize,
            scorer,
            candidates,
            tally: Tally::default(),
            progress,
            done: 0,
            total,
        }
    }

    /// The networks of a set that are judged: the best of each few where there is a budget of scores.
    pub(super) fn choose<'r>(&mut self, name: &str, rows: &'r dyn Rows) -> Result<Chosen<'r>> {
        if !is_choice(rows.len(), self.candidates) {
            return Ok(Chosen::all(rows));
        }
        let scored = self.score(name, rows)?;
        Ok(Chosen::best(rows, self.candidates, scored.chosen_by()))
    }

    /// A set as it is judged: trained on where the scorer does that.
    pub(super) fn polish<'r>(&mut self, rows: &'r dyn Rows) -> Result<Polished<'r>> {
        let networks = Restored {
            rows,
            restore: self.restore,
        };
        Ok(match self.scorer.polish(&networks)? {
            Some(polished) => Polished::Polished(Matrix::from_rows(&Restored {
                rows: &polished,
                restore: self.normalize,
            })?),
            None => Polished::Unchanged(rows),
        })
    }

    /// Scores a set, given in the normalized space.
    pub(super) fn score(&mut self, name: &str, rows: &dyn Rows) -> Result<Scored> {
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

/// A set that samples are judged beside.
pub(super) struct Rival<'a> {
    pub(super) name: String,
    pub(super) budget: Budget,
    /// How a free choice was made.
    pub(super) note: Option<String>,
    /// In the normalized space.
    pub(super) networks: Box<dyn Rows + 'a>,
}

impl<'a> Rival<'a> {
    fn new(baseline: Baseline<'a>, note: Option<String>) -> Rival<'a> {
        Rival {
            name: baseline.name.clone(),
            budget: baseline.budget,
            note,
            networks: Box::new(baseline),
        }
    }
}

/// Which baselines run.
pub(super) struct Plan<'a> {
    noise: bool,
    greedy: bool,
    fixed: Vec<Method>,
    /// What a random start is begun by.
    start: Option<&'a Layout>,
    beside: &'a [Beside],
}

impl<'a> Plan<'a> {
    /// `start` where a random start says something: with a polish.
    pub(super) fn new(
        reference: &Reference,
        start: Option<&'a Layout>,
        options: &'a Options,
    ) -> Result<Plan<'a>> {
        let only = &options.only;
        check_names(&options.beside, &names(reference))?;
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
            start: start.filter(|_| wanted(start::NAME)),
            beside: &options.beside,
        };
        if let Some(index) = used.iter().position(|used| !used) {
            return Err(Error::invalid(format!(
                "no baseline begins with \"{}\"; there are noise, Gaussian, kernel, interpolation, \
                 soup, greedy and stored, and with a polish random start",
                only[index]
            )));
        }
        Ok(plan)
    }

    /// Networks that all of it scores, where each baseline makes `count`.
    pub(super) fn networks(
        &self,
        reference: &Reference,
        count: usize,
        candidates: usize,
        seed: u64,
    ) -> Result<usize> {
        let judged = |networks| scorings(networks, candidates);
        let beside = self.beside.iter();
        let mut networks = beside.map(|set| judged(set.networks.len())).sum();
        for method in &self.fixed {
            let made = Baseline::new(reference, method.clone(), Budget::Weights, count, seed)?;
            networks += judged(made.len());
        }
        if self.noise {
            networks += judged(count) + STRENGTHS.len() * TRIALS;
        }
        if self.greedy {
            networks += TRIALS.min(reference.zoo.len());
        }
        if self.start.is_some() {
            networks += judged(count);
        }
        Ok(networks)
    }

    /// Makes the choices that some baselines leave open. They see the zoo's selection scores, or,
    /// when the scorer gives none, the scores themselves, which flatters them.
    pub(super) fn prepare(
        self,
        reference: &'a Reference<'a>,
        zoo: &Scored,
        judge: &mut Judge<'a>,
        count: usize,
        seed: u64,
    ) -> Result<Vec<Rival<'a>>> {
        let on = zoo.choices();
        let make = |method, budget| Baseline::new(reference, method, budget, count, seed);
        let mut rivals = Vec::new();

        if self.noise {
            let zoo =
                Summary::of(zoo.chosen_by()).ok_or_else(|| Error::Internal("empty zoo".into()))?;
            let bar = zoo.mean - zoo.deviation.unwrap_or(0.0);
            let mut strength = STRENGTHS[0];
            for candidate in STRENGTHS {
                let method = Method::Noise {
                    strength: candidate,
                };
                let trial = Baseline::new(reference, method, Budget::Score, TRIALS, !seed)?;
                let networks = judge.polish(&trial)?;
                let scored = judge.score(&trial.name, networks.rows())?;
                let scores = scored.chosen_by();
                let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
                if mean >= bar {
                    strength = candidate;
                }
            }
            let note = format!(
                "the largest strength of {STRENGTHS:?} whose mean {on} reaches the zoo's mean less \
                 one deviation"
            );
            let noise = make(Method::Noise { strength }, Budget::Score)?;
            rivals.push(Rival::new(noise, Some(note)));
        }
        for method in self.fixed {
            rivals.push(Rival::new(make(method, Budget::Weights)?, None));
        }
        if self.greedy {
            let members = greedy_soup(reference, zoo.chosen_by(), seed, |soup| {
                let networks = judge.polish(soup)?;
                let scored = judge.score("greedy soup", networks.rows())?;
                Ok(scored.chosen_by().iter().sum())
            })?;
            let note = format!("members added in order of their {on}, kept when it does not fall");
            let soup = make(Method::SoupOf { members }, Budget::Score)?;
            rivals.push(Rival::new(soup, Some(note)));
        }
        if let Some(layout) = self.start {
            rivals.push(Rival {
                name: start::NAME.into(),
                budget: Budget::Weights,
                note: None,
                networks: Box::new(RandomStart {
                    layout,
                    normalize: judge.normalize,
                    seed,
                    count,
                }),
            });
        }
        rivals.extend(self.beside.iter().map(|set| Rival {
            name: set.name.clone(),
            budget: Budget::Weights,
            note: None,
            networks: Box::new(Restored {
                rows: &set.networks,
                restore: judge.normalize,
            }),
        }));
        Ok(rivals)
    }
}

/// What rows may be called without sets from elsewhere.
fn names(reference: &Reference) -> Vec<String> {
    let n = reference.zoo.len();
    let mut methods = Method::fixed(n, reference.principal.rank());
    methods.extend(STRENGTHS.map(|strength| Method::Noise { strength }));
    methods.extend((1..=TRIALS).map(|size| Method::SoupOf {
        members: (0..size).collect(),
    }));
    let sets = ["zoo", "held-out", "samples", start::NAME].map(String::from);
    let baselines = methods.iter().map(|method| method.name(n));
    sets.into_iter().chain(baselines).collect()
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
