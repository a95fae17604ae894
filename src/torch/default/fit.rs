//! Learning the flow: velocity matching on latents (arXiv 2410.11081, equation 4), exponential moving
//! average, the best state by the held-out loss, and a gain per latent.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor as Torch};

use super::super::adamw::{AdamW, COEFFICIENTS, annealed, coefficients};
use super::super::arena::{Arena, copy_out, tensor};
use super::super::checkpoint::Checkpoint;
use super::super::graph::RecordedStep;
use super::super::step_inputs::StepInputs;
use super::super::train::Job;
use super::module::FlowModule;
use super::noisy::{Noisy, Rows};
use crate::codec::Fit;
use crate::denoiser::Architecture;
use crate::error::{Error, Result};
use crate::generator::{Curve, Report};
use crate::layout::{Dtype, TensorSpec};
use crate::noise::{Noise, Purpose};
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
/// Steps between looks at the held-out loss, whose batches are put on the device together.
const LOOK: u64 = 100;
/// Numbers of a step beside its batch: the optimizer's, and how much of the average is forgotten.
const NUMBERS: usize = COEFFICIENTS + 1;
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
    let mut learner = Learner::new(architecture, &codec.variances[..width], noise, job.device)?;
    let mut best = learner.arena.copy()?;
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
        learner.import(&tensors)?;
        learner.arena.import_buffer(&best, &tensors, "best.")?;
        state = saved;
    }
    let total = job.options.steps.unwrap_or(STEPS);
    let meter = Meter::new("denoiser", state.step, total);
    let mut recorded = RecordedStep::new(job.device);
    let until = |step: u64| (step + LOOK - step % LOOK).min(total);
    let draw = |steps: Range<u64>| drawn(&train, noise, steps, total);
    let mut next = draw(state.step..until(state.step));
    while state.step < total {
        let end = until(state.step);
        learner.inputs.fill(&next.each_ref().map(Vec::as_slice))?;
        for step in state.step..end {
            recorded.run(|| learner.step())?;
            job.tick(
                &meter,
                step + 1,
                state
                    .train
                    .points
                    .last()
                    .map_or(f64::NAN, |(_, loss)| *loss),
            )?;
        }
        // While a device still works on what it was given.
        next = draw(end..until(end));
        state.step = end;
        state
            .train
            .points
            .push((end, learner.loss.f_double_value(&[])?));
        let held = learner.averaged(|learner| learner.held_out_loss(&looked_at))?;
        state.held_out.points.push((end, held));
        if state.best.is_none_or(|(lowest, _)| held < lowest) {
            state.best = Some((held, end));
            best.f_copy_(&learner.average)?;
        }
        if checkpoint.is_due() {
            let mut tensors = learner.export()?;
            tensors.extend(learner.arena.export_buffer(&best, "best.")?);
            checkpoint.save(&state, &tensors)?;
        }
    }
    report.notes.extend(recorded.note());
    drop(recorded);
    let Learner {
        module,
        mut arena,
        emphasis,
        ..
    } = learner;
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

/// A flow while it learns.
struct Learner {
    module: FlowModule,
    arena: Arena,
    optimizer: AdamW,
    /// The parameters' moving average.
    average: Torch,
    emphasis: Torch,
    inputs: StepInputs,
    /// Of the last step.
    loss: Torch,
}

impl Learner {
    fn new(
        architecture: Architecture,
        variances: &[f64],
        noise: Noise,
        device: Device,
    ) -> Result<Learner> {
        let mut stream = noise.stream(Purpose::Initialization, 0, 0);
        let (module, mut arena) = FlowModule::new(architecture, &mut stream, device)?;
        arena.track(true)?;
        Ok(Learner {
            module,
            optimizer: AdamW::new(&arena, WEIGHT_DECAY)?,
            average: arena.copy()?,
            arena,
            emphasis: emphasis(variances, device)?,
            inputs: StepInputs::new(
                LOOK as usize,
                &[
                    &[BATCH, architecture.width],
                    &[BATCH, architecture.embedding_inputs()],
                    &[BATCH, architecture.width],
                    &[NUMBERS],
                ],
                device,
            )?,
            loss: Torch::f_zeros([0i64; 0], (Kind::Float, device))?,
        })
    }

