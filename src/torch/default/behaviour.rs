//! Learning which networks work: the gradient of a behaviour loss (arXiv 2503.17138) through the decoder,
//! to a network that moves latents and to free directions of weights.
//!
//! Snapshots work and points between them do not: a Gaussian has the right covariance and the wrong
//! networks. What keeps the loss from shrinking all samples to one good network is a term for the spread
//! that they lose, and what keeps them near the collection is one for what the free directions add.

use tch::{Device, Kind, Tensor as Torch};

use super::super::adamw::AdamW;
use super::super::arena::{Arena, Init, Plan, Slot, copy_out, tensor};
use super::super::checkpoint::Checkpoint;
use super::super::train::Job;
use super::fit::clipped;
use super::module::{Dense, standardize};
use crate::codec::{Fit, strips};
use crate::denoiser::BehaviourShape;
use crate::error::{Error, Result};
use crate::generator::{Batch, Curve, Gate, LatentSampler, Report, SampleOptions};
use crate::layout::Layout;
use crate::noise::{Noise, Purpose};
use crate::progress::Meter;
use crate::refine::{BehaviourLoss, one_cycle};
use crate::tensor::Tensor;

const HIDDEN: usize = 512;
const BLOCKS: usize = 3;
const DIRECTIONS: usize = 128;
/// Networks of a step.
const NETWORKS: usize = 32;
const RATE: f64 = 1e-3;
/// What a share of the snapshots' variance costs, squared, that latents lack.
const SPREAD: f64 = 10.0;
/// What latents should have of that variance: free directions undo some of it.
const KEPT: f64 = 1.05;
/// What the squared distance of the samples' mean from the snapshots' costs, in units of their variance.
const SHIFT: f64 = 1.0;
/// What the free directions add costs, squared and in units of the snapshots' variance.
const BEYOND: f64 = 0.08;
/// Scale of the free directions while they are trained: at the others' rate they would grow too fast.
const DIRECTION_SCALE: f64 = 0.1;
/// The samples that are trained on are none of those that a host draws with the training's seed.
const SEED: u64 = 0x6265_6861_7669_6f75;
/// Steps between points of the loss's curve.
const LOOK: u64 = 100;

/// What was learned.
pub(super) struct Taught {
    pub shape: BehaviourShape,
    /// As `Behaviour::read` asks for them.
    pub tensors: Vec<Tensor>,
    /// The decoder's further rows, [directions, parameters].
    pub directions: Vec<f32>,
    pub place: Place,
}

/// Where the free directions lie, about the snapshots' span.
pub(super) struct Place {
    /// What each has of the latents, [directions, latents].
    pub within: Vec<f32>,
    /// Products of what each has beyond the span, [directions, directions].
    pub beyond: Vec<f32>,
}

impl Place {
    /// Of directions [directions, parameters] and a decoder [latents, parameters], whose rows are orthogonal.
    fn of(directions: &Torch, decoder: &Torch) -> Result<Place> {
        let squares = decoder
            .f_square()?
            .f_sum_dim_intlist(1i64, false, Kind::Float)?;
        let within = directions.f_matmul(&decoder.f_tr()?)?.f_div(&squares)?;
        let beyond = directions.f_sub(&within.f_matmul(decoder)?)?;
        let numbers = |tensor: &Torch| {
            let mut numbers = vec![0.0; tensor.numel()];
            copy_out(tensor, &mut numbers).map(|()| numbers)
        };
        Ok(Place {
            within: numbers(&within)?,
            beyond: numbers(&beyond.f_matmul(&beyond.f_tr()?)?)?,
        })
    }
}

/// The network's places in an arena of its parameters.
pub(super) struct BehaviourModule {
    blocks: Vec<[Dense; 2]>,
    directions: Dense,
}

impl BehaviourModule {
    /// Declares the parameters; at first latents stay where they are.
    pub fn declare(
        plan: &mut Plan,
        shape: BehaviourShape,
        latents: usize,
    ) -> Result<BehaviourModule> {
        let mut layers = Dense::declare(plan, &shape.parameters(latents), &["down"]).into_iter();
        let mut next = || {
            layers
                .next()
                .ok_or_else(|| Error::Internal("a behaviour without all its layers".into()))
        };
        Ok(BehaviourModule {
            blocks: (0..shape.blocks)
                .map(|_| Ok([next()?, next()?]))
                .collect::<Result<_>>()?,
            directions: next()?,
        })
    }

