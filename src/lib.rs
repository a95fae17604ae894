#![deny(unsafe_code)]

pub mod diffusion;
mod error;
mod layout;
mod map;
mod noise;
mod tensor;
#[cfg(feature = "torch")]
mod torch;

pub use error::{Error, Result};
pub use layout::{Dtype, Layout, Role, TensorSpec};
pub use tensor::Tensor;
#[cfg(feature = "torch")]
pub use torch::paper;
