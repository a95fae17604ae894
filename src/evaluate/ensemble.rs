//! What networks are worth together: the mean of their probabilities.

use serde::{Deserialize, Serialize};

/// Networks in an ensemble.
pub const MEMBERS: usize = 10;
/// Bins of confidence of the calibration error (arXiv 1706.04599, eq. 3).
const BINS: usize = 15;
/// A probability of 0 costs as much as this one, so that no likelihood is infinite.
const SMALLEST: f64 = 1e-12;

/// Ensembles of [`MEMBERS`] networks of a set, each network in one of them: means over ensembles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    /// How many ensembles.
    pub count: usize,
    pub accuracy: f64,
    /// Mean over the test examples, in nats.
    pub negative_log_likelihood: f64,
    /// Expected calibration error: the gap between confidence and accuracy, over 15 bins.
    pub calibration_error: f64,
}

/// Networks' probabilities as they come, of which only the ensemble being filled is held.
#[derive(Default)]
pub(super) struct Ensembles {
    sum: Vec<f64>,
    members: usize,
    done: Vec<[f64; 3]>,
}

impl Ensembles {
    /// Adds a network's probabilities [examples x classes] of the examples with these labels.
    pub(super) fn add(&mut self, probabilities: &[f32], labels: &[i64]) {
        self.sum.resize(probabilities.len(), 0.0);
        let pairs = self.sum.iter_mut().zip(probabilities);
        pairs.for_each(|(sum, p)| *sum += f64::from(*p) / MEMBERS as f64);
        self.members += 1;
        if self.members == MEMBERS {
            self.done.push(figures(&self.sum, labels));
            self.sum.fill(0.0);
            self.members = 0;
        }
    }

    /// None of fewer networks than one ensemble has; what is left over is left out.
    pub(super) fn finish(self) -> Option<Ensemble> {
        let count = self.done.len();
        let mean =
            |k: usize| self.done.iter().map(|figures| figures[k]).sum::<f64>() / count as f64;
        (count > 0).then(|| Ensemble {
            count,
            accuracy: mean(0),
            negative_log_likelihood: mean(1),
            calibration_error: mean(2),
        })
    }
}

/// Accuracy, negative log-likelihood and expected calibration error.
fn figures(probabilities: &[f64], labels: &[i64]) -> [f64; 3] {
    let classes = probabilities.len() / labels.len().max(1);
    let (mut right, mut nll) = (0.0, 0.0);
    // Of each bin: confidence less whether it was right, summed.
    let mut gaps = [0.0f64; BINS];
    for (row, label) in probabilities.chunks_exact(classes.max(1)).zip(labels) {
        let (class, confidence) =
            row.iter()
                .copied()
                .enumerate()
                .fold((0, f64::NEG_INFINITY), |best, at| {
                    if at.1 > best.1 { at } else { best }
                });
        let hit = f64::from(u8::from(class as i64 == *label));
        right += hit;
        nll -= row[*label as usize].max(SMALLEST).ln();
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        gaps[bin] += confidence - hit;
    }
    let n = labels.len().max(1) as f64;
    [
        right / n,
        nll / n,
        gaps.iter().map(|gap| gap.abs()).sum::<f64>() / n,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        // Confidences .9, .6 and .6; right, right, wrong.
        let [accuracy, nll, error] = figures(&[0.9, 0.1, 0.4, 0.6, 0.6, 0.4], &[0, 1, 1]);
        assert!((accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert!((nll + (0.9f64.ln() + 0.6f64.ln() + 0.4f64.ln()) / 3.0).abs() < 1e-12);
        // The bin of .9: .1 too timid; the bin of .6: 1.2 - 1 too bold.
        assert!((error - (0.1 + 0.2) / 3.0).abs() < 1e-12);
        assert!(figures(&[0.0, 1.0], &[0])[1].is_finite());
    }

    #[test]
    fn ensembles_are_means_of_ten_in_order() {
        let mut ensembles = Ensembles::default();
        // Nine of ten sure of the right class, then ten sure of the wrong one, then a rest.
        for right in [vec![true; 9], vec![false; 11], vec![true; 3]].concat() {
            let sure = if right { [1.0, 0.0] } else { [0.0, 1.0] };
            ensembles.add(&sure, &[0]);
        }
        let ensemble = ensembles.finish().unwrap();
        assert_eq!((ensemble.count, ensemble.accuracy), (2, 0.5));
        let nll = -(0.9f64.ln() + SMALLEST.ln()) / 2.0;
        assert!((ensemble.negative_log_likelihood - nll).abs() < 1e-9);
        assert!((ensemble.calibration_error - (0.1 + 1.0) / 2.0).abs() < 1e-9);
        let mut few = Ensembles::default();
        few.add(&[1.0, 0.0], &[0]);
        assert_eq!(few.finish(), None);
    }
}
