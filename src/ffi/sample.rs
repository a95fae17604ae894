//! `pdiff_sample` and its siblings. Networks are sampled into memory of the library's first, so
//! that a failure leaves the host's untouched.

use std::ffi::{c_char, c_void};

use crate::error::{Error, Result};
use crate::evaluate::Scorer;
use crate::ffi::constants::*;
use crate::ffi::generator::{Opened, pdiff_generator};
use crate::ffi::guard::guard;
use crate::ffi::handles::{array, borrow, cancel, length, null, pdiff_cancel};
use crate::ffi::refine::{polish, probe, scorer, selection, unused};
use crate::ffi::structs::*;
use crate::ffi::text::path;
use crate::ffi::train::device;
use crate::ffi::versioned::read;
use crate::generator::{Cancel, SampleOptions, Sampler};
use crate::refine::Refined;
use crate::symmetry::Spec;
use crate::tensor::Tensor;

/// Samples networks as flat vectors of float32, [count, parameters], row-major. With the default
/// engine on the CPU, sample i of a seed is the same bytes whatever the count, the threads and the
/// order of calls.
///
/// Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `out`,
/// `out_bytes` bytes for the networks, of any alignment; NULL asks only for `needed`. `needed`, where
/// the bytes of the networks are put; NULL is fine when `out` is not. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT; PDIFF_BUFFER_TOO_SMALL; PDIFF_CONDITION; PDIFF_CANCELLED;
/// PDIFF_DEVICE_UNAVAILABLE; PDIFF_OUT_OF_MEMORY; PDIFF_TORCH; PDIFF_MISMATCH for a probe whose chain
/// does not fit the networks; PDIFF_CALLBACK. A polish that diverges is PDIFF_INVALID_ARGUMENT.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_sample(
    generator: *const pdiff_generator,
    options: *const pdiff_sample_options,
    cancel: *const pdiff_cancel,
    out: *mut c_void,
    out_bytes: usize,
    needed: *mut usize,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            if out.is_null() && needed.is_null() {
                return Err(Error::invalid("out and needed are NULL; pass one of them"));
            }
            let bytes = sampling(
                generator,
                options,
                cancel,
                |opened, options, cancel, refined| {
                    let parameters = opened.generator.layout().parameters();
                    let bytes = product(options.count, parameters * size_of::<f32>())?;
                    if out.is_null() {
                        return Ok(bytes);
                    }
                    if out_bytes < bytes {
                        return Err(Error::BufferTooSmall {
                            given: out_bytes,
                            needed: bytes,
                        });
                    }
                    let mut networks = zeros(bytes / size_of::<f32>())?;
                    refined.sample(options, cancel, &mut networks)?;
                    out.cast::<u8>()
                        .copy_from_nonoverlapping(networks.as_ptr().cast(), bytes);
                    Ok(bytes)
                },
            )?;
            if !needed.is_null() {
                needed.write(bytes);
            }
            Ok(())
        })
    }
}

/// Samples networks one after another through a callback: what pdiff_sample gives, in memory that
/// does not grow with the count.
///
/// Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `visit`,
/// called for every network in order, with `visit_context`. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: as pdiff_sample. What was visited before a failure stays visited.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_sample_each(
    generator: *const pdiff_generator,
    options: *const pdiff_sample_options,
    cancel: *const pdiff_cancel,
    visit: pdiff_network_callback,
    visit_context: *mut c_void,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let visit = visit.ok_or_else(|| null("visit"))?;
            let mut each = |number: u64, network: &[f32]| match visit(
                visit_context,
                number,
                network.as_ptr(),
                network.len() as u64,
            ) {
                0 => Ok(()),
                other => Err(Error::Callback(format!(
                    "the network callback returned {other}, so the sampling ended; return 0 to go on"
                ))),
            };
            sampling(generator, options, cancel, |_, options, cancel, refined| {
                refined.sample_each(options, cancel, &mut each)
            })
        })
    }
}

