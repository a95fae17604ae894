//! The paper engine as the rest of the library knows it: a training job, and sampling from a file.

use std::sync::{Arc, Mutex, MutexGuard};

use once_cell::sync::OnceCell;
use serde_json::json;

use super::config::PaperConfig;
use super::sample::{AUTOENCODER, DENOISER, Sampler as Networks};
use super::train::{Phase, State, Trainer};
use crate::container::Entry;
use crate::diffusion::{Denoiser, ddim, ddpm, dpm_solver_pp_2m};
use crate::error::{Error, Result};
use crate::generator::{
    Batch, Curve, Device, Engine, EngineName, GeneratorFile, Report, Sampler, write_generator,
};
use crate::layout::{Dtype, TensorSpec};
use crate::noise::{Noise, Purpose};
use crate::normalize::{Normalizer, transform};
use crate::progress::Meter;
use crate::tensor::Tensor;
use crate::torch::device::resolve;
use crate::torch::gates;
use crate::torch::train::Job;

const MEAN: &str = "normalize.mean";
const SCALE: &str = "normalize.scale";
/// Devices whose networks are kept: the CPU and this many of CUDA.
const CUDA_DEVICES: usize = 16;
/// Samples that the gates look at, and the sampler steps of each.
const JUDGED: usize = 64;
const JUDGED_STEPS: usize = 20;
/// Steps between points of the report's curves at least; on CUDA losses are read some steps at a time.
const LOOK: u64 = 10;

/// Trains and writes a generator of the paper engine.
pub(in crate::torch) fn train(job: &mut Job) -> Result<Report> {
    let mut config = PaperConfig {
        seed: job.options.seed,
        ..PaperConfig::default()
    };
    if let Some(steps) = job.options.steps {
        config.diffusion_steps = steps as usize;
    }
    if let Some(steps) = job.options.autoencoder_steps {
        config.autoencoder_steps = steps as usize;
    }
    if !matches!(job.options.precision, Dtype::F32 | Dtype::Bf16) {
        return Err(Error::invalid(format!(
            "the paper engine does not train in {:?}; choose F32 or BF16",
            job.options.precision
        )));
    }
    let mut report = Report::default();
    if !job.conditions.is_empty() {
        job.conditions.clear();
        report
            .notes
            .push("the paper engine learns no condition; use the default engine for one".into());
    }
    let layout = job.collection.layout();
    let first = job.collection.weights(job.train[0]);
    if (job.train.iter()).all(|i| job.collection.weights(*i) == first) {
        return Err(Error::all_alike(job.collection.path()));
    }
    let normalizer = normalizer(job);
    let rows = &mut |indices: &[usize], out: &mut [f32]| {
        for (i, row) in indices
            .iter()
            .zip(out.chunks_exact_mut(layout.parameters()))
        {
            row.copy_from_slice(job.collection.weights(job.train[*i]));
            normalizer.forward(layout, row);
        }
        Ok(())
    };
    let mut trainer = Trainer::new(
        config.clone(),
        layout.parameters(),
        job.train.len(),
        job.device,
    )?;
    if job.options.precision == Dtype::Bf16 {
        trainer.round_products();
        let note = "products of the training were rounded to bfloat16";
        report.notes.push(note.into());
    }
    let mut checkpoint = job.checkpoint("", Some(json!(job.options.precision)))?;
    let mut curves = [Phase::Autoencoder, Phase::Diffusion].map(|phase| Curve {
        name: name(phase).into(),
        points: Vec::new(),
    });
    if let Some(((step, saved), tensors)) = checkpoint.load::<(usize, [Curve; 2])>() {
        trainer.resume(&State { step, tensors })?;
        curves = saved;
    }
    let mut meter: Option<(Phase, Meter)> = None;
    while let Some((phase, step, steps)) = trainer.next() {
        if meter.as_ref().is_none_or(|(of, _)| *of != phase) {
            meter = Some((phase, Meter::new(name(phase), step as u64, steps as u64)));
        }
        let Some((count, loss)) = trainer.step(rows)? else {
            break;
        };
        let (step, done) = (step as u64, (step + count) as u64);
        if done / LOOK > step / LOOK || done == steps as u64 {
            curves[phase as usize].points.push((done, loss));
        }
        if checkpoint.is_due() {
            let state = trainer.state()?;
            checkpoint.save(&(state.step, &curves), &state.tensors)?;
        }
        job.cancel.check()?;
        if let Some((_, meter)) = &meter {
            (job.progress)(&meter.at(done, loss))?;
        }
    }
    report.notes.extend(trainer.note());
    report.curves = curves.into();
    let tensors = trainer.networks()?;
    let networks = Networks::new(&config, layout.parameters(), &tensors, job.device)?;
    judge(job, &config, &networks, &normalizer, &mut report)?;
    let settings =
        serde_json::to_value(config).map_err(|error| Error::Internal(error.to_string()))?;
    let base = job.collection.base()?;
    let mut about = job.about(EngineName::Paper, settings, report)?;
    about.base = base.iter().map(|tensor| tensor.spec.clone()).collect();
    let mut entries = vec![
        Entry::new(MEAN, Dtype::F32, &[normalizer.mean.len()]),
        Entry::new(SCALE, Dtype::F32, &[normalizer.scale.len()]),
    ];
    entries.extend(
        tensors
            .iter()
            .map(|t| Entry::new(&t.spec.name, t.spec.dtype, &t.spec.shape)),
    );
    write_generator(job.generator, &about, &base, &entries, &mut |writer| {
        writer.write_f32(&normalizer.mean)?;
        writer.write_f32(&normalizer.scale)?;
        tensors
            .iter()
            .try_for_each(|tensor| writer.write(&tensor.bytes))
    })?;
    checkpoint.remove();
    Ok(about.report)
}

