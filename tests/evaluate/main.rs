//! The benchmark against numpy, on sets whose faults are known, and its page.

mod agrees_with_numpy;
mod baselines;
mod candidates;
mod page;
mod polish;
mod verdicts;

use std::collections::HashMap;

use pdiff::evaluate::{
    Budget, Evaluation, Kind, Matrix, Options, Page, Row, Rows, Score, Scorer, Sets, Tone,
    evaluate, html, markdown, text,
};
use pdiff::{Curve, Error, Gate, Report, Result};
use serde_json::Value;

fn options(only: &[&str]) -> Options {
    Options {
        only: only.iter().map(|s| s.to_string()).collect(),
        seed: 1,
        ..Options::default()
    }
}

/// `rows` networks of 40 weights about 1, scattered by `deviation`.
fn cloud(rows: usize, deviation: f64, seed: u32) -> Matrix {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX)
    };
    let data = (0..rows * 40)
        .map(|_| (1.0 + deviation * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)) as f32)
        .collect();
    Matrix::new(40, data).unwrap()
}

/// A scorer with a smooth optimum at 1 and predictions that follow the weights.
fn bowl(network: &[f32]) -> Result<Score> {
    let loss = network
        .iter()
        .map(|x| f64::from(x - 1.0).powi(2))
        .sum::<f64>()
        / 40.0;
    Ok(Score {
        score: 1.0 - 0.1 * loss,
        selection_score: Some(1.0 - 0.1 * loss),
        predictions: Some(network.iter().map(|x| i64::from(*x > 1.8)).collect()),
        labels: Some(vec![0; 40]),
        probabilities: None,
    })
}

/// Sets in units of their own, without held-out members.
fn sets<'a>(zoo: &'a Matrix, samples: &'a Matrix) -> Sets<'a> {
    Sets {
        zoo,
        held_out: None,
        samples,
        restore: &|_| Ok(()),
        normalize: &|_| Ok(()),
        layout: None,
    }
}

fn judge(zoo: &Matrix, samples: &Matrix, only: &[&str]) -> Evaluation {
    let held_out = cloud(20, 1.0, 99);
    let sets = Sets {
        held_out: Some(&held_out),
        ..sets(zoo, samples)
    };
    evaluate(&sets, &mut bowl, &options(only), &mut |_| Ok(())).unwrap()
}

fn says(evaluation: &Evaluation, tone: Tone, part: &str) -> bool {
    evaluation
        .verdicts
        .iter()
        .any(|v| v.tone == tone && v.text.contains(part))
}

fn samples(evaluation: &Evaluation) -> &Row {
    evaluation.row(Kind::Samples).unwrap()
}
