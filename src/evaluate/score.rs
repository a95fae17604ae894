//! Scoring: what a network is worth is the host's to say.

use serde::{Deserialize, Serialize};

use super::ensemble::{Ensemble, Ensembles};
use super::overlap::Errors;
use super::rows::{Matrix, Rows};
use crate::error::{Error, Result};

/// What a scoring program says about one network; as JSON, `{"score": .97, ...}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Higher is better: accuracy, return, minus a loss.
    pub score: f64,
    /// The score on examples kept for choosing; baselines that choose use it and never `score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_score: Option<f64>,
    /// The predicted class of each test example; with `labels`, gives the error overlaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Vec<i64>>,
    /// The true class of each test example; the same for every network, so the first may be the
    /// only one that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<i64>>,
    /// The probability of each class for each test example [examples x classes], one example after
    /// another; with `labels`, gives what ensembles are worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<Vec<f32>>,
}

/// Anything that scores networks: a host's callback, a command.
pub trait Scorer {
    /// Scores every network of `networks` (rows are weights as the layout has them) and hands each
    /// score to `each`, in order. An error of `each` ends the scoring.
    fn score(
        &mut self,
        networks: &dyn Rows,
        each: &mut dyn FnMut(Score) -> Result<()>,
    ) -> Result<()>;

    /// Tells scorers apart, as far as they can be; None of a host's callback.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Whether [`Scorer::polish`] trains networks, so that a random start is a baseline too.
    fn polishes(&self) -> bool {
        false
    }

    /// Trains networks on before they are judged and gives all of them, in order; samples and
    /// baselines alike go through it. None: they are judged as they are.
    fn polish(&mut self, _networks: &dyn Rows) -> Result<Option<Matrix>> {
        Ok(None)
    }
}

/// A function of one network's weights is a scorer.
impl<F: FnMut(&[f32]) -> Result<Score>> Scorer for F {
    fn score(
        &mut self,
        networks: &dyn Rows,
        each: &mut dyn FnMut(Score) -> Result<()>,
    ) -> Result<()> {
        let mut network = vec![0.0; networks.width()];
        for row in 0..networks.len() {
            networks.read(row, &mut network)?;
            each(self(&network)?)?;
        }
        Ok(())
    }
}

/// The scores of a set of n networks.
#[derive(Clone, Debug, Default)]
pub struct Scored {
    /// [n]
    pub scores: Vec<f64>,
    /// [n], or none when the scorer gives none.
    pub selection: Option<Vec<f64>>,
    /// [n], or none when the scorer gives no predictions.
    pub errors: Option<Vec<Errors>>,
    /// None when the scorer gives no probabilities, or of too few networks.
    pub ensemble: Option<Ensemble>,
}

impl Scored {
    /// What choices go by: the selection scores or, where there are none, the scores themselves.
    pub(super) fn chosen_by(&self) -> &[f64] {
        self.selection.as_deref().unwrap_or(&self.scores)
    }

    /// What that is called.
    pub(super) fn choices(&self) -> &'static str {
        match self.selection {
            Some(_) => "selection score",
            None => "score itself",
        }
    }
}

/// Collects scores and refuses those that cannot be compared: not finite, or other fields or other
/// test examples than the first network's.
#[derive(Default)]
pub struct Tally {
    labels: Option<Vec<i64>>,
    /// Whether the first network had (a selection score, predictions), and how many probabilities.
    shape: Option<(bool, bool, usize)>,
}

