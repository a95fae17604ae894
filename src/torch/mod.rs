//! What computes with libtorch. Only this folder names a tch type, and only its fallible calls.

pub mod paper;
