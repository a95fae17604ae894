//! Training the default engine: fit the components, learn the flow, judge, write.

mod behaviour;
mod cuda;
mod fit;
mod judge;
mod module;
mod noisy;
mod teach;
#[cfg(test)]
mod tests;

pub(crate) use cuda::default_engine;

use std::collections::HashMap;

use half::f16;
use half::vec::HalfFloatVecExt;
use serde_json::json;

use super::checkpoint::Checkpoint;
use super::train::Job;
use crate::codec::{Fit, strips};
use crate::container::Entry;
use crate::denoiser::{Architecture, Behaviour, Flow};
use crate::error::{Error, Result};
use crate::generator::{
    CALIBRATION_MATRIX, CALIBRATION_SHIFT, Calibration, DefaultConfig, EngineName, LatentSampler,
    Report, write_generator,
};
use crate::layout::{Dtype, TensorSpec};
use crate::progress::Meter;
use crate::refine::{Basis, BehaviourLoss};
use crate::tensor::Tensor;

/// Sampler steps that measure best per time (docs/benchmarks.md).
const SAMPLER_STEPS: usize = 8;
/// The same with a condition, whose networks lie closer together than the collection's and so at the
/// end of paths that bend more.
const CONDITIONAL_STEPS: usize = 32;
/// Share of new snapshots' squared distance from the mean that the others do not span, above which they are of different
/// runs.
const OUTSIDE: f64 = 0.5;

