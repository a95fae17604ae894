//! `pdiff_train`.

use std::ffi::c_char;

use crate::chain::Chain;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::evaluate::Scorer;
use crate::ffi::constants::*;
use crate::ffi::guard::guard;
use crate::ffi::handles::{cancel, length, pdiff_cancel};
use crate::ffi::progress::Reporter;
use crate::ffi::refine::{behaviour, probe, scorer};
use crate::ffi::structs::*;
use crate::ffi::text::{path, text};
use crate::ffi::versioned::read;
use crate::generator::{Device, EngineName};
use crate::layout::Dtype;
use crate::progress::Progress;
use crate::symmetry::{AlignOptions, Spec};
use crate::train::{TrainOptions, train_by};

/// Learns a generator from a collection and writes it to a file, which is replaced only on success.
///
/// A checkpoint stands beside the file while the work goes on; after a kill, a failure or a cancel
/// the same call resumes from it to the same result.
///
/// Parameters: `collection`, the folder's path. `generator`, the file's path. `options`, NULL for
/// the defaults. `cancel`, NULL or a token. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT; PDIFF_TOO_FEW_SNAPSHOTS below two; PDIFF_MISMATCH for a symmetry
/// or a chain that does not fit; PDIFF_CORRUPT; PDIFF_NEWER_VERSION; PDIFF_IO; PDIFF_DEVICE_UNAVAILABLE;
/// PDIFF_UNSUPPORTED in a build without libtorch, and where the symmetry is not clear; PDIFF_CANCELLED; PDIFF_CALLBACK; PDIFF_OUT_OF_MEMORY; PDIFF_TORCH.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: any. Trainings of one file must not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_train(
    collection: *const c_char,
    generator: *const c_char,
    options: *const pdiff_train_options,
    cancel: *const pdiff_cancel,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let collection = path(collection, "collection")?;
            let generator = path(generator, "generator")?;
            let given = read(options)?;
            let cancel = self::cancel(cancel)?;
            let mut reporter = Reporter::new(given.progress, given.progress_context);
            let report = &mut |progress: &Progress| reporter.report(progress);
            let chosen = chosen(&given)?;
            let open = || Collection::open(collection);
            let probe = match given.probe.is_null() {
                true => None,
                false => {
                    let opened = open()?;
                    probe(given.probe, opened.layout(), |spec| opened.chain(spec))?
                }
            };
            let distilled = match given.distill.is_null() {
                true => None,
                false => Some(distilled(&given, &open()?)?),
            };
            let mut scorer = scorer(given.score, given.score_context);
            let scorer = scorer.as_mut().map(|scorer| scorer as &mut dyn Scorer);
            let mut behaviour = behaviour(&given, probe.as_ref(), distilled, scorer)?;
            let behaviour = behaviour.as_mut();
            train_by(collection, generator, &chosen, behaviour, &cancel, report)?;
            Ok(())
        })
    }
}

/// How networks compute whose samples learn what they do.
unsafe fn distilled(given: &pdiff_train_options, collection: &Collection) -> Result<Chain> {
    if !given.probe.is_null() || given.gradient.is_some() || given.score.is_some() {
        return Err(Error::invalid(
            "distill beside probe, gradient or score, and training goes by one of them; leave the others NULL",
        ));
    }
    let spec = match unsafe { text(given.distill, "distill") }? {
        "" => None,
        _ => unsafe { symmetry(given.distill, "distill") }?,
    };
    collection.chain(spec.as_ref())
}

unsafe fn chosen(given: &pdiff_train_options) -> Result<TrainOptions> {
    let defaults = TrainOptions::default();
    let engine = match given.engine {
        PDIFF_ENGINE_DEFAULT => EngineName::Default,
        PDIFF_ENGINE_PAPER => EngineName::Paper,
        other => {
            return Err(Error::invalid(format!(
                "engine {other} is none of PDIFF_ENGINE_*"
            )));
        }
    };
    let precision = match given.precision {
        0 | PDIFF_DTYPE_F32 => Dtype::F32,
        PDIFF_DTYPE_F16 => Dtype::F16,
        PDIFF_DTYPE_BF16 => Dtype::Bf16,
        other => {
            return Err(Error::invalid(format!(
                "precision {other} is none of PDIFF_DTYPE_F32, PDIFF_DTYPE_F16 and PDIFF_DTYPE_BF16"
            )));
        }
    };
    let align = match given.align {
        PDIFF_ALIGN_NONE => None,
        PDIFF_ALIGN_WEIGHTS => Some(alignment(given.seed, given.align_rounds, given.balance, 0)?),
        other => {
            return Err(Error::invalid(format!(
                "align {other} is none of PDIFF_ALIGN_*"
            )));
        }
    };
    if given.reserved != 0 {
        return Err(Error::invalid(
            "reserved of the training's options is not zero; begin with pdiff_init",
        ));
    }
    let some = |steps: u64| (steps != 0).then_some(steps);
    Ok(TrainOptions {
        engine,
        seed: given.seed,
        device: device(given.device, given.device_index)?,
        steps: some(given.steps),
        autoencoder_steps: some(given.autoencoder_steps),
        precision,
        components: some(given.components.into()).map(|most| most as usize),
        align,
        symmetry: unsafe { symmetry(given.symmetry, "symmetry") }?,
        untaught: given.untaught != 0,
        checkpoint_seconds: some(given.checkpoint_seconds.into())
            .unwrap_or(defaults.checkpoint_seconds),
    })
}

/// A symmetry spec; NULL is none. `name` is the argument's.
pub(super) unsafe fn symmetry(json: *const c_char, name: &str) -> Result<Option<Spec>> {
    if json.is_null() {
        return Ok(None);
    }
    Spec::parse(unsafe { text(json, name) }?, name).map(Some)
}

/// How to align, with 0 as each field's default.
pub(super) fn alignment(
    seed: u64,
    rounds: u64,
    balance: i32,
    threads: u32,
) -> Result<AlignOptions> {
    let rounds = match length(rounds, "rounds")? {
        0 => AlignOptions::default().rounds,
        rounds => rounds,
    };
    Ok(AlignOptions {
        seed,
        rounds,
        balance: balance != 0,
        threads: threads as usize,
    })
}

pub(super) fn device(code: i32, index: u32) -> Result<Device> {
    match code {
        PDIFF_DEVICE_CPU => Ok(Device::Cpu),
        PDIFF_DEVICE_CUDA => Ok(Device::Cuda(index)),
        other => Err(Error::invalid(format!(
            "device {other} is none of PDIFF_DEVICE_*"
        ))),
    }
}
