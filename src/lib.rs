//! libpdiff learns a generator of neural-network weights from checkpoints and samples ready-to-use
//! networks from it.
//!
//! Three calls do the job. [`collect()`] appends checkpoints of one architecture, from files
//! ([`CheckpointFiles`]) or from any [`SnapshotSource`], to a [`Collection`] on disk. [`train()`] learns
//! a generator from it and writes one file. [`Generator::open`] maps that file, and
//! [`Generator::sample`] draws networks: flat float32 vectors [count, parameters] in the order of
//! the [`Layout`]. [`Generator::sample_files`] writes them as safetensors with the original names,
//! shapes and dtypes. [`evaluate`] judges samples beside the originals, held-out ones and trivial
//! baselines.
//!
//! A [`Generator`] is immutable and shared between threads without a lock. With the default engine
//! on the CPU, sample *i* of a seed is the same bytes for any batch size, thread count and order of
//! calls. No state of the process is touched. Long work takes a [`Cancel`] and reports its progress;
//! every failure is an [`Error`] whose message is one line that says what to change.
//!
//! The feature `torch` (on by default) adds what needs libtorch: training and the paper engine. The
//! feature `cli` is for the command line only. Without both this is plain Rust that collects,
//! samples the default engine and evaluates. The C interface is in `include/pdiff.h`.

#![deny(unsafe_code)]
// What only training calls is compiled without libtorch as well, where the core's tests hold it.
#![cfg_attr(not(feature = "torch"), allow(dead_code, unused_imports))]

pub mod chain;
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
mod network;
mod noise;
mod normalize;
mod open;
mod product;
mod progress;
pub mod refine;
pub mod symmetry;
mod tensor;
#[cfg(feature = "torch")]
mod torch;
mod train;
mod vector;

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
pub use progress::Progress;
pub use tensor::Tensor;
pub use train::{TrainOptions, train, train_by};

/// For the benchmark that times a step of the paper engine.
#[cfg(feature = "torch")]
#[doc(hidden)]
pub mod bench {
    pub use crate::diffusion::{Denoiser, ddpm};
    pub use crate::torch::paper::{PaperConfig, Sampler, Trainer};
}