/// Trains and writes a generator of the default engine: by a loss that is given, or by the training's `own` where
/// snapshots share no span. Where that fails, it goes on without.
pub(super) fn train<'a>(
    job: &mut Job,
    given: Option<&mut BehaviourLoss<'a>>,
    own: Option<&mut BehaviourLoss<'a>>,
) -> Result<Report> {
    if !matches!(job.options.precision, Dtype::F32 | Dtype::F16) {
        return Err(Error::invalid(format!(
            "the default engine's file is not kept in {:?}; choose F32 or F16",
            job.options.precision
        )));
    }
    let meter = Meter::new("codec", 0, job.collection.layout().parameters() as u64);
    let train = job.train.clone();
    let codec = Fit::new(
        job.collection,
        &train,
        job.options.components,
        &mut |done, _| job.tick(&meter, done as u64, f64::NAN),
    )?;
    let mut report = Report {
        held_out_reconstruction: mean(job.held_out.iter().map(|i| codec.lost[*i])),
        ..Report::default()
    };
    let apart = mean(job.held_out.iter().map(|i| codec.outside[*i]));
    let apart = apart.filter(|share| *share > OUTSIDE);
    let is_unasked = given.is_none();
    let loss = given.or(own.filter(|_| apart.is_some()));
    let mut tensors = Vec::new();
    let steps = match job.conditions.is_empty() {
        true => SAMPLER_STEPS,
        false => CONDITIONAL_STEPS,
    };
    let mut sampler = LatentSampler {
        latents: codec.latents,
        flow: None,
        calibration: None,
        behaviour: None,
        steps,
    };
    let mut checkpoint = job.checkpoint("", None)?;
    let flow = learn_flow(
        job,
        &codec,
        &mut sampler,
        &mut tensors,
        &mut checkpoint,
        &mut report,
    )?;
    // Samples that it learns from are those of the flow as the file keeps it.
    let of_loss =
        |loss: &&mut BehaviourLoss| json!([loss.digest(), job.options.precision, flow.is_some()]);
    let mut second = job.checkpoint(".behaviour", loss.as_ref().map(of_loss))?;
    let (mut taught, mut failure) = (None, None);
    if let Some(loss) = loss {
        match teach::teach(job, loss, &codec, &sampler, &mut second, &mut report) {
            Ok(learned) => {
                let learned = taught.insert(learned);
                let of_file = learned.tensors.iter();
                let of_file: Vec<Tensor> = of_file
                    .map(|tensor| kept(tensor, job.options.precision))
                    .collect();
                let network = Behaviour::read(&lookup(&of_file), learned.shape, codec.latents)?;
                sampler.behaviour = Some(network);
                tensors.extend(of_file);
                job.behaviour_steps = Some(loss.steps);
                job.is_distilled = loss.basis() == Basis::Snapshots;
            }
            Err(error) if is_unasked && is_of_teaching(&error) => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    if let (Some(share), true) = (apart, is_unasked) {
        let said = match (&taught, failure) {
            (Some(_), _) => TAUGHT.into(),
            (None, Some(error)) => format!("{UNTAUGHT}, as nothing could be taught: {error}"),
            (None, None) if job.conditions.is_empty() => format!("{UNTAUGHT}; {ADVICE}"),
            (None, None) => UNTAUGHT.into(),
        };
        report.notes.push(format!(
            "{:.0}% of a new snapshot lies outside of all that the others span, as with networks of different runs: {said}",
            100.0 * share
        ));
    }
    let raw = flow.map(|(_, raw)| raw);
    let place = taught.as_ref().map(|taught| &taught.place);
    judge::judge(job, &codec, &sampler, place, raw, &mut report)?;

    let config = DefaultConfig {
        latents: codec.latents,
        residual: codec.truncated,
        flow: flow.map(|(architecture, _)| architecture),
        steps,
        behaviour: taught.as_ref().map(|taught| taught.shape),
    };
    let rows = config.rows();
    let config =
        serde_json::to_value(config).map_err(|error| Error::Internal(error.to_string()))?;
    let decoder = Decoder {
        codec: &codec,
        rows,
        directions: taught.as_ref().map_or(&[], |taught| &taught.directions),
    };
    let report = write(job, &decoder, config, &tensors, report)?;
    checkpoint.remove();
    second.remove();
    Ok(report)
}

/// What is said of samples where the host gave no loss and snapshots share no span.
const TAUGHT: &str = "samples were taught what snapshots do, without data; a probe teaches more, and untaught nothing";
const UNTAUGHT: &str = "samples are little more than a Gaussian there";
const ADVICE: &str = "teach what networks should do, by a probe, a gradient or scores, or what snapshots do by distill, \
                      which takes classifiers and no data";

/// Whether training goes on without a lesson that nobody asked for, and not whoever watches it has ended it.
fn is_of_teaching(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidArgument(_) | Error::Mismatch(_) | Error::OutOfMemory(_) | Error::Torch(_)
    )
}

/// Trains and calibrates the flow, and adds it to the sampler and to the file's tensors. Returns its architecture and
/// the root-mean-square of its latents before calibration; none where the snapshots are too few, or their Gaussian is
/// nearer to them. A flow that a condition steers stays, as a Gaussian knows of none.
fn learn_flow(
    job: &mut Job,
    codec: &Fit,
    sampler: &mut LatentSampler,
    tensors: &mut Vec<Tensor>,
    checkpoint: &mut Checkpoint,
    report: &mut Report,
) -> Result<Option<(Architecture, f64)>> {
    let Some(trained) = fit::flow(job, codec, checkpoint, report)? else {
        return Ok(None);
    };
    let width = trained.architecture.width;
    let learned = trained
        .tensors
        .iter()
        .map(|tensor| kept(tensor, job.options.precision));
    tensors.extend(learned);
    sampler.flow = Some(Flow::read(&lookup(tensors), trained.architecture)?);
    let drawn = judge::draw(job, sampler, judge::SAMPLES)?;
    let drawn = judge::columns(&drawn, sampler.outputs(), width);
    let squares = drawn.iter().map(|z| f64::from(*z).powi(2));
    let raw = mean(squares).unwrap_or(0.0).sqrt();
    if job.conditions.is_empty() && !judge::collapse(raw).passed {
        let why = match raw.is_finite() {
            true => format!("its samples spread {raw:.2} times as far as the snapshots"),
            false => "its training diverged".into(),
        };
        report.notes.push(format!(
            "the flow was left out, as {why}: what it would have moved is drawn from the snapshots' Gaussian"
        ));
        sampler.flow = None;
        tensors.clear();
        return Ok(None);
    }
    let calibration = Calibration::fit(&drawn, width)?;
    let matrix = named(CALIBRATION_MATRIX, &[width, width], &calibration.matrix);
    let shift = named(CALIBRATION_SHIFT, &[width], &calibration.shift);
    tensors.extend([matrix, shift]);
    sampler.calibration = Some(calibration);
    Ok(Some((trained.architecture, raw)))
}

/// What decodes latents, with the free directions that a behaviour loss added.
struct Decoder<'a> {
    codec: &'a Fit,
    /// Latents and directions.
    rows: usize,
    /// [directions, parameters]
    directions: &'a [f32],
}

