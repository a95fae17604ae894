//! Symmetries: inferred for known architectures, applied, checked, and undone by alignment.

mod aligned;
mod host;
mod inferred;
mod layouts;
mod specs;
