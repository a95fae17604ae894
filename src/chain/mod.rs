//! Networks that are one chain of layers: their description, and running many of them at once.

mod convolution;
mod layer;
mod loss;
mod ops;
mod plan;
mod pool;
mod run;
mod stack;
#[cfg(test)]
mod tests;
mod window;
mod workspace;

use serde::{Deserialize, Serialize};

pub use layer::Layer;
pub use loss::Targets;
pub use run::Runner;
pub(crate) use run::spread;
pub(crate) use workspace::Rows;

/// A network as a list of layers, each fed by the one before. Part of a symmetry spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Shape of one example: [features], or [channels, height, width].
    pub input: Vec<usize>,
    pub layers: Vec<Layer>,
    /// What its outputs are, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

/// What a network's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// One logit per class, of standardized inputs: of mean 0 and deviation 1.
    Logits,
    /// Numbers in units of their own: of a regression or of a policy.
    Values,
}
