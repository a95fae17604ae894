//! Learning the flow: velocity matching on latents (arXiv 2410.11081, equation 4), exponential moving
//! average, the best state by the held-out loss, and a gain per latent.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};
use tch::Tensor as Torch;

use super::super::adamw::{AdamW, annealed};
use super::super::arena::{Arena, copy_out, tensor};
use super::super::checkpoint::Checkpoint;
use super::super::train::Job;
use super::module::FlowModule;
use crate::codec::Fit;
use crate::denoiser::{Architecture, time_features};
use crate::error::Result;
use crate::generator::{Curve, Report};
use crate::layout::{Dtype, TensorSpec};
use crate::noise::{Noise, Purpose, Stream};
use crate::progress::Meter;
use crate::tensor::Tensor;

/// Leading components that the flow moves.
const WIDTH: usize = 32;
/// Features of the network per latent that it moves.
const FEATURES: usize = 4;
const BLOCKS: usize = 2;
const STEPS: u64 = 2400;
const BATCH: usize = 256;
const RATE: f64 = 4e-3;
const WARM_UP: u64 = 100;
const WEIGHT_DECAY: f64 = 0.01;
const LARGEST_GRADIENT: f64 = 1.0;
const EMA: f64 = 0.995;
/// Power of a component's variance by which the loss counts it: 0 would count all latents alike, and
/// 1 distances between weights.
const EMPHASIS: f64 = 0.3;
/// Share of training rows whose condition is hidden, for guidance.
const HIDDEN_CONDITIONS: f64 = 0.1;
/// Steps between looks at the held-out loss.
const LOOK: u64 = 100;
/// Noise draws per held-out snapshot, when looking and for the gain.
const DRAWS: usize = 32;
/// Snapshots below which there is nothing to learn beyond a Gaussian.
const FEWEST: usize = 32;

/// A trained flow.
pub(super) struct Trained {
    pub architecture: Architecture,
    /// As `Flow::read` asks for them.
    pub tensors: Vec<Tensor>,
}

/// Where a training stands, beside its tensors.
#[derive(Default, Serialize, Deserialize)]
struct State {
    step: u64,
    /// The lowest held-out loss so far, and its step.
    best: Option<(f64, u64)>,
    train: Curve,
    held_out: Curve,
}

/// Rows of clean latents with their conditions, and what is made of them.
struct Rows<'a> {
    latents: Vec<&'a [f32]>,
    conditions: Vec<f32>,
    architecture: Architecture,
}

/// A batch: noisy latents, the embedding's inputs, the velocity to predict.
struct Noisy {
    y: Vec<f32>,
    features: Vec<f32>,
    velocity: Vec<f32>,
}

impl Rows<'_> {
    /// Appends row `index` at a random time.
    fn add(&self, index: usize, hide: bool, stream: &mut Stream, to: &mut Noisy) {
        let theta = stream.uniform() * FRAC_PI_2;
        let (sin, cos) = (theta.sin() as f32, theta.cos() as f32);
        let mut noise = vec![0.0; self.architecture.width];
        stream.normal(&mut noise);
        for (z, e) in self.latents[index].iter().zip(&noise) {
            to.y.push(cos * e + sin * z);
            to.velocity.push(cos * z - sin * e);
        }
        to.features.extend_from_slice(&time_features(theta));
        let n = self.architecture.conditions;
        if n > 0 {
            let shown = if hide { 0.0 } else { 1.0 };
            to.features
                .extend(self.conditions[index * n..][..n].iter().map(|c| c * shown));
            to.features.push(shown);
        }
    }
}

impl Noisy {
    fn new() -> Noisy {
        Noisy {
            y: Vec::new(),
            features: Vec::new(),
            velocity: Vec::new(),
        }
    }

    fn tensors(&self, architecture: Architecture, device: tch::Device) -> Result<[Torch; 3]> {
        let (w, f) = (
            architecture.width as i64,
            architecture.embedding_inputs() as i64,
        );
        Ok([
            tensor(&self.y, &[-1, w], device)?,
            tensor(&self.features, &[-1, f], device)?,
            tensor(&self.velocity, &[-1, w], device)?,
        ])
    }
}

