//! What networks should do, by the host's examples and callbacks: for a training, and for samples before
//! they are handed out.

use std::ffi::c_void;

use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::evaluate::{Score, Scorer};
use crate::ffi::evaluate::judged;
use crate::ffi::handles::{array, length};
use crate::ffi::structs::*;
use crate::ffi::train::symmetry;
use crate::ffi::versioned::read;
use crate::layout::Layout;
use crate::refine::{At, BehaviourLoss, Judge, Objective, Polish, Probe, Selection};
use crate::symmetry::Spec;

/// The host's probe set for networks of a layout; None where it has none. `chain_of` gives the chain by the
/// host's spec, or without one.
pub(super) unsafe fn probe<'a>(
    pointer: *const pdiff_probe,
    layout: &Layout,
    chain_of: impl FnOnce(Option<&Spec>) -> Result<Chain>,
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
    Probe::new(layout, &chain_of(spec.as_ref())?, inputs, labels).map(Some)
}

/// The host's score callback; None where there is none.
pub(super) fn scorer(
    callback: pdiff_score_callback,
    context: *mut c_void,
) -> Option<impl FnMut(&[f32]) -> Result<Score> + use<>> {
    let callback = callback?;
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

/// What a training by the host's examples or gradients goes by, and what its fields are called.
struct Asked<'a> {
    steps: (&'static str, u64),
    batch: (&'static str, u64),
    probe: Option<&'a Probe<'a>>,
    gradient: pdiff_gradient_callback,
    context: *mut c_void,
    /// What else it may go by, for messages.
    others: &'static str,
}

impl<'a> Asked<'a> {
    /// Fails where a score has a rival, or what is a probe's.
    fn has_only_a_score(&self) -> Result<()> {
        let (batch_name, batch) = self.batch;
        if self.probe.is_some() || self.gradient.is_some() {
            return Err(Error::invalid(
                "score beside probe or gradient, and training goes by one of them; leave the others NULL",
            ));
        }
        match batch {
            0 => Ok(()),
            _ => Err(Error::invalid(format!(
                "{batch_name} is for a probe, and a score callback chooses its own examples; leave it 0"
            ))),
        }
    }

    fn objective(self) -> Result<Objective<'a>> {
        let ((steps_name, steps), (batch_name, batch)) = (self.steps, self.batch);
        let batch = length(batch, batch_name)?;
        let batch = (batch != 0).then_some(batch);
        match (self.gradient, self.probe, batch) {
            (None, Some(probe), batch) => Ok(Objective::Probe(probe, batch)),
            (Some(callback), None, None) => Ok(host(callback, self.context)),
            (Some(_), None, Some(_)) => Err(Error::invalid(format!(
                "{batch_name} is for a probe, and a gradient callback chooses its own examples; leave it 0"
            ))),
            (Some(_), Some(_), _) => Err(Error::invalid(
                "gradient and probe are both given, and training goes by one of them; leave one NULL",
            )),
            (None, None, _) => Err(Error::invalid(format!(
                "{steps_name} is {steps} with neither gradient nor probe{}; pass one of them",
                self.others
            ))),
        }
    }
}

/// What the host wants networks to do; None where it says nothing of that.
pub(super) fn behaviour<'a>(
    given: &pdiff_train_options,
    probe: Option<&'a Probe<'a>>,
    distilled: Option<Chain>,
    scorer: Option<&'a mut dyn Scorer>,
) -> Result<Option<BehaviourLoss<'a>>> {
    let steps = given.behaviour_steps;
    let says_nothing =
        steps == 0 && given.behaviour_batch == 0 && distilled.is_none() && scorer.is_none();
    if says_nothing && probe.is_none() && given.gradient.is_none() {
        return Ok(None);
    }
    let asked = Asked {
        steps: ("behaviour_steps", steps),
        batch: ("behaviour_batch", given.behaviour_batch),
        probe,
        gradient: given.gradient,
        context: given.gradient_context,
        others: " nor score nor distill",
    };
    let mut loss = match (distilled, scorer) {
        (Some(chain), _) => {
            let batch = length(given.behaviour_batch, "behaviour_batch")?;
            BehaviourLoss::distilling(chain, (batch != 0).then_some(batch))
        }
        (None, Some(scorer)) => {
            asked.has_only_a_score()?;
            BehaviourLoss::scoring(scorer)
        }
        (None, None) => BehaviourLoss::new(asked.objective()?),
    };
    if steps != 0 {
        loss.steps = steps;
    }
    Ok(Some(loss))
}

/// Refuses what would change nothing, as another field has to ask for its use. A probe alone asks for nothing.
pub(super) fn unused(given: &pdiff_sample_options) -> Result<()> {
    let no_polish = given.polish_steps == 0;
    let no_choice = given.candidates == 0;
    for (field, is_unused, asked_by) in [
        (
            "polish_batch",
            given.polish_batch != 0 && no_polish,
            "polish_steps",
        ),
        (
            "polish_rate",
            given.polish_rate != 0.0 && no_polish,
            "polish_steps",
        ),
        (
            "gradient",
            given.gradient.is_some() && no_polish,
            "polish_steps",
        ),
        ("score", given.score.is_some() && no_choice, "candidates"),
    ] {
        if is_unused {
            return Err(Error::invalid(format!(
                "{field} is given and {asked_by} is 0, so it would change nothing; set {asked_by}, or leave {field} out"
            )));
        }
    }
    Ok(())
}

/// The training that the host asks for; None where it asks for none.
pub(super) fn polish<'a>(
    given: &pdiff_sample_options,
    probe: Option<&'a Probe<'a>>,
) -> Result<Option<Polish<'a>>> {
    if given.polish_steps == 0 {
        return Ok(None);
    }
    let asked = Asked {
        steps: ("polish_steps", given.polish_steps),
        batch: ("polish_batch", given.polish_batch),
        probe,
        gradient: given.gradient,
        context: given.gradient_context,
        others: "",
    };
    let mut polish = Polish::new(given.polish_steps, asked.objective()?);
    if given.polish_rate != 0.0 {
        polish.rate = Some(given.polish_rate);
    }
    Ok(Some(polish))
}

fn host<'a>(
    callback: unsafe extern "C" fn(
        *mut c_void,
        u64,
        u64,
        *const f32,
        u64,
        *mut f64,
        *mut f32,
    ) -> i32,
    context: *mut c_void,
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
                "the gradient callback returned {other}, so the work ended; return 0 to go on"
            ))),
        }
    }))
}
