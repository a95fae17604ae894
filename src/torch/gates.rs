//! The gates: figures of a generator's own samples that tell a collapsed or a copying one.

use crate::generator::Gate;

/// A seed of the gates' own: they do not judge the samples that a host draws with its seed.
pub(super) const SEED: u64 = 0x6761_7465;
/// Root-mean-square distance from their own mean, samples over snapshots.
const DISPERSION: (f64, f64) = (0.95, 1.05);
/// Median distance to the nearest training snapshot, samples over held-out snapshots.
const COPYING: (f64, f64) = (0.5, f64::MAX);

/// A figure at most, also of samples that are not finite and of snapshots that are copies: a report holds no infinity.
const MOST: f64 = 1e6;

/// Collapse: samples that vary less than the snapshots do, each set about its own mean: elsewhere a collapsed one would
/// look diverse. `beyond` is the samples' variance outside the snapshots' span.
pub(super) fn dispersion(samples: &[f32], beyond: f64, train: &[f32], variances: &[f64]) -> Gate {
    let value = ((variance(samples, variances) + beyond) / variance(train, variances)).sqrt();
    let value = value.min(MOST);
    let (low, high) = DISPERSION;
    let verdict = if value < low {
        "samples vary less than the snapshots: collapsed towards their average; train longer or collect more"
    } else if value > high {
        "samples vary more than the snapshots; train longer"
    } else {
        "samples vary as much as the snapshots"
    };
    Gate::new("dispersion", value, low, high, verdict)
}

/// Of rows [n, variances], the mean square distance from their mean, in normalized weights.
fn variance(rows: &[f32], variances: &[f64]) -> f64 {
    let n = (rows.len() / variances.len()) as f64;
    // Without Bessel's correction a Gaussian of ten snapshots would look wider than they are.
    let correction = n / (n - 1.0).max(1.0);
    let of_latent = |(j, v): (usize, &f64)| {
        let values = rows.iter().skip(j).step_by(variances.len());
        let (sum, squares) = values.fold((0.0, 0.0), |(sum, squares), z| {
            (sum + f64::from(*z), squares + f64::from(*z).powi(2))
        });
        v * correction * (squares / n - (sum / n).powi(2))
    };
    variances.iter().enumerate().map(of_latent).sum()
}

/// Copying: samples nearer to a training snapshot than snapshots that training never saw.
pub(super) fn copying(samples: &[f32], train: &[f32], held_out: &[f32], variances: &[f64]) -> Gate {
    let value = median_nearest(samples, train, variances)
        / median_nearest(held_out, train, variances).max(f64::MIN_POSITIVE);
    let value = value.min(MOST);
    let (low, high) = COPYING;
    let verdict = if value < low {
        "samples are near copies of training snapshots; collect more, or use the snapshots themselves"
    } else {
        "samples are no nearer to the training snapshots than held-out ones are"
    };
    Gate::new("copying", value, low, high, verdict)
}

/// Median over `rows` of the distance to the nearest of `to`, in normalized weights.
fn median_nearest(rows: &[f32], to: &[f32], variances: &[f64]) -> f64 {
    let width = variances.len();
    let distance = |a: &[f32], b: &[f32]| -> f64 {
        let squares = a.iter().zip(b).zip(variances);
        squares
            .map(|((a, b), v)| v * f64::from(a - b).powi(2))
            .sum()
    };
    let nearest = |row| {
        to.chunks_exact(width)
            .map(|b| distance(row, b))
            .fold(f64::MAX, f64::min)
    };
    let mut all: Vec<f64> = rows.chunks_exact(width).map(nearest).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2].sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIANCES: [f64; 2] = [4.0, 1.0];
    const TRAIN: [f32; 8] = [1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0];

    #[test]
    fn samples_half_as_wide_fail_the_dispersion_gate_and_equal_ones_pass() {
        let half: Vec<f32> = TRAIN.iter().map(|z| z / 2.0).collect();
        let gate = dispersion(&half, 0.0, &TRAIN, &VARIANCES);
        assert!(!gate.passed && (gate.value - 0.5).abs() < 1e-6);
        assert!(dispersion(&TRAIN, 0.0, &TRAIN, &VARIANCES).passed);
        let elsewhere: Vec<f32> = half.iter().map(|z| z + 3.0).collect();
        assert_eq!(dispersion(&elsewhere, 0.0, &TRAIN, &VARIANCES), gate);
        // Three quarters of the snapshots' variance lie beyond their span.
        let beyond = 0.75 * variance(&TRAIN, &VARIANCES);
        let gate = dispersion(&half, beyond, &TRAIN, &VARIANCES);
        assert!(gate.passed && (gate.value - 1.0).abs() < 1e-6);
        // As many more, of which there are more to a mean: just as wide.
        let more: Vec<f32> = (0..1000).flat_map(|_| TRAIN).collect();
        let gate = dispersion(&more, 0.0, &TRAIN, &VARIANCES);
        assert!((gate.value - 0.75f64.sqrt()).abs() < 1e-3, "{gate:?}");
    }

    #[test]
    fn copies_fail_the_copying_gate_and_held_out_snapshots_pass() {
        let held_out = [0.0f32, 0.0, 0.5, 0.5];
        let copies: Vec<f32> = TRAIN.iter().map(|z| z + 0.01).collect();
        assert!(!copying(&copies, &TRAIN, &held_out, &VARIANCES).passed);
        assert!(copying(&held_out, &TRAIN, &held_out, &VARIANCES).passed);
    }
}
