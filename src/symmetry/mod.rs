//! Weight sets that compute the same function: permutations of hidden units and positive scalings.
//!
//! A [`Spec`] names an architecture's symmetries; [`infer`] reads it off names and shapes where these
//! leave no doubt. Bound to a layout it is a [`Symmetry`], which acts on flat vectors ([`Transform`])
//! and by which an [`Aligner`] brings a network as near to a reference as permutations can.

mod activations;
mod align;
mod assignment;
mod balance;
mod bound;
mod check;
mod companions;
mod copy;
mod graph;
mod infer;
mod matching;
mod modules;
mod residual;
mod spec;
mod transform;
mod transformer;

pub use activations::{match_activations, probe_activations};
pub use align::{AlignOptions, Aligner, Visit};
pub use balance::balance;
pub use bound::Symmetry;
pub use check::{check, check_chain};
pub(crate) use copy::align_into;
pub use copy::{Aligned, align_collection, collected};
pub use infer::{from_chain, infer};
pub use matching::{Activations, Matching};
pub use spec::{Group, Place, Scaling, Spec};
pub use transform::Transform;
