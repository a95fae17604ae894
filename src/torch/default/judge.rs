//! Judging the default engine's samples, and drawing what its calibration measures.

use super::super::gates::{SEED, copying, dispersion};
use super::super::train::Job;
use crate::codec::Fit;
use crate::error::Result;
use crate::generator::{Batch, Gate, LatentSampler, Report, SampleOptions};
use crate::progress::Meter;

/// Samples that are judged, or calibrated by.
pub(super) const SAMPLES: usize = 4096;
/// Root-mean-square of the flow's latents before calibration; snapshots have one.
const COLLAPSE: (f64, f64) = (0.8, 1.2);

/// Latents of the flow's width that stand for the whole collection: each is drawn at the condition
/// of a training snapshot. [samples, width].
pub(super) fn draw(
    job: &Job,
    sampler: &LatentSampler,
    width: usize,
    samples: usize,
) -> Result<Vec<f32>> {
    let options = SampleOptions {
        seed: SEED,
        count: samples,
        ..SampleOptions::default()
    };
    let conditions = job.standardized(&job.train);
    let n = job.conditions.len();
    let batch = |first: usize, count: usize| Batch {
        options: &options,
        first: first as u64,
        count,
        condition: (n > 0)
            .then(|| conditions[first * job.train.len() / samples * n..][..n].to_vec()),
        threads: 1,
        cancel: job.cancel,
    };
    let at_once = if n > 0 { 1 } else { samples };
    let mut drawn = Vec::with_capacity(samples * width);
    for first in (0..samples).step_by(at_once) {
        let z = sampler.sample(&batch(first, at_once))?;
        drawn.extend(
            z.chunks_exact(sampler.outputs())
                .flat_map(|row| &row[..width]),
        );
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
    // A behaviour moves all latents, a flow some.
    let width = match (&sampler.behaviour, &sampler.flow) {
        (None, Some(flow)) => flow.width(),
        _ => codec.latents,
    };
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
        report
            .gates
            .push(copying(&drawn, &train, &rows(&job.held_out), variances));
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
