#![deny(unsafe_code)]

mod codec;
mod collection;
mod container;
mod document;
mod error;
mod files;
mod layout;
mod map;
mod noise;
mod normalize;
mod product;
mod tensor;

#[doc(hidden)]
pub use collection::read_checkpoint_from;
pub use collection::{
    CheckpointFiles, CollectOptions, Collected, Collection, Selection, Snapshot, SnapshotSource,
    collect, read_checkpoint,
};
pub use error::{Error, Result};
pub use layout::{Dtype, Layout, Role, TensorSpec};
pub use tensor::Tensor;
