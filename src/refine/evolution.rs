//! The gradient of a score that has none to give: evolution strategies (arXiv 1703.03864) with antithetic pairs, along
//! differences between samples.
//!
//! A random direction of all weights is nearly orthogonal to what networks may differ in; a difference of two samples
//! is one that the generator makes.

use crate::error::Result;
use crate::evaluate::Scorer;
use crate::generator::Cancel;
use crate::noise::Stream;
use crate::refine::behaviour::Taken;
use crate::refine::select::finite_scores;

/// How far from a network it is tried, in differences between two others (docs/research.md).
const REACH: f32 = 0.3;
/// What a standard deviation of a step's scores is worth beside what holds samples to the collection's spread
/// (docs/research.md).
const WORTH: f64 = 20.0;

/// Writes estimates of the gradient of what networks lack in score to `gradients`, by the weights of each
/// [networks, parameters], and returns minus the mean score of what was tried. `stream` gives each network's random
/// numbers.
///
/// Scores are measured in their standard deviation over the step, so they may have any unit, and are asked for twice as
/// many networks: each one is tried forwards and backwards along its direction. Fails with [`Error::Callback`] where a
/// score is not finite or one is missing, and as the scorer does.
pub(super) fn gradients(
    scorer: &mut dyn Scorer,
    stream: impl Fn(u64) -> Stream,
    taken: &Taken,
    cancel: &Cancel,
    gradients: &mut [f32],
) -> Result<f64> {
    let parameters = taken.factors.len();
    let count = taken.weights.len() / parameters;
    let network = |number: usize| &taken.weights[number * parameters..][..parameters];
    let mut tried = vec![0.0; 2 * taken.weights.len()];
    let rows = gradients
        .chunks_exact_mut(parameters)
        .zip(tried.chunks_exact_mut(2 * parameters));
    for (number, (direction, pair)) in rows.enumerate() {
        let [one, other] = others(&mut stream(number as u64), number, count).map(network);
        let (forwards, backwards) = pair.split_at_mut(parameters);
        for (at, weight) in network(number).iter().enumerate() {
            // Running statistics are no weights, and variances might go below 0.
            let moves = if taken.factors[at] == 0.0 { 0.0 } else { REACH };
            direction[at] = moves * (one[at] - other[at]);
            forwards[at] = weight + direction[at];
            backwards[at] = weight - direction[at];
        }
    }
    let step = taken.step;
    let named = |at| format!("network {} of step {step}", at / 2);
    let scores = finite_scores(scorer, &tried, parameters, cancel, named)?;
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / scores.len() as f64;
    let pairs = scores.as_chunks::<2>().0;
    for (direction, [forwards, backwards]) in gradients.chunks_exact_mut(parameters).zip(pairs) {
        let better = (forwards - backwards) / (2.0 * variance.sqrt());
        descend(direction, taken.factors, WORTH * better);
    }
    Ok(-mean)
}

/// Makes a direction of weights, along which a network becomes so much `better`, a gradient by them. It is one of
/// normalized weights, where tensors of any scale count alike.
fn descend(direction: &mut [f32], factors: &[f32], better: f64) {
    let normalized = |(d, factor): (&f32, &f32)| match *factor {
        0.0 => 0.0,
        factor => d / factor,
    };
    let along = direction.iter().zip(factors).map(normalized);
    let square: f64 = along.map(|d| f64::from(d).powi(2)).sum();
    let slope = better / square;
    // Where all networks score the same, or two of them are one, nothing is known.
    let slope = if slope.is_finite() { slope as f32 } else { 0.0 };
    for (d, factor) in direction.iter_mut().zip(factors) {
        *d = match *factor {
            0.0 => 0.0,
            factor => -slope * *d / (factor * factor),
        };
    }
}

