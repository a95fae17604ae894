//! The C interface. It has no logic of its own: it checks what the host passes, calls the Rust
//! interface, and keeps panics and half-written outputs inside.
//!
//! What every `unsafe` block here relies on is what the header asks of the host: a pointer is NULL
//! or points to as many valid elements as its count says for as long as the call lasts, a text ends
//! with NUL, and a handle came from its constructor and was not freed.
#![allow(unsafe_code, non_camel_case_types)]

mod align;
mod collect;
mod constants;
mod dlpack;
mod error;
mod evaluate;
mod generator;
mod guard;
mod handles;
mod progress;
mod refine;
mod sample;
mod structs;
mod text;
mod train;
mod versioned;