/// Trains the flow, or returns none where a Gaussian is all that the snapshots can tell.
pub(super) fn flow(
    job: &mut Job,
    codec: &Fit,
    checkpoint: &mut Checkpoint,
    report: &mut Report,
) -> Result<Option<Trained>> {
    if job.train.len() < FEWEST || job.held_out.is_empty() {
        report.notes.push(format!(
            "{} snapshots are too few to learn more than their Gaussian, which is what this generator samples",
            job.collection.len()
        ));
        return Ok(None);
    }
    let width = codec.latents.min(WIDTH);
    let architecture = Architecture {
        width,
        hidden: FEATURES * width,
        blocks: BLOCKS,
        conditions: job.conditions.len(),
    };
    let rows = |indices: &[usize]| Rows {
        latents: indices
            .iter()
            .map(|i| &codec.encoded[i * codec.latents..][..architecture.width])
            .collect(),
        conditions: job.standardized(indices),
        architecture,
    };
    let (train, held_out) = (rows(&job.train), rows(&job.held_out));
    let noise = Noise::new(job.options.seed);
    let mut stream = noise.stream(Purpose::Initialization, 0, 0);
    let (module, mut arena) = FlowModule::new(architecture, &mut stream, job.device)?;
    arena.track(true)?;
    let mut optimizer = AdamW::new(&arena, WEIGHT_DECAY)?;
    let mut average = arena.copy()?;
    let mut best = arena.copy()?;
    let looked_at = validation(&held_out, noise).tensors(architecture, job.device)?;

    let mut state = State {
        train: Curve {
            name: "denoising, train".into(),
            points: Vec::new(),
        },
        held_out: Curve {
            name: "denoising, held out".into(),
            points: Vec::new(),
        },
        ..State::default()
    };
    if let Some((saved, tensors)) = checkpoint.load::<State>() {
        arena.import(&tensors, "")?;
        optimizer.import(&arena, &tensors, "")?;
        arena.import_buffer(&average, &tensors, "average.")?;
        arena.import_buffer(&best, &tensors, "best.")?;
        state = saved;
    }
    let total = job.options.steps.unwrap_or(STEPS);
    let meter = Meter::new("denoiser", state.step, total);
    let emphasis = emphasis(&codec.variances[..architecture.width], job.device)?;
    let mut loss_value = f64::NAN;
    while state.step < total {
        let step = state.step;
        let mut stream = noise.stream(Purpose::Training, 0, step);
        let mut batch = Noisy::new();
        for _ in 0..BATCH {
            let index = stream.below(train.latents.len());
            let hide = stream.uniform() < HIDDEN_CONDITIONS;
            train.add(index, hide, &mut stream, &mut batch);
        }
        let [y, features, velocity] = batch.tensors(architecture, job.device)?;
        let predicted = module.velocity(&arena, &y, &features)?;
        let loss = mean_square(&predicted.f_sub(&velocity)?, &emphasis)?;
        let gradient = clipped(arena.gradients(&loss)?)?;
        let rate = annealed(RATE, step as usize, total as usize)
            * ((step + 1) as f64 / WARM_UP as f64).min(1.0);
        optimizer.step(&mut arena, &gradient, step as usize, rate)?;
        // A short memory at first, so that the average forgets where it began.
        let decay = EMA.min((1 + step) as f64 / (10 + step) as f64);
        let current = arena.flat().f_detach()?;
        let _ = average.f_lerp_(&current, 1.0 - decay)?;
        state.step += 1;

        if state.step.is_multiple_of(LOOK) || state.step == total {
            loss_value = loss.f_double_value(&[])?;
            state.train.points.push((state.step, loss_value));
            let now = swap(&mut arena, &average)?;
            let held = held_out_loss(&module, &arena, &looked_at, &emphasis)?;
            arena.flat().f_detach()?.f_copy_(&now)?;
            state.held_out.points.push((state.step, held));
            if state.best.is_none_or(|(lowest, _)| held < lowest) {
                state.best = Some((held, state.step));
                best.f_copy_(&average)?;
            }
        }
        if checkpoint.is_due() {
            let mut tensors = arena.export("")?;
            tensors.extend(optimizer.export(&arena, "")?);
            tensors.extend(arena.export_buffer(&average, "average.")?);
            tensors.extend(arena.export_buffer(&best, "best.")?);
            checkpoint.save(&state, &tensors)?;
        }
        job.tick(&meter, state.step, loss_value)?;
    }
    let _ = swap(&mut arena, &best)?;
    let gain = gain(&module, &arena, &looked_at)?;
    report.gaussian_denoising = Some(mean_square(&looked_at[2], &emphasis)?.f_double_value(&[])?);
    report.held_out_denoising = state.best.map(|(loss, _)| loss);
    report.curves = vec![state.train, state.held_out];
    let mut tensors = arena.export("")?;
    tensors.push(Tensor::from_f32(
        TensorSpec::new("denoiser.gain", &[architecture.width], Dtype::F32),
        &gain,
    ));
    Ok(Some(Trained {
        architecture,
        tensors,
    }))
}

