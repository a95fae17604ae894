#![deny(unsafe_code)]

mod collection;
mod error;
mod layout;
mod map;
mod noise;
mod tensor;

#[doc(hidden)]
pub use collection::read_checkpoint_from;
pub use collection::{Selection, read_checkpoint};
pub use error::{Error, Result};
pub use layout::{Dtype, Layout, Role, TensorSpec};
pub use tensor::Tensor;