/// Draws samples in few steps and adds the gates to the report.
fn judge(
    job: &Job,
    config: &PaperConfig,
    networks: &Networks,
    normalizer: &Normalizer,
    report: &mut Report,
) -> Result<()> {
    let layout = job.collection.layout();
    let mut x = vec![0.0; JUDGED * networks.width()];
    let noise = Noise::new(gates::SEED);
    for (row, sample) in x.chunks_exact_mut(networks.width()).zip(0..) {
        noise.normal(Purpose::Sampling, sample, 0, row);
    }
    let tick = &mut |_| job.cancel.check();
    dpm_solver_pp_2m(networks, &config.schedule(), JUDGED_STEPS, &mut x, tick)?;
    let mut samples = vec![0.0; JUDGED * layout.parameters()];
    networks.decode(&x, &mut samples)?;
    let rows = |indices: &[usize]| -> Vec<f32> {
        let row = |i: &usize| {
            let mut row = job.collection.weights(*i).to_vec();
            normalizer.forward(layout, &mut row);
            row
        };
        indices.iter().flat_map(row).collect()
    };
    let (mut train, mut held_out) = (rows(&job.train), rows(&job.held_out));
    let mean: Vec<f32> = (0..layout.parameters())
        .map(|d| {
            let column = train.iter().skip(d).step_by(layout.parameters());
            (column.map(|x| f64::from(*x)).sum::<f64>() / job.train.len() as f64) as f32
        })
        .collect();
    for set in [&mut samples, &mut train, &mut held_out] {
        for row in set.chunks_exact_mut(mean.len()) {
            row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
        }
    }
    let equal = vec![1.0; mean.len()];
    report
        .gates
        .push(gates::dispersion(&samples, 0.0, &train, &equal));
    if !held_out.is_empty() {
        report
            .gates
            .push(gates::copying(&samples, &train, &held_out, &equal));
    }
    Ok(())
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Autoencoder => "autoencoder",
        Phase::Diffusion => "denoiser",
    }
}

/// The authors' normalization: one mean and one deviation per tensor, here over all snapshots.
fn normalizer(job: &Job) -> Normalizer {
    let layout = job.collection.layout();
    let mut mean = Vec::with_capacity(layout.parameters());
    let mut scale = Vec::new();
    for (tensor, range) in layout.ranges() {
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for i in &job.train {
            let mut values = job.collection.weights(*i)[range.clone()].to_vec();
            transform(tensor.role, &mut values);
            n += values.len() as f64;
            sum += values.iter().map(|x| f64::from(*x)).sum::<f64>();
            squares += values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        }
        let centre: f64 = sum / f64::max(n, 1.0);
        let deviation = (squares / f64::max(n, 1.0) - centre * centre)
            .max(0.0)
            .sqrt();
        mean.resize(range.end, centre as f32);
        scale.push(if deviation > 0.0 {
            deviation as f32
        } else {
            1.0
        });
    }
    Normalizer { mean, scale }
}