/// How much of the loss each latent is, [1, width], 1 on average. The best prediction is the same for
/// any, but what the network cannot hold is then missing where it matters least.
fn emphasis(variances: &[f64], device: tch::Device) -> Result<Torch> {
    let powers: Vec<f64> = variances.iter().map(|v| v.powf(EMPHASIS)).collect();
    let mean = powers.iter().sum::<f64>() / powers.len() as f64;
    let values: Vec<f32> = powers.iter().map(|p| (p / mean) as f32).collect();
    tensor(&values, &[1, -1], device)
}

/// Held-out snapshots at fixed times and noises.
fn validation(rows: &Rows, noise: Noise) -> Noisy {
    let mut all = Noisy::new();
    for draw in 0..DRAWS {
        for index in 0..rows.latents.len() {
            let mut stream = noise.stream(Purpose::Validation, index as u64, draw as u64);
            rows.add(index, false, &mut stream, &mut all);
        }
    }
    all
}

/// Puts `values` into the arena and returns what was there.
fn swap(arena: &mut Arena, values: &Torch) -> Result<Torch> {
    let before = arena.copy()?;
    arena.flat().f_detach()?.f_copy_(values)?;
    Ok(before)
}

/// Scales a gradient down to the largest norm, without waiting for the device.
pub(super) fn clipped(gradient: Torch) -> Result<Torch> {
    let factor = gradient
        .f_norm()?
        .f_reciprocal()?
        .f_mul_scalar(LARGEST_GRADIENT)?;
    Ok(gradient.f_mul(&factor.f_clamp_max(1.0)?)?)
}

fn held_out_loss(
    module: &FlowModule,
    arena: &Arena,
    [y, features, velocity]: &[Torch; 3],
    emphasis: &Torch,
) -> Result<f64> {
    let predicted = module.velocity(arena, y, features)?.f_detach()?;
    Ok(mean_square(&predicted.f_sub(velocity)?, emphasis)?.f_double_value(&[])?)
}

/// The loss of an error [n, width].
fn mean_square(error: &Torch, emphasis: &Torch) -> Result<Torch> {
    Ok(error
        .f_square()?
        .f_mul(emphasis)?
        .f_mean(tch::Kind::Float)?)
}

/// Per latent, the factor of the predicted velocity that fits held-out snapshots best, within 0 and
/// 1: what does not generalize falls back to the Gaussian.
fn gain(
    module: &FlowModule,
    arena: &Arena,
    [y, features, velocity]: &[Torch; 3],
) -> Result<Vec<f32>> {
    let predicted = module.velocity(arena, y, features)?.f_detach()?;
    let sum = |x: Torch| x.f_sum_dim_intlist(0i64, false, tch::Kind::Float);
    let matched = sum(predicted.f_mul(velocity)?)?;
    let power = sum(predicted.f_square()?)?.f_clamp_min(1e-12)?;
    let gain = matched.f_div(&power)?.f_clamp(0.0, 1.0)?;
    let mut values = vec![0.0; gain.numel()];
    copy_out(&gain, &mut values)?;
    Ok(values)
}