/// Two others of `count` networks, which are three at least.
fn others(stream: &mut Stream, number: usize, count: usize) -> [usize; 2] {
    let first = stream.below(count - 1);
    let second = stream.below(count - 2);
    // Leaves out this network's number, and then both.
    let first = first + usize::from(first >= number);
    let (low, high) = (first.min(number), first.max(number));
    let second = second + usize::from(second >= low);
    [first, second + usize::from(second >= high)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Score;
    use crate::noise::{Noise, Purpose};

    const PARAMETERS: usize = 6;
    const NETWORKS: usize = 4;
    /// The last is a running statistic.
    const FACTORS: [f32; PARAMETERS] = [1.0, 1.0, 2.0, 2.0, 0.5, 0.0];

    fn estimate(scorer: &mut dyn Scorer) -> Result<(f64, Vec<f32>, Vec<f32>)> {
        let mut weights = vec![0.0; NETWORKS * PARAMETERS];
        Noise::new(3).normal(Purpose::Sampling, 0, 0, &mut weights);
        let mut found = vec![0.0; weights.len()];
        let stream = |number| Noise::new(5).stream(Purpose::Behaviour, number, 0);
        let taken = Taken {
            seed: 5,
            step: 0,
            weights: &weights,
            factors: &FACTORS,
            latents: &[],
        };
        let lost = gradients(scorer, stream, &taken, &Cancel::new(), &mut found)?;
        Ok((lost, weights, found))
    }

    fn worth_of(score: f64) -> Score {
        Score {
            score,
            ..Score::default()
        }
    }

    #[test]
    fn others_are_two_and_never_the_network_itself() {
        let mut seen = [0; 5];
        for draw in 0..1000 {
            let mut stream = Noise::new(1).stream(Purpose::Behaviour, draw, 0);
            let [one, other] = others(&mut stream, 2, 5);
            assert!(one != other && one != 2 && other != 2);
            seen[one] += 1;
            seen[other] += 1;
        }
        // 500 of each are expected, with a standard deviation of 16.
        let even = |count: &i32| (400..600).contains(count);
        assert_eq!(
            seen.iter().filter(|count| even(count)).count(),
            4,
            "{seen:?}"
        );
    }

    #[test]
    fn a_step_against_the_gradient_scores_higher() {
        let worth = |network: &[f32]| -> f64 {
            network[..5]
                .iter()
                .map(|x| f64::from(-(x - 1.0).powi(2)))
                .sum()
        };
        let mut seen = Vec::new();
        let mut scorer = |network: &[f32]| {
            seen.push(worth(network));
            Ok(worth_of(worth(network)))
        };
        let (lost, weights, found) = estimate(&mut scorer).unwrap();
        assert_eq!(seen.len(), 2 * NETWORKS);
        assert_eq!(lost, -seen.iter().sum::<f64>() / seen.len() as f64);
        let before: Vec<f64> = weights.chunks(PARAMETERS).map(worth).collect();
        assert!(found.chunks(PARAMETERS).all(|gradient| gradient[5] == 0.0));
        // By normalized weights, as training goes.
        let steps = found.iter().zip(FACTORS.iter().cycle());
        let steps = steps.map(|(g, factor)| 1e-3 * g * factor * factor);
        let moved: Vec<f32> = weights.iter().zip(steps).map(|(w, s)| w - s).collect();
        for (after, before) in moved.chunks(PARAMETERS).map(worth).zip(before) {
            assert!(after > before, "{after} {before}");
        }
        // The unit of a score changes nothing.
        let mut scorer = |network: &[f32]| Ok(worth_of(1e3 * worth(network)));
        let (_, _, same) = estimate(&mut scorer).unwrap();
        for (a, b) in found.iter().zip(same) {
            assert!((a - b).abs() <= 1e-3 * a.abs(), "{a} {b}");
        }
    }

    #[test]
    fn running_statistics_stay_as_they_are() {
        let mut seen = Vec::new();
        let (_, given, _) = estimate(&mut |network: &[f32]| {
            seen.push(network[5]);
            Ok(worth_of(f64::from(network[0])))
        })
        .unwrap();
        let statistics = given.chunks(PARAMETERS).map(|network| network[5]);
        let each_twice: Vec<f32> = statistics.flat_map(|w| [w, w]).collect();
        assert_eq!(seen, each_twice);
    }

    #[test]
    fn scores_that_say_nothing_give_no_gradient_and_wrong_ones_are_refused() {
        let (lost, _, found) = estimate(&mut |_: &[f32]| Ok(worth_of(2.0))).unwrap();
        assert!(lost == -2.0 && found.iter().all(|g| *g == 0.0));
        let error = estimate(&mut |_: &[f32]| Ok(worth_of(f64::NAN))).unwrap_err();
        assert!(error.to_string().contains("its score is NaN"), "{error}");
        struct Silent;
        impl Scorer for Silent {
            fn score(
                &mut self,
                _: &dyn crate::evaluate::Rows,
                _: &mut dyn FnMut(Score) -> Result<()>,
            ) -> Result<()> {
                Ok(())
            }
        }
        let error = estimate(&mut Silent).unwrap_err();
        assert!(
            error.to_string().contains("0 scores came back for 8"),
            "{error}"
        );
    }
}