/// Samples networks tensor by tensor: each as [count, shape...], row-major, in its own dtype.
///
/// Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `out`, one
/// buffer per tensor in the order of pdiff_generator_tensor, each of count times the tensor's bytes
/// or NULL. `out_count`, the tensor count. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: as pdiff_sample.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_sample_tensors(
    generator: *const pdiff_generator,
    options: *const pdiff_sample_options,
    cancel: *const pdiff_cancel,
    out: *const pdiff_buffer,
    out_count: usize,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            if out.is_null() {
                return Err(null("out"));
            }
            sampling(
                generator,
                options,
                cancel,
                |opened, options, cancel, refined| {
                    check_count(opened, out_count)?;
                    let buffers = array(out, out_count, "out")?;
                    for (buffer, member) in buffers.iter().zip(&opened.members) {
                        let needed = product(options.count, member.bytes())?;
                        if !buffer.data.is_null() && buffer.bytes < needed {
                            return Err(Error::BufferTooSmall {
                                given: buffer.bytes,
                                needed,
                            });
                        }
                    }
                    let stacks = Stacks::sample(opened, options, cancel, refined)?;
                    for ((buffer, member), start) in
                        buffers.iter().zip(&opened.members).zip(&stacks.starts)
                    {
                        if buffer.data.is_null() {
                            continue;
                        }
                        let bytes = member.bytes();
                        for i in 0..options.count {
                            // The base is stacked once.
                            let row = if member.range.is_some() { i } else { 0 };
                            let from = &stacks.bytes()[start + row * bytes..][..bytes];
                            buffer
                                .data
                                .byte_add(i * bytes)
                                .cast::<u8>()
                                .copy_from_nonoverlapping(from.as_ptr(), bytes);
                        }
                    }
                    Ok(())
                },
            )
        })
    }
}

/// Samples networks into safetensors files with the original names, shapes and dtypes, the base
/// included: network-000000.safetensors and so on, numbered from the first sample's number. All
/// files appear, or none.
///
/// Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `folder`,
/// the folder's path, which is made if it is not there; files of the same names are replaced.
/// `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: as pdiff_sample; PDIFF_IO.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: shared. Calls that write the same files must not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_sample_files(
    generator: *const pdiff_generator,
    options: *const pdiff_sample_options,
    cancel: *const pdiff_cancel,
    folder: *const c_char,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let folder = path(folder, "folder")?;
            sampling(generator, options, cancel, |_, options, cancel, refined| {
                refined.sample_files(options, cancel, folder)
            })
        })
    }
}

/// Has `work` sample from the generator as the host's options say.
pub(super) unsafe fn sampling<T>(
    generator: *const pdiff_generator,
    options: *const pdiff_sample_options,
    cancel: *const pdiff_cancel,
    work: impl FnOnce(&Opened, &SampleOptions, &Cancel, &mut Refined) -> Result<T>,
) -> Result<T> {
    let generator = unsafe { borrow(generator, "generator") }?;
    let given = unsafe { read(options) }?;
    let options = unsafe { chosen(&given, 1) }?;
    unused(&given)?;
    let cancel = unsafe { self::cancel(cancel) }?;
    generator.opened.with(|opened| {
        let generator = &opened.generator;
        let chain_of = |spec: Option<&Spec>| generator.chain(spec);
        let probe = unsafe { probe(given.probe, generator.layout(), chain_of) }?;
        let mut scorer = scorer(given.score, given.score_context);
        let mut refined = Refined::new(generator);
        refined.polish = polish(&given, probe.as_ref())?;
        let scorer = scorer.as_mut().map(|scorer| scorer as &mut dyn Scorer);
        refined.selection = selection(given.candidates, scorer, probe.as_ref())?;
        work(opened, &options, &cancel, &mut refined)
    })
}

