//! What numbers of the header stand for: element types, engines, devices, samplers, alignments.

/// Bytes of a message, its closing NUL included.
pub const PDIFF_MESSAGE_BYTES: usize = 512;

pub const PDIFF_DTYPE_F32: i32 = 1;
pub const PDIFF_DTYPE_F64: i32 = 2;
pub const PDIFF_DTYPE_F16: i32 = 3;
pub const PDIFF_DTYPE_BF16: i32 = 4;
pub const PDIFF_DTYPE_I64: i32 = 5;
pub const PDIFF_DTYPE_I32: i32 = 6;
pub const PDIFF_DTYPE_I16: i32 = 7;
pub const PDIFF_DTYPE_I8: i32 = 8;
pub const PDIFF_DTYPE_U8: i32 = 9;
pub const PDIFF_DTYPE_BOOL: i32 = 10;

/// Flow matching over principal components; samples without libtorch.
pub const PDIFF_ENGINE_DEFAULT: i32 = 0;
/// p-diff as published (arXiv 2402.13144).
pub const PDIFF_ENGINE_PAPER: i32 = 1;

pub const PDIFF_DEVICE_CPU: i32 = 0;
/// The CUDA device `device_index`.
pub const PDIFF_DEVICE_CUDA: i32 = 1;

/// The engine's own sampler.
pub const PDIFF_SAMPLER_DEFAULT: i32 = 0;
/// Ancestral sampling (arXiv 2006.11239); paper engine.
pub const PDIFF_SAMPLER_DDPM: i32 = 1;
/// Deterministic (arXiv 2010.02502); paper engine.
pub const PDIFF_SAMPLER_DDIM: i32 = 2;
/// DPM-Solver++ 2M (arXiv 2211.01095); paper engine.
pub const PDIFF_SAMPLER_DPM_SOLVER_2M: i32 = 3;
/// Euler's method; default engine.
pub const PDIFF_SAMPLER_EULER: i32 = 4;
/// Heun's method; default engine.
pub const PDIFF_SAMPLER_HEUN: i32 = 5;
/// The two-step Adams-Bashforth method; default engine.
pub const PDIFF_SAMPLER_AB2: i32 = 6;

/// Snapshots are taken as they are.
pub const PDIFF_ALIGN_NONE: i32 = 0;
/// Snapshots' hidden units are brought into one order first, by weight matching (arXiv 2209.04836).
pub const PDIFF_ALIGN_WEIGHTS: i32 = 1;
