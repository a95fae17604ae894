#![deny(unsafe_code)]

mod codec;
mod collection;
mod container;
mod denoiser;
mod diffusion;
mod document;
mod error;
pub mod evaluate;
mod ffi;
mod files;
mod generator;
mod layout;
mod map;
mod noise;
mod normalize;
mod open;
mod product;
mod tensor;
#[cfg(feature = "torch")]
mod torch;
mod train;

#[doc(hidden)]
pub use collection::read_checkpoint_from;
pub use collection::{
    CheckpointFiles, CollectOptions, Collected, Collection, Selection, Snapshot, SnapshotSource,
    collect, read_checkpoint,
};
pub use error::{Error, Result};
pub use generator::{
    About, Cancel, ConditionSpec, Curve, Device, EngineName, Gate, Generator, Provenance, Report,
    SampleOptions, Sampler,
};
pub use layout::{Dtype, Layout, Role, TensorSpec};
pub use tensor::Tensor;
pub use train::{Progress, TrainOptions, train};

/// For the benchmark that times a step of the paper engine.
#[cfg(feature = "torch")]
#[doc(hidden)]
pub mod bench {
    pub use crate::diffusion::{Denoiser, ddpm};
    pub use crate::torch::paper::{PaperConfig, Sampler, Trainer};
}