    /// Latents [n, latents], and coordinates along the free directions [n, directions].
    pub fn forward(&self, arena: &Arena, mut z: Torch) -> Result<[Torch; 2]> {
        for [up, down] in &self.blocks {
            let features = up.forward(arena, &standardize(&z)?)?.f_silu()?;
            z = z.f_add(&down.forward(arena, &features)?)?;
        }
        let along = self
            .directions
            .forward(arena, &standardize(&z)?)?
            .f_silu()?;
        Ok([z, along])
    }
}

/// What a step's loss is made of beside the networks.
struct Terms {
    /// Each latent's share of the snapshots' variance, [latents].
    shares: Torch,
    /// The snapshots' variance.
    total: f64,
}

impl Terms {
    fn new(variances: &[f64], device: Device) -> Result<Terms> {
        let total: f64 = variances.iter().sum();
        let shares: Vec<f32> = variances.iter().map(|v| (v / total) as f32).collect();
        Ok(Terms {
            shares: tensor(&shares, &[-1], device)?,
            total,
        })
    }

    /// Of moved latents [n, latents] and what the free directions add [n, parameters].
    fn loss(&self, moved: &Torch, beyond: &Torch) -> Result<Torch> {
        let n = moved.size()[0] as f64;
        let variances = moved.f_var_dim(0i64, true, false)?;
        let kept = variances.f_mul(&self.shares)?.f_sum(Kind::Float)?;
        let lost = kept.f_neg()?.f_add_scalar(KEPT)?.f_clamp_min(0.0)?;
        let beyond = beyond.f_square()?.f_sum(Kind::Float)?;
        let shifted = moved.f_mean_dim(0i64, false, Kind::Float)?.f_square()?;
        let shifted = shifted.f_mul(&self.shares)?.f_sum(Kind::Float)?;
        let spread = lost.f_square()?.f_mul_scalar(SPREAD)?;
        Ok(spread
            .f_add(&shifted.f_mul_scalar(SHIFT)?)?
            .f_add(&beyond.f_mul_scalar(BEYOND / (n * self.total))?)?)
    }
}

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
    let (latents, parameters) = (codec.latents, layout.parameters());
    let shape = BehaviourShape {
        hidden: HIDDEN,
        blocks: BLOCKS,
        directions: DIRECTIONS,
    };
    let mut plan = Plan::default();
    let module = BehaviourModule::declare(&mut plan, shape, latents)?;
    let directions: Slot = plan.declare(
        "directions".into(),
        &[DIRECTIONS, parameters],
        Init::Constant(0.0),
    );
    let seed = job.options.seed ^ SEED;
    let noise = Noise::new(seed);
    let mut stream = noise.stream(Purpose::Initialization, 0, 0);
    let mut arena = Arena::new(plan, &mut stream, job.device)?;
    arena.track(true)?;
    let mut optimizer = AdamW::new(&arena, 0.0)?;
    let (mut step, mut curve) = (
        0,
        Curve {
            name: "behaviour, train".into(),
            points: Vec::new(),
        },
    );
    if let Some((saved, tensors)) = checkpoint.load::<(u64, Curve)>() {
        arena.import(&tensors, "")?;
        optimizer.import(&arena, &tensors, "")?;
        (step, curve) = saved;
    }
    let (decoder, residual) = matrix(job, codec)?;
    let decoder = tensor(&decoder, &[latents as i64, -1], job.device)?;
    let terms = Terms::new(&codec.variances, job.device)?;
    let factors = factors(layout, &codec.normalizer.scale);
    let options = SampleOptions {
        seed,
        ..SampleOptions::default()
    };
    let meter = Meter::new("behaviour", step, loss.steps);
    let mut networks = vec![0.0; NETWORKS * parameters];
    let mut gradients = vec![0.0; NETWORKS * parameters];
    let mut sum = 0.0;
    while step < loss.steps {
        let batch = Batch {
            options: &options,
            first: step * NETWORKS as u64,
            count: NETWORKS,
            condition: None,
            threads: 1,
            cancel: job.cancel,
        };
        let z = tensor(&sampler.flowed(&batch)?, &[NETWORKS as i64, -1], job.device)?;
        let [moved, along] = module.forward(&arena, z)?;
        let beyond = along
            .f_matmul(arena.get(directions))?
            .f_mul_scalar(DIRECTION_SCALE)?;
        let decoded = moved.f_matmul(&decoder)?.f_add(&beyond)?;
        copy_out(&decoded, &mut networks)?;
        for (network, number) in networks.chunks_exact_mut(parameters).zip(batch.first..) {
            if !residual.is_empty() {
                let mut e = vec![0.0; parameters];
                noise.normal(Purpose::Residual, number, 0, &mut e);
                let rest = residual.iter().zip(&e);
                network
                    .iter_mut()
                    .zip(rest)
                    .for_each(|(x, (r, e))| *x += r * e);
            }
            codec.normalizer.backward(layout, network);
        }
        let value = loss.gradients(
            parameters,
            seed,
            step,
            &networks,
            job.cancel,
            &mut gradients,
        )?;
        if !value.is_finite() {
            return Err(Error::invalid(format!(
                "the behaviour loss is {value} at step {step}; look for NaN in the probe, or for a scale that its networks were not trained on"
            )));
        }
        for gradient in gradients.chunks_exact_mut(parameters) {
            gradient.iter_mut().zip(&factors).for_each(|(g, f)| *g *= f);
        }
        let gradient = tensor(&gradients, &[NETWORKS as i64, -1], job.device)?;
        // Has the behaviour loss's gradient, by way of the networks.
        let through = decoded.f_mul(&gradient)?.f_sum(tch::Kind::Float)?;
        let objective = through
            .f_mul_scalar(1.0 / NETWORKS as f64)?
            .f_add(&terms.loss(&moved, &beyond)?)?;
        let gradient = clipped(arena.gradients(&objective)?)?;
        let rate = one_cycle(RATE, step as f64 / loss.steps as f64);
        optimizer.step(&mut arena, &gradient, step as usize, rate)?;
        step += 1;
        sum += value;
        if step.is_multiple_of(LOOK) || step == loss.steps {
            let since = (step - 1) % LOOK + 1;
            curve.points.push((step, sum / since as f64));
            sum = 0.0;
            if checkpoint.is_due() {
                let mut tensors = arena.export("")?;
                tensors.extend(optimizer.export(&arena, "")?);
                checkpoint.save(&(step, &curve), &tensors)?;
            }
        }
        job.tick(&meter, step, value)?;
    }
    report.gates.extend(fell(&curve));
    report.curves.push(curve);
    let mut tensors = arena.export("")?;
    tensors
        .pop()
        .ok_or_else(|| Error::Internal("a behaviour without directions".into()))?;
    let directions = arena
        .get(directions)
        .f_detach()?
        .f_mul_scalar(DIRECTION_SCALE)?;
    let mut numbers = vec![0.0; DIRECTIONS * parameters];
    copy_out(&directions, &mut numbers)?;
    Ok(Taught {
        shape,
        tensors,
        directions: numbers,
        place: Place::of(&directions, &decoder)?,
    })
}

