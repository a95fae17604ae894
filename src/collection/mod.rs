//! Collections of snapshots: where they come from and what of them is generated.

mod checkpoint;
mod select;

pub use checkpoint::read_checkpoint;
#[doc(hidden)]
pub use checkpoint::read_checkpoint_from;
pub use select::Selection;
