//! What a list of scores says: its centre, its spread and its best.

use serde::{Deserialize, Serialize};

/// Order statistics and moments of the scores of one set of networks; higher is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub n: usize,
    pub mean: f64,
    pub median: f64,
    /// Sample standard deviation, divisor n - 1; none of a single score.
    pub deviation: Option<f64>,
    /// Of the mean: deviation / sqrt(n).
    pub standard_error: Option<f64>,
    pub min: f64,
    pub best: f64,
}

impl Summary {
    /// None of an empty list. The scores are finite.
    pub fn of(scores: &[f64]) -> Option<Summary> {
        let n = scores.len();
        let min = scores.iter().copied().reduce(f64::min)?;
        let best = scores.iter().copied().reduce(f64::max)?;
        let mean = scores.iter().sum::<f64>() / n as f64;
        let squares: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Summary {
            n,
            mean,
            median: median(scores)?,
            deviation,
            standard_error: deviation.map(|d| d / (n as f64).sqrt()),
            min,
            best,
        })
    }
}

/// The middle value, or the mean of the two middle ones; none of an empty list.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        (sorted[sorted.len() / 2 - 1] + upper) / 2.0
    })
}

/// The best score to expect when only `n` of the scored networks are drawn, without replacement,
/// so that sets of different sizes compare at equal n. None when fewer than `n` were scored.
///
/// Of m scores in rising order the i-th is the best of n with probability
/// C(i-1, n-1) / C(m, n).
pub fn best_of(scores: &[f64], n: usize) -> Option<f64> {
    let m = scores.len();
    if n == 0 || n > m {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut probability = n as f64 / m as f64;
    let mut expected = 0.0;
    for i in (n..=m).rev() {
        expected += probability * sorted[i - 1];
        if i > 1 {
            probability *= (i - n) as f64 / (i - 1) as f64;
        }
    }
    Some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_four_scores_by_hand() {
        let s = Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(
            (s.n, s.mean, s.median, s.min, s.best),
            (4, 2.5, 2.5, 1.0, 4.0)
        );
        assert!((s.deviation.unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((s.standard_error.unwrap() - (5.0f64 / 12.0).sqrt()).abs() < 1e-15);
        assert_eq!(Summary::of(&[1.0]).unwrap().deviation, None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn best_of_n_is_the_mean_over_all_subsets() {
        let scores = [3.0, 1.0, 2.0, 10.0];
        // Pairs of the sorted 1 2 3 10: maxima 2 3 10 3 10 10.
        assert!((best_of(&scores, 2).unwrap() - 38.0 / 6.0).abs() < 1e-12);
        assert!((best_of(&scores, 1).unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(best_of(&scores, 4), Some(10.0));
        assert_eq!(best_of(&scores, 5), None);
        assert_eq!(best_of(&scores, 0), None);
    }
}
