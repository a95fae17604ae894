//! Sampling: splitting a request into batches, and handing the networks out.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::generator::file::{About, GeneratorFile};
use crate::generator::options::{Cancel, Device, SampleOptions, Sampler};
use crate::layout::Layout;
use crate::network;
use crate::noise::Noise;
use crate::tensor::Tensor;

/// Networks of one batch at most.
const BATCH: usize = 256;
/// Numbers of one batch at most, unless one network alone has more: in the host's buffer, where
/// more networks at once are faster, and in one of ours.
const NUMBERS: usize = 1 << 27;
const NUMBERS_HELD: usize = 1 << 24;

/// Consecutive samples of one request.
pub(crate) struct Batch<'a> {
    pub options: &'a SampleOptions,
    pub first: u64,
    pub count: usize,
    /// Standardized.
    pub condition: Option<Vec<f32>>,
    /// For one network alone; batches are shared among threads as wholes.
    pub threads: usize,
    pub cancel: &'a Cancel,
}

impl Batch<'_> {
    pub(crate) fn noise(&self) -> Noise {
        Noise::new(self.options.seed)
    }
}

/// What an engine must be able to do.
pub(crate) trait Engine: Send + Sync + std::fmt::Debug {
    /// The samplers it can use, its own first.
    fn samplers(&self) -> &'static [Sampler];

    /// Networks of one batch at most.
    fn most(&self, _: Device) -> usize {
        BATCH
    }

    /// Whether batches may run on several threads at once.
    fn is_parallel(&self, device: Device) -> bool;

    /// Writes the batch's weights, [count, parameters].
    fn sample(&self, batch: &Batch, out: &mut [f32]) -> Result<()>;
}

/// An open generator: immutable, and shared between threads without a lock.
#[derive(Debug)]
pub struct Generator {
    file: Arc<GeneratorFile>,
    engine: Box<dyn Engine>,
}

impl Generator {
    /// Puts a file and its engine together; `crate::open` chooses the engine.
    pub(crate) fn new(file: Arc<GeneratorFile>, engine: Box<dyn Engine>) -> Generator {
        Generator { file, engine }
    }

    /// The generated tensors, in the order of the flat vector.
    pub fn layout(&self) -> &Layout {
        &self.file.about.layout
    }

    /// Everything in the file but its numbers.
    pub fn about(&self) -> &About {
        &self.file.about
    }

    /// Samples `options.count` networks into `out`, [count, parameters], row-major.
    ///
    /// On an error `out` holds nothing of use. Fails with [`Error::BufferTooSmall`] when `out` has
    /// another length, [`Error::Condition`], [`Error::InvalidArgument`], [`Error::Cancelled`].
    pub fn sample(&self, options: &SampleOptions, cancel: &Cancel, out: &mut [f32]) -> Result<()> {
        let parameters = self.layout().parameters();
        self.check_room(options, out)?;
        self.check(options)?;
        let condition = self.standardized(options)?;
        if options.count == 0 {
            return Ok(());
        }
        let threads = match self.engine.is_parallel(options.device) {
            true if options.threads == 0 => {
                std::thread::available_parallelism().map_or(1, usize::from)
            }
            true => options.threads,
            false => 1,
        };
        let rows = self.rows(NUMBERS, options.device);
        let rows = options.count.div_ceil(threads).min(rows);
        let run = |first: usize, out: &mut [f32]| {
            let batch = Batch {
                options,
                first: options.first + first as u64,
                count: out.len() / parameters,
                condition: condition.clone(),
                threads: if options.count == 1 { threads } else { 1 },
                cancel,
            };
            cancel.check()?;
            self.engine.sample(&batch, out)
        };
        if threads == 1 || rows >= options.count {
            let mut batches = out.chunks_mut(rows * parameters).enumerate();
            return batches.try_for_each(|(i, part)| run(i * rows, part));
        }
        let parts = std::sync::Mutex::new(out.chunks_mut(rows * parameters).enumerate());
        let next = || parts.lock().map_or(None, |mut parts| parts.next());
        std::thread::scope(|scope| {
            let work = || -> Result<()> {
                while let Some((i, part)) = next() {
                    run(i * rows, part)?;
                }
                Ok(())
            };
            // This thread is one of them.
            let workers: Vec<_> = (1..threads.min(options.count))
                .map(|_| scope.spawn(work))
                .collect();
            workers.into_iter().fold(work(), |all, worker| {
                let one = worker
                    .join()
                    .unwrap_or_else(|_| Err(Error::Internal("a sampling thread panicked".into())));
                all.and(one)
            })
        })
    }