impl Tally {
    /// Scores the set called `name`; `seen` is told the networks done so far and may end the work.
    pub fn collect(
        &mut self,
        name: &str,
        scorer: &mut dyn Scorer,
        networks: &dyn Rows,
        seen: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Scored> {
        let (mut scores, mut selection, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut ensembles = Ensembles::default();
        scorer.score(networks, &mut |score| {
            let who = format!("{name} {}", scores.len());
            errors.extend(self.check(&who, &score)?);
            if let (Some(probabilities), Some(labels)) = (&score.probabilities, &self.labels) {
                ensembles.add(probabilities, labels);
            }
            scores.push(score.score);
            selection.extend(score.selection_score);
            seen(scores.len())
        })?;
        if scores.len() != networks.len() {
            return Err(Error::Callback(format!(
                "{name}: {} scores came back for {} networks; give one per network, in order",
                scores.len(),
                networks.len()
            )));
        }
        let n = scores.len();
        Ok(Scored {
            selection: (selection.len() == n).then_some(selection),
            errors: (errors.len() == n).then_some(errors),
            ensemble: ensembles.finish(),
            scores,
        })
    }

    fn check(&mut self, who: &str, score: &Score) -> Result<Option<Errors>> {
        let bad = |why: String| Err(Error::Callback(format!("{who}: {why}")));
        for value in std::iter::once(score.score).chain(score.selection_score) {
            if !value.is_finite() {
                return bad(format!("its score is {value}; return a finite number"));
            }
        }
        let probabilities = score.probabilities.as_deref().unwrap_or_default();
        let shape = (
            score.selection_score.is_some(),
            score.predictions.is_some(),
            probabilities.len(),
        );
        if *self.shape.get_or_insert(shape) != shape {
            return bad(
                "it has other fields than the first network's score; give selection_score, \
                 predictions and probabilities for every network or for none"
                    .into(),
            );
        }
        if score.predictions.is_none() && score.probabilities.is_none() {
            return Ok(None);
        }
        match (&self.labels, &score.labels) {
            (None, Some(labels)) => self.labels = Some(labels.clone()),
            (Some(known), Some(labels)) if known != labels => {
                return bad(
                    "its labels differ from the first network's; score all networks on the same \
                     examples"
                        .into(),
                );
            }
            _ => {}
        }
        let Some(labels) = &self.labels else {
            return bad(
                "it has predictions and no labels; give labels with the first network".into(),
            );
        };
        if score.probabilities.is_some() {
            let classes = probabilities.len() / labels.len().max(1);
            if classes * labels.len() != probabilities.len()
                || labels
                    .iter()
                    .any(|label| !(0..classes as i64).contains(label))
            {
                return bad(format!(
                    "{} probabilities for {} labels; give one of each class for each label",
                    probabilities.len(),
                    labels.len()
                ));
            }
            if let Some(p) = probabilities.iter().find(|p| !(0.0..=1.01).contains(*p)) {
                return bad(format!("{p} is no probability; give softmax of the logits"));
            }
        }
        let Some(predictions) = &score.predictions else {
            return Ok(None);
        };
        if predictions.len() != labels.len() {
            return bad(format!(
                "{} predictions for {} labels; predict every example once",
                predictions.len(),
                labels.len()
            ));
        }
        Ok(Some(Errors::new(predictions, labels)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::rows::Matrix;

    fn tally(scores: Vec<Score>) -> Result<Scored> {
        let networks = Matrix::new(1, vec![0.0; scores.len()])?;
        let mut scores = scores.into_iter();
        let mut next = |_: &[f32]| {
            scores
                .next()
                .ok_or_else(|| Error::Internal("no more".into()))
        };
        Tally::default().collect("sample", &mut next, &networks, &mut |_| Ok(()))
    }

    fn message(scores: Vec<Score>) -> String {
        tally(scores).unwrap_err().to_string()
    }

    fn with(predictions: &[i64], labels: Option<&[i64]>) -> Score {
        Score {
            score: 1.0,
            predictions: Some(predictions.to_vec()),
            labels: labels.map(<[i64]>::to_vec),
            ..Score::default()
        }
    }

    #[test]
    fn labels_are_needed_once_and_errors_follow() {
        let scored = tally(vec![with(&[1, 2], Some(&[1, 1])), with(&[0, 0], None)]).unwrap();
        let counts: Vec<u32> = scored.errors.unwrap().iter().map(Errors::count).collect();
        assert_eq!(counts, [1, 2]);
        assert_eq!(scored.selection, None);
    }

    #[test]
    fn scores_that_cannot_be_compared_are_refused() {
        let plain = |score| Score {
            score,
            ..Score::default()
        };
        assert!(
            message(vec![plain(1.0), plain(f64::NAN)]).starts_with("sample 1: its score is NaN")
        );
        let selected = Score {
            selection_score: Some(f64::INFINITY),
            ..plain(1.0)
        };
        assert!(message(vec![selected]).contains("its score is inf"));
        assert!(message(vec![plain(1.0), with(&[1], Some(&[1]))]).contains("other fields"));
        assert!(message(vec![with(&[1], None)]).contains("no labels"));
        let first = with(&[1, 2], Some(&[1, 2]));
        assert!(
            message(vec![first.clone(), with(&[1], None)]).contains("1 predictions for 2 labels")
        );
        assert!(message(vec![first, with(&[1, 2], Some(&[1, 1]))]).contains("labels differ"));
    }

    #[test]
    fn probabilities_give_ensembles_and_are_checked() {
        let sure = |probabilities: &[f32], labels: Option<&[i64]>| Score {
            score: 1.0,
            labels: labels.map(<[i64]>::to_vec),
            probabilities: Some(probabilities.to_vec()),
            ..Score::default()
        };
        let mut scores = vec![sure(&[0.8, 0.2], Some(&[0]))];
        scores.extend((1..10).map(|_| sure(&[0.6, 0.4], None)));
        let scored = tally(scores).unwrap();
        let ensemble = scored.ensemble.unwrap();
        assert!((ensemble.negative_log_likelihood + 0.62f64.ln()).abs() < 1e-6);
        assert!(scored.errors.is_none());
        let says = |probabilities: &[f32], labels: &[i64], part: &str| {
            let message = message(vec![sure(probabilities, Some(labels))]);
            assert!(message.contains(part), "{message}");
        };
        says(&[0.5, 0.5, 1.0], &[0, 1], "3 probabilities for 2 labels");
        says(&[0.5, 0.5], &[2], "2 probabilities for 1 labels");
        says(&[1.5, 0.5], &[0], "1.5 is no probability");
        says(&[f32::NAN, 0.5], &[0], "NaN is no probability");
        let other = vec![sure(&[0.5, 0.5], Some(&[0])), sure(&[1.0], None)];
        assert!(message(other).contains("other fields"));
    }
}
