//! Everything that sampling needs, in one file; and sampling.

mod calibration;
mod default;
mod file;
#[cfg(test)]
mod fixtures;
mod folder;
mod latents;
mod options;
mod report;
mod sample;

pub(crate) use calibration::Calibration;
pub(crate) use default::{
    CALIBRATION_MATRIX, CALIBRATION_SHIFT, DefaultConfig, DefaultEngine, MOST_STEPS,
};
pub use file::{About, ConditionSpec, EngineName, Provenance};
pub(crate) use file::{GeneratorFile, write_generator};
pub(crate) use latents::LatentSampler;
pub use options::{Cancel, Device, SampleOptions, Sampler};
pub use report::{Curve, Gate, Report};
pub use sample::Generator;
pub(crate) use sample::{Batch, Engine};