/// The decoder as one matrix [latents, parameters], and the residual, empty unless components were
/// dropped.
fn matrix(job: &Job, codec: &Fit) -> Result<(Vec<f32>, Vec<f32>)> {
    let parameters = job.collection.layout().parameters();
    let [_, width] = strips(parameters);
    let mut decoder = vec![0.0; codec.latents * parameters];
    let (mut start, mut residual) = (0, Vec::new());
    codec.decoder(job.collection, &job.train, &mut |strip, rest| {
        job.cancel.check()?;
        let columns = width.min(parameters - start);
        let rows = decoder.chunks_exact_mut(parameters);
        for (row, strip) in rows.zip(strip.chunks_exact(width)) {
            row[start..][..columns].copy_from_slice(&strip[..columns]);
        }
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

/// Whether the loss fell, from one point of its curve to the last, which is another; losses may have any sign.
fn fell(curve: &Curve) -> Option<Gate> {
    let [(_, first), .., (_, last)] = curve.points[..] else {
        return None;
    };
    let change = (last - first) / first.abs().max(last.abs()).max(f64::MIN_POSITIVE);
    let verdict = match change <= 0.0 {
        true => format!(
            "samples learned what networks should do: their loss fell from {first:.3} to {last:.3}"
        ),
        false => format!(
            "the behaviour loss rose from {first:.3} to {last:.3}; check that the probe is scaled as the networks' training data was"
        ),
    };
    // Of the larger of both, so at least -2.
    Some(Gate::new("behaviour", change, -2.0, 0.0, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_any_sign_is_seen_to_fall_or_to_rise() {
        let gate = |losses: &[f64]| {
            let points = losses.iter().map(|loss| (1, *loss)).collect();
            fell(&Curve {
                name: String::new(),
                points,
            })
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
}
