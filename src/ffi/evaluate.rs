//! `pdiff_evaluate`, with a callback of the host's as the scorer.

use std::ffi::{c_char, c_void};

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::evaluate::{Judged, Options, Score, evaluate_generator};
use crate::ffi::generator::pdiff_generator;
use crate::ffi::guard::guard;
use crate::ffi::handles::{array, borrow, cancel, length, null, pdiff_cancel};
use crate::ffi::progress::Reporter;
use crate::ffi::sample::chosen;
use crate::ffi::structs::*;
use crate::ffi::text::{path, texts};
use crate::ffi::versioned::{Versioned, read};
use crate::progress::Meter;

/// Samples that are judged when the host names no number, as on the command line.
const COUNT: usize = 200;

/// Judges samples of a generator beside the snapshots it was trained on, those held out from it, and
/// the trivial baselines made of the former, and writes the evaluation to a JSON file, which
/// `pdiff report` draws and docs/formats.md describes. The host scores every network.
///
/// Parameters: `generator`. `collection`, the path of the one it was trained on. `evaluation`, the
/// file's path; it is replaced only on success. `score`, called for every network, with
/// `score_context`. `options`, NULL for the defaults. `cancel`, NULL or a token. `error`, NULL or the
/// caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT; PDIFF_MISMATCH for another collection than the generator's;
/// PDIFF_CALLBACK when the callback ends the work or its scores cannot be compared; PDIFF_CORRUPT;
/// PDIFF_NEWER_VERSION; PDIFF_IO; PDIFF_CANCELLED; PDIFF_OUT_OF_MEMORY; PDIFF_TORCH.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_evaluate(
    generator: *const pdiff_generator,
    collection: *const c_char,
    evaluation: *const c_char,
    score: pdiff_score_callback,
    score_context: *mut c_void,
    options: *const pdiff_evaluate_options,
    cancel: *const pdiff_cancel,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let generator = borrow(generator, "generator")?;
            let collection = Collection::open(path(collection, "collection")?)?;
            let file = path(evaluation, "evaluation")?;
            let callback = score.ok_or_else(|| null("score"))?;
            let given = read(options)?;
            let cancel = self::cancel(cancel)?;
            let sample = read(given.sample)?;
            if sample.polish_steps != 0 {
                return Err(Error::invalid(
                    "options.sample asks for a polish, which the baselines would not get; leave polish_steps 0",
                ));
            }
            if sample.score.is_some() || !sample.probe.is_null() {
                return Err(Error::invalid(
                    "options.sample has a score or a probe, and an evaluation goes by its own score; leave them NULL",
                ));
            }
            let samples = chosen(&sample, COUNT)?;
            let options = Options {
                seed: given.seed,
                count: length(given.baseline_count, "baseline_count")?,
                candidates: length(sample.candidates, "candidates")?,
                only: texts(given.baselines, given.baselines_length, "baselines")?,
                beside: Vec::new(),
            };
            let mut scorer = |network: &[f32]| judged(callback, score_context, network);
            let mut reporter = Reporter::new(given.progress, given.progress_context);
            let mut meter: Option<Meter> = None;
            generator.opened.with(|opened| {
                let judged = Judged {
                    generator: &opened.generator,
                    collection: &collection,
                    held_out: None,
                    samples: &samples,
                };
                evaluate_generator(&judged, &mut scorer, &options, &cancel, &mut |at| {
                    let total = at.total as u64;
                    let meter = meter.get_or_insert_with(|| Meter::new("evaluate", 0, total));
                    reporter.report(&meter.at(at.done as u64, f64::NAN))
                })?
                .write(file)
            })
        })
    }
}

/// What the host's callback says of a network.
pub(super) unsafe fn judged(
    callback: unsafe extern "C" fn(*mut c_void, *const f32, u64, *mut pdiff_score) -> i32,
    context: *mut c_void,
    network: &[f32],
) -> Result<Score> {
    let mut said = pdiff_score {
        struct_size: size_of::<pdiff_score>(),
        ..Versioned::zeroed()
    };
    let status = unsafe { callback(context, network.as_ptr(), network.len() as u64, &mut said) };
    if status != 0 {
        return Err(Error::Callback(format!(
            "the score callback returned {status}, so the work ended; return 0 to go on"
        )));
    }
    let list = |pointer: *const i64, count, name| -> Result<Option<Vec<i64>>> {
        let values = unsafe { array(pointer, count, name) }?;
        Ok((!pointer.is_null()).then(|| values.to_vec()))
    };
    Ok(Score {
        score: said.score,
        selection_score: (said.has_selection != 0).then_some(said.selection_score),
        predictions: list(
            said.predictions,
            said.prediction_count,
            "pdiff_score.predictions",
        )?,
        labels: list(said.labels, said.label_count, "pdiff_score.labels")?,
        probabilities: None,
    })
}
