//! Teaching which networks work: the gradient of a behaviour loss (arXiv 2503.17138) by samples' weights, taken on
//! through the decoder.
//!
//! Snapshots work and points between them do not: a Gaussian has the right covariance and the wrong
//! networks.

use tch::{Device, Kind, Tensor as Torch};

use super::super::arena::{copy_out, tensor};
use super::super::checkpoint::Checkpoint;
use super::super::memory;
use super::super::train::Job;
use super::behaviour::{self, Learner, Taught};
use crate::codec::{Fit, strips};
use crate::error::{Error, Result};
use crate::generator::{Batch, Curve, Gate, LatentSampler, Report, SampleOptions};
use crate::layout::Layout;
use crate::noise::{Noise, Purpose};
use crate::progress::Meter;
use crate::refine::{Basis, BehaviourLoss, Taken, one_cycle};

/// Networks of a step.
const NETWORKS: usize = 32;
const RATE: f64 = 1e-3;
/// The samples that are trained on are none of those that a host draws with the training's seed.
const SEED: u64 = 0x6265_6861_7669_6f75;
/// Steps between points of the loss's curve.
const LOOK: u64 = 100;

/// Trains the network that [`crate::denoiser::Behaviour`] runs on the samples of `sampler`.
pub(super) fn teach(
    job: &mut Job,
    loss: &mut BehaviourLoss,
    codec: &Fit,
    sampler: &LatentSampler,
    checkpoint: &mut Checkpoint,
    report: &mut Report,
) -> Result<Taught> {
    let layout = job.collection.layout();
    let parameters = layout.parameters();
    let seed = job.options.seed ^ SEED;
    let noise = Noise::new(seed);
    if let (Device::Cpu, Some(whole)) = (job.device, memory::whole()) {
        let learner = behaviour::memory(codec.latents, parameters, NETWORKS);
        fits(learner + loss.memory(), whole)?;
    }
    let (collection, cancel, drawing) = (job.collection, job.cancel, job.options.seed);
    let mut tell = |meter: &Meter, done| job.tick(meter, done, f64::NAN);
    loss.begin(collection, &codec.encoded, drawing, cancel, &mut tell)?;
    let (decoder, residual) = matrix(job, codec)?;
    let mut learner = Learner::new(codec, decoder, noise, loss.basis())?;
    let (mut step, mut curve) = (
        0,
        Curve {
            name: "behaviour, train".into(),
            points: Vec::new(),
        },
    );
    // Of losses since the curve's latest point.
    let mut sum = 0.0;
    if let Some(((at, drawn, since, wanted), tensors)) = checkpoint.load() {
        learner.import(&tensors, wanted)?;
        (step, curve, sum) = (at, drawn, since);
    }
    let factors = factors(layout, &codec.normalizer.scale);
    let options = SampleOptions {
        seed,
        ..SampleOptions::default()
    };
    let meter = Meter::new("behaviour", step, loss.steps);
    let mut weights = vec![0.0; NETWORKS * parameters];
    let mut gradients = vec![0.0; NETWORKS * parameters];
    while step < loss.steps {
        let batch = Batch {
            options: &options,
            first: step * NETWORKS as u64,
            count: NETWORKS,
            condition: None,
            threads: 1,
            cancel: job.cancel,
        };
        let flowed = sampler.flowed(&batch)?;
        let networks = learner.networks(&flowed)?;
        copy_out(&networks.decoded, &mut weights)?;
        for (weights, number) in weights.chunks_exact_mut(parameters).zip(batch.first..) {
            add_residual(&residual, noise, number, weights);
            codec.normalizer.backward(layout, weights);
        }
        let taken = Taken {
            seed,
            step,
            weights: &weights,
            factors: &factors,
            latents: &flowed,
        };
        let value = loss.gradients(&taken, parameters, job.cancel, &mut gradients)?;
        if !value.is_finite() {
            return Err(Error::invalid(format!(
                "the behaviour loss is {value} at step {step}; look for NaN in {}, or for a scale that its networks were not trained on",
                match loss.basis() {
                    Basis::Snapshots => "the snapshots",
                    Basis::Examples => "the probe",
                    Basis::Scores => "the scores, which must be far below 1e308",
                }
            )));
        }
        for gradient in gradients.chunks_exact_mut(parameters) {
            gradient.iter_mut().zip(&factors).for_each(|(g, f)| *g *= f);
        }
        let rate = one_cycle(RATE, step as f64 / loss.steps as f64);
        learner.learn(&networks, &gradients, step, rate)?;
        step += 1;
        sum += value;
        if step.is_multiple_of(LOOK) || step == loss.steps {
            let since = (step - 1) % LOOK + 1;
            curve.points.push((step, sum / since as f64));
            sum = 0.0;
        }
        if checkpoint.is_due() && step < loss.steps {
            let state = (step, &curve, sum, learner.wanted());
            checkpoint.save(&state, &learner.export()?)?;
        }
        job.tick(&meter, step, value)?;
    }
    report.gates.extend(fell(&curve, loss.basis()));
    report.curves.push(curve);
    learner.taught()
}

/// Adds to normalized weights what sample `number` has in place of dropped components.
fn add_residual(residual: &[f32], noise: Noise, number: u64, weights: &mut [f32]) {
    if residual.is_empty() {
        return;
    }
    let mut e = vec![0.0; weights.len()];
    noise.normal(Purpose::Residual, number, 0, &mut e);
    let rest = residual.iter().zip(&e);
    let weights = weights.iter_mut().zip(rest);
    weights.for_each(|(x, (r, e))| *x += r * e);
}

