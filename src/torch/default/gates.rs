//! The gates: figures of a generator's own samples that tell a collapsed or a copying one.

use super::super::train::{Job, Meter};
use crate::codec::Fit;
use crate::error::Result;
use crate::generator::{Batch, Gate, LatentSampler, Report, SampleOptions};

/// Samples that are judged, or calibrated by.
pub(super) const SAMPLES: usize = 4096;
/// A seed of the gates' own: they do not judge the samples that a host draws with its seed.
const SEED: u64 = 0x6761_7465;
/// Root-mean-square of the flow's latents before calibration; snapshots have one.
const COLLAPSE: (f64, f64) = (0.8, 1.2);
/// Root-mean-square distance from the mean in normalized weights, samples over snapshots.
const DISPERSION: (f64, f64) = (0.95, 1.05);
/// Median distance to the nearest training snapshot, samples over held-out snapshots.
const COPYING: (f64, f64) = (0.5, f64::MAX);

/// Latents of the flow's width that stand for the whole collection: each is drawn at the condition
/// of a training snapshot. [samples, width].
pub(super) fn draw(job: &Job, sampler: &LatentSampler, width: usize, samples: usize) -> Result<Vec<f32>> {
    let options = SampleOptions { seed: SEED, count: samples, ..SampleOptions::default() };
    let conditions = job.standardized(&job.train);
    let n = job.conditions.len();
    let batch = |first: usize, count: usize| Batch {
        options: &options,
        first: first as u64,
        count,
        condition: (n > 0).then(|| conditions[first * job.train.len() / samples * n..][..n].to_vec()),
        cancel: job.cancel,
    };
    let at_once = if n > 0 { 1 } else { samples };
    let mut drawn = Vec::with_capacity(samples * width);
    for first in (0..samples).step_by(at_once) {
        let z = sampler.sample(&batch(first, at_once))?;
        drawn.extend(z.chunks_exact(sampler.latents).flat_map(|row| &row[..width]));
    }
    Ok(drawn)
}

/// Adds the gates to the report. `raw` is the spread of the flow's samples before calibration.
pub(super) fn judge(
    job: &mut Job,
    codec: &Fit,
    sampler: &LatentSampler,
    raw: Option<f64>,
    report: &mut Report,
) -> Result<()> {
    let meter = Meter::new("gates", 0, 1);
    let width = sampler.flow.as_ref().map_or(codec.latents, |flow| flow.width());
    let drawn = draw(job, sampler, width, SAMPLES)?;
    let rows = |indices: &[usize]| -> Vec<f32> {
        let row = |i: &usize| codec.encoded[i * codec.latents..][..width].iter().copied();
        indices.iter().flat_map(row).collect()
    };
    let train = rows(&job.train);
    let variances = &codec.variances[..width];
    if let Some(raw) = raw {
        report.gates.push(collapse(raw));
    }
    report.gates.push(dispersion(&drawn, &train, variances));
    if !job.held_out.is_empty() {
        report.gates.push(copying(&drawn, &train, &rows(&job.held_out), variances));
    }
    job.tick(&meter, 1, f64::NAN)
}

/// Collapse of the flow itself, which calibration would hide: the root-mean-square of its latents.
fn collapse(raw: f64) -> Gate {
    let (low, high) = COLLAPSE;
    let verdict = if raw < low {
        "the flow collapsed towards the average; train longer or collect more"
    } else if raw > high {
        "the flow spreads beyond the snapshots; train longer"
    } else {
        "the flow keeps the snapshots' spread before calibration"
    };
    Gate::new("collapse", raw, low, high, verdict)
}

/// Collapse: samples that vary less than the snapshots do.
fn dispersion(samples: &[f32], train: &[f32], variances: &[f64]) -> Gate {
    let spread = |rows: &[f32]| {
        let squares = rows.chunks_exact(variances.len()).map(|row| {
            row.iter().zip(variances).map(|(z, v)| v * f64::from(*z).powi(2)).sum::<f64>()
        });
        (squares.sum::<f64>() / (rows.len() / variances.len()) as f64).sqrt()
    };
    let value = spread(samples) / spread(train);
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

/// Copying: samples nearer to a training snapshot than snapshots that training never saw.
fn copying(samples: &[f32], train: &[f32], held_out: &[f32], variances: &[f64]) -> Gate {
    let value = median_nearest(samples, train, variances)
        / median_nearest(held_out, train, variances).max(f64::MIN_POSITIVE);
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
        squares.map(|((a, b), v)| v * f64::from(a - b).powi(2)).sum()
    };
    let nearest = |row| to.chunks_exact(width).map(|b| distance(row, b)).fold(f64::MAX, f64::min);
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
        let gate = dispersion(&half, &TRAIN, &VARIANCES);
        assert!(!gate.passed && (gate.value - 0.5).abs() < 1e-6);
        assert!(dispersion(&TRAIN, &TRAIN, &VARIANCES).passed);
    }

    #[test]
    fn copies_fail_the_copying_gate_and_held_out_snapshots_pass() {
        let held_out = [0.0f32, 0.0, 0.5, 0.5];
        let copies: Vec<f32> = TRAIN.iter().map(|z| z + 0.01).collect();
        assert!(!copying(&copies, &TRAIN, &held_out, &VARIANCES).passed);
        assert!(copying(&held_out, &TRAIN, &held_out, &VARIANCES).passed);
    }
}
