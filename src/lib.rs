#![deny(unsafe_code)]

mod error;
pub mod evaluate;
mod layout;
mod map;
mod noise;
mod tensor;

pub use error::{Error, Result};
pub use layout::{Dtype, Layout, Role, TensorSpec};
pub use tensor::Tensor;
