//! Collections of snapshots: where they come from and what of them is generated.

mod checkpoint;
mod select;

#[doc(hidden)]
pub use checkpoint::read_checkpoint_from;
pub use checkpoint::read_checkpoint;
pub use select::Selection;