    /// Samples networks one batch at a time and calls `visit` with each one's number and weights, in
    /// order; memory does not grow with `options.count`.
    pub fn sample_each(
        &self,
        options: &SampleOptions,
        cancel: &Cancel,
        visit: &mut dyn FnMut(u64, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let mut fill = |part: &SampleOptions, out: &mut [f32]| self.sample(part, cancel, out);
        self.in_blocks(options, usize::MAX, &mut fill, visit)
    }

    /// Has `fill` make the request's networks, `most` or fewer at a time, and visits them.
    pub(crate) fn in_blocks(
        &self,
        options: &SampleOptions,
        most: usize,
        fill: &mut dyn FnMut(&SampleOptions, &mut [f32]) -> Result<()>,
        visit: &mut dyn FnMut(u64, &[f32]) -> Result<()>,
    ) -> Result<()> {
        self.check(options)?;
        let parameters = self.layout().parameters();
        let rows = self
            .held_rows(options.device)
            .min(most)
            .min(options.count.max(1));
        let mut buffer = vec![0.0; rows * parameters];
        let mut done = 0;
        while done < options.count {
            let count = rows.min(options.count - done);
            let part = SampleOptions {
                count,
                first: options.first + done as u64,
                ..options.clone()
            };
            fill(&part, &mut buffer[..count * parameters])?;
            for (row, number) in buffer[..count * parameters]
                .chunks_exact(parameters)
                .zip(part.first..)
            {
                visit(number, row)?;
            }
            done += count;
        }
        Ok(())
    }

    /// A network's tensors with their original names, shapes and dtypes, in the original order: the
    /// generated ones from `weights`, the others from the base.
    pub fn tensors(&self, weights: &[f32]) -> Result<Vec<Tensor>> {
        let about = &self.file.about;
        let base = about.base.iter().map(|spec| self.file.base(spec));
        let (base, path) = (base.collect::<Result<_>>()?, self.file.container.path());
        network::tensors(&about.layout, base, &about.order, weights, path)
    }

    /// Writes a network as a safetensors file.
    pub fn write_network(&self, weights: &[f32], path: &Path) -> Result<()> {
        network::write(&self.tensors(weights)?, path)
    }

    /// Networks of a batch that has `numbers` at most.
    fn rows(&self, numbers: usize, device: Device) -> usize {
        (numbers / self.layout().parameters()).clamp(1, self.engine.most(device))
    }

    /// Networks of a batch in memory of ours.
    pub(crate) fn held_rows(&self, device: Device) -> usize {
        self.rows(NUMBERS_HELD, device)
    }

    pub(crate) fn check_room(&self, options: &SampleOptions, out: &[f32]) -> Result<()> {
        let needed = options.count.checked_mul(self.layout().parameters());
        match needed == Some(out.len()) {
            true => Ok(()),
            false => Err(Error::BufferTooSmall {
                given: out.len().saturating_mul(4),
                needed: needed.unwrap_or(usize::MAX).saturating_mul(4),
            }),
        }
    }

    fn check(&self, options: &SampleOptions) -> Result<()> {
        let samplers = self.engine.samplers();
        if let Some(sampler) = options.sampler.filter(|chosen| !samplers.contains(chosen)) {
            return Err(Error::invalid(format!(
                "sampler {} does not fit this generator's engine; choose {}",
                sampler.name(),
                Sampler::list(samplers)
            )));
        }
        if let (Device::Cuda(number), false) = (options.device, cfg!(feature = "torch")) {
            return Err(Error::DeviceUnavailable(format!(
                "device cuda:{number}: this build of libpdiff has no libtorch; sample on the CPU, or use the build with the torch feature, which has CUDA"
            )));
        }
        if options.steps == Some(0) {
            return Err(Error::invalid("0 sampling steps; ask for at least 1"));
        }
        if !options.temperature.is_finite() || options.temperature < 0.0 {
            return Err(Error::invalid(format!(
                "temperature {} is no scale; give 0 or more",
                options.temperature
            )));
        }
        if !options.guidance.is_finite() {
            return Err(Error::invalid(format!(
                "guidance {} is no scale; give a finite number",
                options.guidance
            )));
        }
        if options.first.checked_add(options.count as u64).is_none() {
            return Err(Error::invalid(
                "the samples' numbers pass 2^64; choose a smaller first one",
            ));
        }
        Ok(())
    }

    fn standardized(&self, options: &SampleOptions) -> Result<Option<Vec<f32>>> {
        let Some(condition) = &options.condition else {
            return Ok(None);
        };
        let specs = &self.about().conditions;
        if condition.len() != specs.len() {
            if specs.is_empty() {
                return Err(Error::Condition(
                    "this generator has no condition; leave the condition out".into(),
                ));
            }
            let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            return Err(Error::Condition(format!(
                "the condition has {} numbers and the generator's has {} {names:?}; give one per name",
                condition.len(),
                specs.len()
            )));
        }
        if let Some((value, spec)) = condition
            .iter()
            .zip(specs)
            .find(|(value, _)| !value.is_finite())
        {
            return Err(Error::Condition(format!(
                "condition {} is {value}; give a finite number",
                spec.name
            )));
        }
        let standardize =
            |(value, spec): (&f32, &super::ConditionSpec)| (value - spec.mean) / spec.deviation;
        Ok(Some(condition.iter().zip(specs).map(standardize).collect()))
    }
}
