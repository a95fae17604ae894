//! The paper engine: p-diff as published (2402.13144) and as its authors' code has it, so that
//! results can be compared one to one.
//!
//! A one-dimensional convolutional autoencoder takes the normalized weights to a short latent, and a
//! one-dimensional convolutional network predicts noise on latents. Tensors carry the names that
//! the authors' state dicts have.

mod autoencoder;
mod config;
mod denoiser;
mod engine;
mod inputs;
mod layers;
mod sample;
mod train;

pub use config::PaperConfig;
pub(crate) use engine::paper_engine;
pub(super) use engine::train;
pub use sample::Sampler;
pub use train::Trainer;

#[cfg(test)]
mod tests;
