//! Judging the default engine's samples, and drawing what its calibration measures.

use super::super::gates::{SEED, copying, dispersion};
use super::super::train::Job;
use super::behaviour::Place;
use crate::codec::Fit;
use crate::error::Result;
use crate::generator::{Batch, Gate, LatentSampler, Report, SampleOptions};
use crate::progress::Meter;

/// Samples that are judged, or calibrated by.
pub(super) const SAMPLES: usize = 4096;
/// Root-mean-square of the flow's latents before calibration; snapshots have one.
const COLLAPSE: (f64, f64) = (0.8, 1.2);

/// What the decoder is given for samples that stand for the whole collection, each drawn at the condition of a training
/// snapshot, [samples, outputs of the sampler].
pub(super) fn draw(job: &Job, sampler: &LatentSampler, samples: usize) -> Result<Vec<f32>> {
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
    let mut drawn = Vec::with_capacity(samples * sampler.outputs());
    for first in (0..samples).step_by(at_once) {
        drawn.extend(sampler.sample(&batch(first, at_once))?);
    }
    Ok(drawn)
}

/// The first `width` of each row's numbers.
pub(super) fn columns(rows: &[f32], all: usize, width: usize) -> Vec<f32> {
    let rows = rows.chunks_exact(all);
    rows.flat_map(|row| &row[..width]).copied().collect()
}

/// Samples' latents, [samples, latents], as their networks have them: free directions of weights lie in part within the
/// snapshots' span; and the variance of what networks have beyond it.
fn spanned(drawn: &[f32], latents: usize, place: &Place) -> (Vec<f32>, f64) {
    let directions = place.within.len() / latents;
    let outputs = latents + directions;
    let n = drawn.len() / outputs;
    let mut mean = vec![0.0; directions];
    for row in drawn.chunks_exact(outputs) {
        let along = mean.iter_mut().zip(&row[latents..]);
        along.for_each(|(mean, u)| *mean += u / n as f32);
    }
    let mut z = columns(drawn, outputs, latents);
    let mut beyond = 0.0;
    for (z, row) in z.chunks_exact_mut(latents).zip(drawn.chunks_exact(outputs)) {
        for (u, direction) in row[latents..]
            .iter()
            .zip(place.within.chunks_exact(latents))
        {
            z.iter_mut().zip(direction).for_each(|(z, d)| *z += u * d);
        }
        let about: Vec<f32> = row[latents..]
            .iter()
            .zip(&mean)
            .map(|(u, m)| u - m)
            .collect();
        for (u, products) in about.iter().zip(place.beyond.chunks_exact(directions)) {
            let products = about.iter().zip(products).map(|(u, p)| f64::from(u * p));
            beyond += f64::from(*u) * products.sum::<f64>();
        }
    }
    (z, beyond / n as f64)
}

/// Adds the gates to the report. `raw` is the spread of the flow's samples before calibration, `place` where a behaviour's
/// free directions lie.
pub(super) fn judge(
    job: &mut Job,
    codec: &Fit,
    sampler: &LatentSampler,
    place: Option<&Place>,
    raw: Option<f64>,
    report: &mut Report,
) -> Result<()> {
    let meter = Meter::new("gates", 0, 1);
    let latents = codec.latents;
    let drawn = draw(job, sampler, SAMPLES)?;
    // A behaviour moves all latents, a flow some.
    let (width, (drawn, beyond)) = match (place, &sampler.flow) {
        (Some(place), _) => (latents, spanned(&drawn, latents, place)),
        (None, Some(flow)) => (flow.width(), (columns(&drawn, latents, flow.width()), 0.0)),
        (None, None) => (latents, (drawn, 0.0)),
    };
    let rows = |indices: &[usize]| -> Vec<f32> {
        let row = |i: &usize| codec.encoded[i * latents..][..width].iter().copied();
        indices.iter().flat_map(row).collect()
    };
    let train = rows(&job.train);
    let variances = &codec.variances[..width];
    if let Some(raw) = raw {
        report.gates.push(collapse(raw));
    }
    report
        .gates
        .push(dispersion(&drawn, beyond, &train, variances));
    if !job.held_out.is_empty() {
        report
            .gates
            .push(copying(&drawn, &train, &rows(&job.held_out), variances));
    }
    job.tick(&meter, 1, f64::NAN)
}

/// Collapse of the flow itself, which calibration would hide: the root-mean-square of its latents.
pub(super) fn collapse(raw: f64) -> Gate {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_free_directions_are_within_the_span_counts_as_latents() {
        // Two samples of two latents and two directions.
        let drawn = [1.0, 2.0, 1.0, 0.0, 3.0, 4.0, -1.0, 2.0];
        let place = Place {
            within: vec![0.5, 0.0, -1.0, 1.0],
            beyond: vec![2.0, 1.0, 1.0, 3.0],
        };
        // About their mean they are (1, -1) and (-1, 1) along the directions, whose square is 2 - 1 - 1 + 3.
        let (z, beyond) = spanned(&drawn, 2, &place);
        assert_eq!((&z[..], beyond), (&[1.5, 2.0, 0.5, 6.0][..], 3.0));
        assert_eq!(columns(&drawn, 4, 1), [1.0, 3.0]);
    }
}
