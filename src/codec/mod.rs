//! Weights to latents and back.

mod components;
mod fit;

pub(crate) use components::Components;
pub(crate) use fit::{Fit, ROUNDING};
