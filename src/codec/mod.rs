//! Weights to latents and back.

mod components;
mod fit;

pub(crate) use components::{Components, Decoder, Drawn, strips};
pub(crate) use fit::{Fit, ROUNDING};