/// Fails where teaching wants more memory than the machine has, which would otherwise end the process.
fn fits(wanted: u64, whole: u64) -> Result<()> {
    if wanted <= whole {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(Error::OutOfMemory(format!(
        "learning from a behaviour loss holds {:.1} GB at once, and this machine has {:.1} GB; train without it and polish samples, or keep fewer components",
        gigabytes(wanted),
        gigabytes(whole)
    )))
}

/// The decoder as one matrix [latents, parameters] on the job's device, and the residual, empty unless components were
/// dropped.
fn matrix(job: &Job, codec: &Fit) -> Result<(Torch, Vec<f32>)> {
    let parameters = job.collection.layout().parameters();
    let [_, width] = strips(parameters);
    let shape = [codec.latents as i64, parameters as i64];
    let decoder = Torch::f_zeros(shape, (Kind::Float, job.device))?;
    let (mut start, mut residual) = (0, Vec::new());
    codec.decoder(job.collection, &job.train, &mut |strip, rest| {
        job.cancel.check()?;
        let columns = width.min(parameters - start);
        let strip = tensor(strip, &[codec.latents as i64, width as i64], job.device)?;
        let strip = strip.f_narrow(1, 0, columns as i64)?;
        let mut place = decoder.f_narrow(1, start as i64, columns as i64)?;
        place.f_copy_(&strip)?;
        start += columns;
        residual.extend_from_slice(rest);
        Ok(())
    })?;
    Ok((decoder, residual))
}

/// What a gradient by weights is multiplied by to be one by normalized weights; running statistics have
/// none.
fn factors(layout: &Layout, scales: &[f32]) -> Vec<f32> {
    let of_tensor = layout.ranges().zip(scales);
    of_tensor
        .flat_map(|((tensor, range), scale)| {
            let factor = if tensor.role.is_trained() {
                *scale
            } else {
                0.0
            };
            std::iter::repeat_n(factor, range.len())
        })
        .collect()
}

/// What the loss of scores must fall by, of the larger of both: where all networks score the same, nothing was learned.
const LEAST: f64 = 1e-6;

/// Whether the loss fell, from one point of its curve to the last, which is another; losses may have any sign.
fn fell(curve: &Curve, basis: Basis) -> Option<Gate> {
    let [(_, first), .., (_, last)] = curve.points[..] else {
        return None;
    };
    let change = (last - first) / first.abs().max(last.abs()).max(f64::MIN_POSITIVE);
    let most = match basis {
        Basis::Examples | Basis::Snapshots => 0.0,
        Basis::Scores => -LEAST,
    };
    let verdict = match (change <= most, basis) {
        (true, Basis::Scores) => format!(
            "samples learned what scores: on average {:.3} at first and {:.3} at last",
            -first, -last
        ),
        (true, _) => format!(
            "samples learned what networks should do: their loss fell from {first:.3} to {last:.3}"
        ),
        (false, Basis::Scores) => format!(
            "scores did not rise, {:.3} at first and {:.3} at last; check that a better network scores higher, and that those of one step have the same luck",
            -first, -last
        ),
        (false, _) => format!(
            "the behaviour loss rose from {first:.3} to {last:.3}; check that {}",
            match basis {
                Basis::Snapshots => "networks were trained on inputs of mean 0 and deviation 1",
                _ => "the probe is scaled as the networks' training data was",
            }
        ),
    };
    // Of the larger of both, so at least -2.
    Some(Gate::new("behaviour", change, -2.0, most, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_holds_is_refused_before_it_is_asked_for() {
        // 512 members of a perceptron of 26,506 parameters, and of one of 25 million.
        let wanted = |parameters| behaviour::memory(510, parameters, NETWORKS);
        let whole = memory::whole().unwrap();
        assert!(fits(wanted(26_506), whole).is_ok());
        assert!(wanted(26_506) < 200 << 20);
        let error = fits(wanted(25_000_000), 24 << 30).unwrap_err();
        assert_eq!(error.status(), 14);
        let said = error.to_string();
        assert!(
            said.contains("140.6 GB at once, and this machine has 25.8 GB"),
            "{said}"
        );
    }

    #[test]
    fn a_loss_of_any_sign_is_seen_to_fall_or_to_rise() {
        let gate = |losses: &[f64]| {
            let points = losses.iter().map(|loss| (1, *loss)).collect();
            fell(
                &Curve {
                    name: String::new(),
                    points,
                },
                Basis::Examples,
            )
        };
        assert!(gate(&[]).is_none() && gate(&[0.5]).is_none());
        for (losses, falls) in [
            ([1.0, 0.5], true),
            ([-1.0, -5.0], true),
            ([0.0, -7.0], true),
            ([1.0, -1.0], true),
            ([0.5, 1.0], false),
            ([-2.0, -1.0], false),
            ([0.0, 9.0], false),
        ] {
            let gate = gate(&losses).unwrap();
            assert!(
                gate.value.is_finite() && gate.passed == falls,
                "{losses:?} {gate:?}"
            );
        }
    }

    #[test]
    fn scores_that_are_all_the_same_are_nothing_learned() {
        let gate = |losses: [f64; 2]| {
            let points = losses.into_iter().map(|loss| (1, loss)).collect();
            let name = String::new();
            fell(&Curve { name, points }, Basis::Scores).unwrap()
        };
        let same = gate([-2.0, -2.0]);
        assert!(
            !same.passed && same.verdict.contains("did not rise"),
            "{same:?}"
        );
        let better = gate([-0.6, -0.8]);
        assert!(better.passed && better.verdict.contains("0.600 at first and 0.800"));
    }
}
