//! What libtorch does: training, the paper engine, CUDA. Only this folder names a tch type, and
//! only tch's fallible calls are used, so that no C++ exception becomes a panic.

mod adamw;
mod aligned;
mod arena;
mod checkpoint;
mod default;
mod device;
mod gates;
mod graph;
mod memory;
#[cfg(test)]
mod on_cuda;
pub mod paper;
mod staged;
mod step_inputs;
mod train;

pub(crate) use default::default_engine;
pub(crate) use paper::paper_engine;
pub(crate) use train::train;