impl Decoder<'_> {
    /// The directions' part of the strip that begins at parameter `start`, [directions, width].
    fn directions(&self, start: usize, parameters: usize) -> Vec<f32> {
        let [_, width] = strips(parameters);
        let columns = width.min(parameters - start);
        let mut part = vec![0.0; self.directions.len() / parameters * width];
        let rows = self.directions.chunks_exact(parameters);
        for (part, row) in part.chunks_exact_mut(width).zip(rows) {
            part[..columns].copy_from_slice(&row[start..][..columns]);
        }
        part
    }
}

/// Streams the generator into its file.
fn write(
    job: &Job,
    decoder: &Decoder,
    config: serde_json::Value,
    flow: &[Tensor],
    report: Report,
) -> Result<Report> {
    let parameters = job.collection.layout().parameters();
    let [count, width] = strips(parameters);
    let (precision, codec) = (job.options.precision, decoder.codec);
    let mut entries = vec![
        Entry::new("normalize.mean", Dtype::F32, &[parameters]),
        Entry::new(
            "normalize.scale",
            Dtype::F32,
            &[codec.normalizer.scale.len()],
        ),
        Entry::new("codec.decoder", precision, &[count, decoder.rows, width]),
    ];
    if codec.truncated {
        entries.push(Entry::new("codec.residual", Dtype::F32, &[parameters]));
    }
    entries.extend(
        flow.iter()
            .map(|t| Entry::new(&t.spec.name, t.spec.dtype, &t.spec.shape)),
    );
    let base = job.collection.base()?;
    let mut about = job.about(EngineName::Default, config, report)?;
    about.base = base.iter().map(|tensor| tensor.spec.clone()).collect();
    write_generator(job.generator, &about, &base, &entries, &mut |writer| {
        writer.write_f32(&codec.normalizer.mean)?;
        writer.write_f32(&codec.normalizer.scale)?;
        let mut residual = Vec::new();
        let mut put = |numbers: &[f32]| match precision {
            Dtype::F16 => writer.write(bytemuck::cast_slice(&Vec::<f16>::from_f32_slice(numbers))),
            _ => writer.write_f32(numbers),
        };
        let mut start = 0;
        codec.decoder(job.collection, &job.train, &mut |strip, rest| {
            job.cancel.check()?;
            residual.extend_from_slice(rest);
            put(strip)?;
            put(&decoder.directions(start, parameters))?;
            start += width;
            Ok(())
        })?;
        writer.write_f32(&residual)?;
        flow.iter()
            .try_for_each(|tensor| writer.write(&tensor.bytes))
    })?;
    Ok(about.report)
}

/// Finds tensors by their names, as [`Flow::read`] asks for them.
fn lookup(tensors: &[Tensor]) -> impl Fn(&str, &[usize]) -> Result<Vec<f32>> {
    let named: HashMap<&str, &Tensor> = tensors.iter().map(|t| (t.spec.name.as_str(), t)).collect();
    move |name, shape| {
        let tensor = named
            .get(name)
            .filter(|tensor| tensor.spec.shape == shape)
            .ok_or_else(|| Error::Internal(format!("no tensor {name} {shape:?}")))?;
        let mut values = vec![0.0; tensor.spec.count()];
        tensor.to_f32(&mut values);
        Ok(values)
    }
}

/// A tensor as the file keeps it.
fn kept(tensor: &Tensor, precision: Dtype) -> Tensor {
    let mut values = vec![0.0; tensor.spec.count()];
    tensor.to_f32(&mut values);
    Tensor::from_f32(
        TensorSpec::new(&tensor.spec.name, &tensor.spec.shape, precision),
        &values,
    )
}

fn named(name: &str, shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32(TensorSpec::new(name, shape, Dtype::F32), values)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}