/// The engine over a file; its networks are built at the first sample on each device.
struct PaperEngine {
    file: Arc<GeneratorFile>,
    config: PaperConfig,
    normalizer: Normalizer,
    /// Behind locks, as libtorch's tensors are not shared between threads; it has threads of its own.
    networks: [OnceCell<Mutex<Networks>>; 1 + CUDA_DEVICES],
}

impl std::fmt::Debug for PaperEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("PaperEngine")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Opens a generator of the paper engine.
pub(crate) fn paper_engine(file: Arc<GeneratorFile>) -> Result<Box<dyn Engine>> {
    let container = &file.container;
    let damaged = |error: String| {
        Error::corrupt(
            container.path(),
            format!("its settings are damaged ({error})"),
        )
    };
    let config: PaperConfig = serde_json::from_value(file.about.config.clone())
        .map_err(|error| damaged(error.to_string()))?;
    config.check().map_err(|error| damaged(error.to_string()))?;
    let layout = &file.about.layout;
    let normalizer = Normalizer {
        mean: container.f32(MEAN, &[Some(layout.parameters())])?.to_vec(),
        scale: container
            .f32(SCALE, &[Some(layout.tensors().len())])?
            .to_vec(),
    };
    Ok(Box::new(PaperEngine {
        config,
        normalizer,
        networks: std::array::from_fn(|_| OnceCell::new()),
        file,
    }))
}

impl PaperEngine {
    fn networks(&self, device: Device) -> Result<MutexGuard<'_, Networks>> {
        let place = match device {
            Device::Cpu => 0,
            Device::Cuda(index) => 1 + index as usize,
        };
        let cell = self.networks.get(place).ok_or_else(|| {
            Error::DeviceUnavailable(format!(
                "{device:?} is beyond the {CUDA_DEVICES} devices in use; choose another"
            ))
        })?;
        let networks = cell.get_or_try_init(|| -> Result<Mutex<Networks>> {
            let container = &self.file.container;
            let ours = |name: &String| name.starts_with(AUTOENCODER) || name.starts_with(DENOISER);
            let tensors: Vec<Tensor> = container
                .names()
                .filter(ours)
                .map(|name| {
                    let (dtype, shape, bytes) = container.tensor(&name)?;
                    Tensor::new(TensorSpec::new(&name, shape, dtype), bytes.to_vec())
                })
                .collect::<Result<_>>()?;
            let parameters = self.file.about.layout.parameters();
            let networks = Networks::new(&self.config, parameters, &tensors, resolve(device)?)?;
            Ok(Mutex::new(networks))
        })?;
        networks.lock().map_err(|_| {
            Error::Internal("an earlier sampling panicked; open the generator anew".into())
        })
    }
}

impl Engine for PaperEngine {
    fn samplers(&self) -> &'static [Sampler] {
        &[Sampler::Ddpm, Sampler::Ddim, Sampler::DpmSolver2m]
    }

    fn is_parallel(&self, _: Device) -> bool {
        false
    }

    fn sample(&self, batch: &Batch, out: &mut [f32]) -> Result<()> {
        let guard = self.networks(batch.options.device)?;
        let networks = &*guard;
        let width = networks.width();
        let fill = |step: u64, x: &mut [f32]| {
            for (row, sample) in x.chunks_exact_mut(width).zip(batch.first..) {
                batch.noise().normal(Purpose::Sampling, sample, step, row);
                for value in row {
                    *value *= batch.options.temperature;
                }
            }
        };
        let mut x = vec![0.0; batch.count * width];
        fill(0, &mut x);
        let schedule = self.config.schedule();
        let steps = batch.options.steps.unwrap_or(schedule.steps());
        let noise = &mut |step: usize, x: &mut [f32]| fill(step as u64 + 1, x);
        let tick = &mut |_| batch.cancel.check();
        match batch.options.sampler {
            Some(Sampler::Ddim) => ddim(networks, &schedule, steps, 0.0, &mut x, noise, tick)?,
            Some(Sampler::DpmSolver2m) => {
                dpm_solver_pp_2m(networks, &schedule, steps, &mut x, tick)?
            }
            _ => ddpm(networks, &schedule, steps, &mut x, noise, tick)?,
        }
        networks.decode(&x, out)?;
        let layout = &self.file.about.layout;
        for row in out.chunks_exact_mut(layout.parameters()) {
            self.normalizer.backward(layout, row);
        }
        Ok(())
    }
}
