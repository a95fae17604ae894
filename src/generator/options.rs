//! What a call of sampling may choose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Stops long work from any thread; clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Asks the work to stop at its next step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

/// Where the work is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    #[default]
    Cpu,
    /// A CUDA device by its number.
    Cuda(u32),
}

impl std::str::FromStr for Device {
    type Err = Error;

    /// `cpu`, `cuda` or `cuda:N`.
    fn from_str(text: &str) -> Result<Device> {
        let number = match text {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok()),
        };
        number.map(Device::Cuda).ok_or_else(|| {
            Error::invalid(format!(
                "device {text:?} is unknown; say cpu, cuda or cuda:N"
            ))
        })
    }
}

/// How latents are drawn from noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// Ancestral sampling (arXiv 2006.11239); noise prediction.
    Ddpm,
    /// Deterministic (arXiv 2010.02502, eta 0); noise prediction.
    Ddim,
    /// DPM-Solver++ 2M (arXiv 2211.01095); noise prediction.
    DpmSolver2m,
    /// Euler's method; flow.
    Euler,
    /// Heun's method; flow, two denoiser calls a step.
    Heun,
    /// The two-step Adams-Bashforth method; flow, second order with one denoiser call a step.
    AdamsBashforth,
}

impl Sampler {
    const ALL: [Sampler; 6] = [
        Sampler::Ddpm,
        Sampler::Ddim,
        Sampler::DpmSolver2m,
        Sampler::Euler,
        Sampler::Heun,
        Sampler::AdamsBashforth,
    ];

    /// As the command line and messages have it.
    pub fn name(self) -> &'static str {
        match self {
            Sampler::Ddpm => "ddpm",
            Sampler::Ddim => "ddim",
            Sampler::DpmSolver2m => "dpm++2m",
            Sampler::Euler => "euler",
            Sampler::Heun => "heun",
            Sampler::AdamsBashforth => "ab2",
        }
    }

    /// `ddpm, ddim or heun`.
    pub(crate) fn list(samplers: &[Sampler]) -> String {
        let names: Vec<&str> = samplers.iter().map(|sampler| sampler.name()).collect();
        match names.split_last() {
            Some((last, [])) => (*last).into(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl std::str::FromStr for Sampler {
    type Err = Error;

    fn from_str(text: &str) -> Result<Sampler> {
        let found = Sampler::ALL.into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| {
            Error::invalid(format!(
                "sampler {text:?} is unknown; say {}",
                Sampler::list(&Sampler::ALL)
            ))
        })
    }
}

/// What to sample. `SampleOptions::default()` is one network of seed 0.
#[derive(Clone, Debug)]
pub struct SampleOptions {
    /// Networks to sample.
    pub count: usize,
    /// The number of the first one: samples 5 to 9 of a seed are the same whether they are asked
    /// for alone or as part of 0 to 9.
    pub first: u64,
    pub seed: u64,
    /// One number per condition of the generator, in the collection's units; none samples the
    /// collection as a whole.
    pub condition: Option<Vec<f32>>,
    /// Guidance scale: 1 follows the condition, more exaggerates it, 0 ignores it.
    pub guidance: f32,
    /// None: the engine's own.
    pub sampler: Option<Sampler>,
    /// Sampler steps. None: the engine's own number.
    pub steps: Option<usize>,
    /// Scale of the noise; below 1 samples vary less.
    pub temperature: f32,
    /// Threads of the default engine on the CPU; 0 takes one per core.
    pub threads: usize,
    pub device: Device,
}

impl SampleOptions {
    /// The samples among which these networks are chosen: those of network *i* are *i* `candidates` to *i* `candidates` +
    /// `candidates` - 1 of the seed. Fails where there are no candidates, or too many.
    pub fn of_candidates(&self, candidates: usize) -> Result<SampleOptions> {
        let first = self.first.checked_mul(candidates as u64);
        let count = self.count.checked_mul(candidates);
        match first.zip(count).filter(|_| candidates > 0) {
            Some((first, count)) => Ok(SampleOptions {
                first,
                count,
                ..self.clone()
            }),
            None => Err(Error::invalid(format!(
                "{candidates} candidates for each of {} networks; ask for 1 or more, and for fewer in all",
                self.count
            ))),
        }
    }
}

impl Default for SampleOptions {
    fn default() -> SampleOptions {
        SampleOptions {
            count: 1,
            first: 0,
            seed: 0,
            condition: None,
            guidance: 1.0,
            sampler: None,
            steps: None,
            temperature: 1.0,
            threads: 0,
            device: Device::Cpu,
        }
    }
}
