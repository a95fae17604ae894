//! What samples go through before they are handed out, by the host's examples and callbacks.

use crate::error::{Error, Result};
use crate::evaluate::{Score, Scorer};
use crate::ffi::evaluate::judged;
use crate::ffi::generator::Opened;
use crate::ffi::handles::{array, length};
use crate::ffi::structs::*;
use crate::ffi::train::symmetry;
use crate::ffi::versioned::read;
use crate::refine::{At, Judge, Objective, Polish, Probe, Selection};

/// The host's probe set; None where it has none.
pub(super) unsafe fn probe<'a>(
    pointer: *const pdiff_probe,
    opened: &Opened,
) -> Result<Option<Probe<'a>>> {
    if pointer.is_null() {
        return Ok(None);
    }
    let given = unsafe { read(pointer) }?;
    let count = length(given.count, "probe.count")?;
    let numbers = length(given.features, "probe.features")?.checked_mul(count);
    let numbers = numbers.ok_or_else(|| {
        Error::invalid(format!(
            "a probe of {count} examples of {} numbers; pass their true counts",
            given.features
        ))
    })?;
    let inputs = unsafe { array(given.inputs, numbers, "probe.inputs") }?;
    let labels = unsafe { array(given.labels, count, "probe.labels") }?;
    let spec = unsafe { symmetry(given.spec, "probe.spec") }?;
    let generator = &opened.generator;
    let chain = generator.chain(spec.as_ref())?;
    Probe::new(generator.layout(), &chain, inputs, labels).map(Some)
}

/// The host's score callback; None where there is none.
pub(super) fn scorer(
    given: &pdiff_sample_options,
) -> Option<impl FnMut(&[f32]) -> Result<Score> + use<>> {
    let (callback, context) = (given.score?, given.score_context);
    // SAFETY: the host's function with the host's context.
    Some(move |network: &[f32]| unsafe { judged(callback, context, network) })
}

/// The choice that the host asks for; None where it asks for none.
pub(super) fn selection<'a>(
    candidates: u64,
    scorer: Option<&'a mut dyn Scorer>,
    probe: Option<&'a Probe<'a>>,
) -> Result<Option<Selection<'a>>> {
    if candidates <= 1 {
        return Ok(None);
    }
    let judge = match (scorer, probe) {
        (Some(scorer), _) => Judge::Scorer(scorer),
        (None, Some(probe)) => Judge::Probe(probe),
        (None, None) => {
            return Err(Error::invalid(format!(
                "candidates is {candidates} with neither score nor probe; pass one of them"
            )));
        }
    };
    let candidates = length(candidates, "candidates")?;
    Ok(Some(Selection { candidates, judge }))
}

/// The training that the host asks for; None where it asks for none.
pub(super) fn polish<'a>(
    given: &pdiff_sample_options,
    probe: Option<&'a Probe<'a>>,
) -> Result<Option<Polish<'a>>> {
    if given.polish_steps == 0 {
        return Ok(None);
    }
    let batch = length(given.polish_batch, "polish_batch")?;
    let batch = (batch != 0).then_some(batch);
    let objective = match (given.gradient, probe, batch) {
        (None, Some(probe), batch) => Objective::Probe(probe, batch),
        (Some(callback), None, None) => host(callback, given.gradient_context),
        (Some(_), None, Some(_)) => {
            return Err(Error::invalid(
                "polish_batch is for a probe, and a gradient callback chooses its own examples; leave it 0",
            ));
        }
        (Some(_), Some(_), _) => {
            return Err(Error::invalid(
                "gradient and probe are both given, and a polish goes by one of them; leave one NULL",
            ));
        }
        (None, None, _) => {
            return Err(Error::invalid(format!(
                "polish_steps is {} with neither gradient nor probe; pass one of them",
                given.polish_steps
            )));
        }
    };
    let mut polish = Polish::new(given.polish_steps, objective);
    if given.polish_rate != 0.0 {
        polish.rate = given.polish_rate;
    }
    Ok(Some(polish))
}

fn host<'a>(
    callback: unsafe extern "C" fn(
        *mut std::ffi::c_void,
        u64,
        u64,
        *const f32,
        u64,
        *mut f64,
        *mut f32,
    ) -> i32,
    context: *mut std::ffi::c_void,
) -> Objective<'a> {
    Objective::Host(Box::new(move |At { number, step }, network, gradient| {
        let mut loss = f64::NAN;
        // SAFETY: the host's function with the host's context; both arrays have a network's length.
        let status = unsafe {
            callback(
                context,
                number,
                step,
                network.as_ptr(),
                network.len() as u64,
                &mut loss,
                gradient.as_mut_ptr(),
            )
        };
        match status {
            0 => Ok(loss),
            other => Err(Error::Callback(format!(
                "the gradient callback returned {other}, so the sampling ended; return 0 to go on"
            ))),
        }
    }))
}