    /// Learns from the next batch that was drawn. Waits for nothing, and does the same work every time.
    fn step(&mut self) -> Result<()> {
        let [y, features, velocity, numbers] = &self.inputs.next()?[..] else {
            return Err(Error::Internal("a step of other tensors".into()));
        };
        let predicted = self.module.velocity(&self.arena, y, features)?;
        let loss = mean_square(&predicted.f_sub(velocity)?, &self.emphasis)?;
        let gradient = clipped(self.arena.gradients(&loss)?)?;
        let coefficients = numbers.f_narrow(0, 0, COEFFICIENTS as i64)?;
        let forgotten = numbers.f_narrow(0, COEFFICIENTS as i64, 1)?;
        self.optimizer
            .update(&mut self.arena, &gradient, &coefficients)?;
        let current = self.arena.flat().f_detach()?;
        let _ = self.average.f_lerp_tensor_(&current, &forgotten)?;
        self.loss.f_copy_(&loss.f_detach()?)?;
        Ok(())
    }

    /// What `work` gives with the averaged parameters in place of the current ones.
    fn averaged<T>(&mut self, work: impl FnOnce(&Learner) -> Result<T>) -> Result<T> {
        let average = self.average.shallow_clone();
        let now = swap(&mut self.arena, &average)?;
        let result = work(self);
        let _ = swap(&mut self.arena, &now)?;
        result
    }

    fn held_out_loss(&self, [y, features, velocity]: &[Torch; 3]) -> Result<f64> {
        let predicted = self.module.velocity(&self.arena, y, features)?.f_detach()?;
        Ok(mean_square(&predicted.f_sub(velocity)?, &self.emphasis)?.f_double_value(&[])?)
    }

    fn export(&self) -> Result<Vec<Tensor>> {
        let mut tensors = self.arena.export("")?;
        tensors.extend(self.optimizer.export(&self.arena, "")?);
        tensors.extend(self.arena.export_buffer(&self.average, "average.")?);
        Ok(tensors)
    }

    fn import(&mut self, tensors: &[Tensor]) -> Result<()> {
        self.arena.import(tensors, "")?;
        self.optimizer.import(&self.arena, tensors, "")?;
        self.arena.import_buffer(&self.average, tensors, "average.")
    }
}

/// What the steps of a range learn from: batches of noisy latents, the embedding's inputs and velocities, and the steps'
/// numbers.
fn drawn(rows: &Rows, noise: Noise, steps: Range<u64>, total: u64) -> [Vec<f32>; 4] {
    let (mut drawn, mut numbers) = (Noisy::new(), Vec::new());
    for step in steps {
        let mut stream = noise.stream(Purpose::Training, 0, step);
        for _ in 0..BATCH {
            let index = stream.below(rows.latents.len());
            let hide = stream.uniform() < HIDDEN_CONDITIONS;
            rows.add(index, hide, &mut stream, &mut drawn);
        }
        let rate = annealed(RATE, step as usize, total as usize)
            * ((step + 1) as f64 / WARM_UP as f64).min(1.0);
        numbers.extend(coefficients(step as usize, rate, WEIGHT_DECAY));
        // A short memory at first, so that the average forgets where it began.
        let decay = EMA.min((1 + step) as f64 / (10 + step) as f64);
        numbers.push((1.0 - decay) as f32);
    }
    [drawn.y, drawn.features, drawn.velocity, numbers]
}

/// How much of the loss each latent is, [1, width], 1 on average. The best prediction is the same for
/// any, but what the network cannot hold is then missing where it matters least.
fn emphasis(variances: &[f64], device: Device) -> Result<Torch> {
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
pub(super) fn clipped(mut gradient: Torch) -> Result<Torch> {
    let factor = gradient
        .f_norm()?
        .f_reciprocal()?
        .f_mul_scalar(LARGEST_GRADIENT)?;
    Ok(gradient.f_mul_(&factor.f_clamp_max(1.0)?)?)
}

/// The loss of an error [n, width].
fn mean_square(error: &Torch, emphasis: &Torch) -> Result<Torch> {
    Ok(error.f_square()?.f_mul(emphasis)?.f_mean(Kind::Float)?)
}

/// Per latent, the factor of the predicted velocity that fits held-out snapshots best, within 0 and
/// 1: what does not generalize falls back to the Gaussian.
fn gain(
    module: &FlowModule,
    arena: &Arena,
    [y, features, velocity]: &[Torch; 3],
) -> Result<Vec<f32>> {
    let predicted = module.velocity(arena, y, features)?.f_detach()?;
    let sum = |x: Torch| x.f_sum_dim_intlist(0i64, false, Kind::Float);
    let matched = sum(predicted.f_mul(velocity)?)?;
    let power = sum(predicted.f_square()?)?.f_clamp_min(1e-12)?;
    let gain = matched.f_div(&power)?.f_clamp(0.0, 1.0)?;
    let mut values = vec![0.0; gain.numel()];
    copy_out(&gain, &mut values)?;
    Ok(values)
}