/// The host's options; `count` is what a count of 0 stands for.
pub(super) unsafe fn chosen(given: &pdiff_sample_options, count: usize) -> Result<SampleOptions> {
    let condition =
        unsafe { array(given.condition, given.condition_length, "condition") }?.to_vec();
    let or_one = |value: f32| if value == 0.0 { 1.0 } else { value };
    Ok(SampleOptions {
        count: match length(given.count, "count")? {
            0 => count,
            given => given,
        },
        first: given.first,
        seed: given.seed,
        condition: (!condition.is_empty()).then_some(condition),
        guidance: or_one(given.guidance),
        sampler: match given.sampler {
            PDIFF_SAMPLER_DEFAULT => None,
            PDIFF_SAMPLER_DDPM => Some(Sampler::Ddpm),
            PDIFF_SAMPLER_DDIM => Some(Sampler::Ddim),
            PDIFF_SAMPLER_DPM_SOLVER_2M => Some(Sampler::DpmSolver2m),
            PDIFF_SAMPLER_EULER => Some(Sampler::Euler),
            PDIFF_SAMPLER_HEUN => Some(Sampler::Heun),
            PDIFF_SAMPLER_AB2 => Some(Sampler::AdamsBashforth),
            other => {
                return Err(Error::invalid(format!(
                    "sampler {other} is none of PDIFF_SAMPLER_*"
                )));
            }
        },
        steps: match given.steps {
            0 => None,
            steps => Some(length(steps, "steps")?),
        },
        temperature: or_one(given.temperature),
        threads: given.threads as usize,
        device: device(given.device, given.device_index)?,
    })
}

pub(super) fn check_count(opened: &Opened, out_count: usize) -> Result<()> {
    if out_count == opened.members.len() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "out_count is {out_count} and a network has {} tensors; pass one place per tensor",
        opened.members.len()
    )))
}

fn product(count: usize, bytes: usize) -> Result<usize> {
    count
        .checked_mul(bytes)
        .filter(|product| *product <= isize::MAX as usize)
        .ok_or_else(|| Error::invalid(format!("count {count} is too large; ask for fewer")))
}

/// Memory that the kernel fills with zeros where it is first touched.
fn zeros<T: bytemuck::Zeroable>(count: usize) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_slice_box(count)
        .map(Vec::from)
        .map_err(|()| {
            Error::OutOfMemory(format!(
                "{} bytes of networks; ask for fewer at once",
                count.saturating_mul(size_of::<T>())
            ))
        })
}

/// What DLPack asks a tensor's first byte to be aligned to.
#[repr(C, align(256))]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block([u8; 256]);

/// Sampled networks, tensor by tensor.
pub(super) struct Stacks {
    blocks: Vec<Block>,
    /// Where each tensor's values begin, in bytes: [count, shape...] for a generated one, one
    /// network's for one from the base.
    pub starts: Vec<usize>,
}

impl Stacks {
    pub(super) fn sample(
        opened: &Opened,
        options: &SampleOptions,
        cancel: &Cancel,
        refined: &mut Refined,
    ) -> Result<Stacks> {
        let mut starts = Vec::new();
        let mut blocks = 0usize;
        for member in &opened.members {
            let rows = if member.range.is_some() {
                options.count
            } else {
                1
            };
            let needed = product(rows, member.bytes())?.div_ceil(size_of::<Block>());
            starts.push(blocks * size_of::<Block>());
            blocks += needed;
        }
        let mut stacks = Stacks {
            blocks: zeros(blocks)?,
            starts,
        };
        let mut put = |member: usize, row: usize, bytes: &[u8]| {
            let start = stacks.starts[member] + row * bytes.len();
            let all: &mut [u8] = bytemuck::cast_slice_mut(&mut stacks.blocks);
            all[start..][..bytes.len()].copy_from_slice(bytes);
        };
        refined.sample_each(options, cancel, &mut |number, network| {
            let row = (number - options.first) as usize;
            for (i, member) in opened.members.iter().enumerate() {
                if let Some(range) = member.range.clone() {
                    let values = &network[range];
                    put(i, row, &Tensor::from_f32(member.spec.clone(), values).bytes);
                }
            }
            if row == 0 {
                for (i, tensor) in opened.generator.tensors(network)?.iter().enumerate() {
                    if opened.members[i].range.is_none() {
                        put(i, 0, &tensor.bytes);
                    }
                }
            }
            Ok(())
        })?;
        Ok(stacks)
    }

    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.blocks)
    }

    /// The first byte, for as long as these stacks live, wherever they move.
    pub(super) fn base(&mut self) -> *mut u8 {
        self.blocks.as_mut_ptr().cast()
    }
}
