//! `pdiff_align`, by weights, by examples or by activations that a callback gives.

use std::ffi::{CString, c_char, c_void};

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ffi::guard::guard;
use crate::ffi::handles::{array, cancel, length, pdiff_cancel};
use crate::ffi::progress::Reporter;
use crate::ffi::structs::*;
use crate::ffi::text::path;
use crate::ffi::train::{alignment, symmetry};
use crate::ffi::versioned::read;
use crate::progress::Meter;
use crate::symmetry::{Matching, Spec, Symmetry, align_collection, check, collected};

/// Writes a copy of a collection whose snapshots have their hidden units in one order, to a new folder.
/// Every network computes what it did. Units are matched by their weights (arXiv 2209.04836), or by
/// what they do on examples, or by activations that the host gives.
///
/// Parameters: `collection`, the folder's path. `aligned`, the new folder's, whole or not there.
/// `options`, NULL for the defaults. `cancel`, NULL or a token. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT; PDIFF_MISMATCH for a symmetry that names a missing tensor or axis,
/// whose sizes differ or that changes what its chain or the run callback computes; PDIFF_UNSUPPORTED where there is none
/// and names and shapes leave it open; PDIFF_CALLBACK when a callback ends the work or gives a number that
/// is not finite; PDIFF_CORRUPT; PDIFF_NEWER_VERSION; PDIFF_IO; PDIFF_CANCELLED; PDIFF_OUT_OF_MEMORY.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_align(
    collection: *const c_char,
    aligned: *const c_char,
    options: *const pdiff_align_options,
    cancel: *const pdiff_cancel,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let collection = Collection::open(path(collection, "collection")?)?;
            let aligned = path(aligned, "aligned")?;
            let given = read(options)?;
            let cancel = self::cancel(cancel)?;
            let spec = match symmetry(given.symmetry, "symmetry")? {
                Some(spec) => spec,
                None => collected(&collection, None)?,
            };
            let options = alignment(given.seed, given.rounds, given.balance, given.threads)?;
            if given.run.is_some() {
                found_right(&given, &collection, &spec)?;
            }
            let mut run = |symmetry: &Symmetry, index: usize, network: &[f32]| {
                activations(&given, symmetry, collection.name(index), network)
            };
            let matching = match (given.examples.is_null(), given.activations) {
                (true, None) => Matching::Weights,
                (true, Some(_)) => Matching::Activations(&mut run),
                (false, None) => examples(&given)?,
                (false, Some(_)) => {
                    return Err(Error::invalid("examples and activations; pass one of them"));
                }
            };
            let mut reporter = Reporter::new(given.progress, given.progress_context);
            let mut meter = None;
            align_collection(
                &collection,
                aligned,
                &spec,
                matching,
                &options,
                &cancel,
                &mut |done, total| {
                    let meter = meter.get_or_insert_with(|| Meter::new("align", 0, total as u64));
                    reporter.report(&meter.at(done as u64, f64::NAN))
                },
            )?;
            Ok(())
        })
    }
}

/// Fails where the host's callback shows that the spec changes what the first snapshot computes.
unsafe fn found_right(
    given: &pdiff_align_options,
    collection: &Collection,
    spec: &Spec,
) -> Result<()> {
    let outputs = length(given.run_outputs, "run_outputs")?;
    if outputs == 0 {
        return Err(Error::invalid(
            "run_outputs is 0; set it to how many numbers the run callback fills",
        ));
    }
    let symmetry = Symmetry::new(spec, collection.layout())?;
    if collection.is_empty() {
        return Ok(());
    }
    check(
        &symmetry,
        collection.weights(0),
        given.seed,
        &mut |network| unsafe { run(given, network, outputs) },
    )
}

/// What a network computes on the host's inputs.
unsafe fn run(given: &pdiff_align_options, network: &[f32], count: usize) -> Result<Vec<f32>> {
    let Some(callback) = given.run else {
        return Err(Error::Internal("a callback that is not there".into()));
    };
    let mut outputs = Vec::new();
    outputs
        .try_reserve_exact(count)
        .map_err(|_| Error::OutOfMemory(format!("{count} outputs of a network")))?;
    // A place that is not filled is found out.
    outputs.resize(count, f32::NAN);
    let status = unsafe {
        callback(
            given.run_context,
            network.as_ptr(),
            network.len() as u64,
            outputs.as_mut_ptr(),
            count as u64,
        )
    };
    if status != 0 {
        return Err(Error::Callback(format!(
            "the run callback returned {status}, so the alignment ended; return 0 to go on"
        )));
    }
    match outputs.iter().position(|x| !x.is_finite()) {
        None => Ok(outputs),
        Some(at) => Err(Error::Callback(format!(
            "output {at} of the run callback is {}; fill every place with a finite number",
            outputs[at]
        ))),
    }
}

unsafe fn examples<'a>(given: &pdiff_align_options) -> Result<Matching<'a>> {
    let numbers = given.example_count.saturating_mul(given.example_numbers);
    Ok(Matching::Examples {
        values: unsafe { array(given.examples, length(numbers, "examples")?, "examples") }?,
        inputs: length(given.example_numbers, "example_numbers")?,
    })
}

/// What the host's callback says that a snapshot's units do.
unsafe fn activations(
    given: &pdiff_align_options,
    symmetry: &Symmetry,
    snapshot: &str,
    network: &[f32],
) -> Result<Vec<Vec<f32>>> {
    let Some(callback) = given.activations else {
        return Err(Error::Internal("a callback that is not there".into()));
    };
    let groups = &symmetry.spec().permutations;
    let examples = length(given.example_count, "example_count")?;
    if examples == 0 {
        return Err(Error::invalid(
            "example_count is 0; set it to how many activations of a unit the callback gives",
        ));
    }
    let mut matrices = Vec::with_capacity(groups.len());
    let mut names = Vec::with_capacity(groups.len());
    for group in groups {
        let numbers = examples.saturating_mul(group.size);
        let mut matrix = Vec::new();
        matrix
            .try_reserve_exact(numbers)
            .map_err(|_| Error::OutOfMemory(format!("{examples} activations of {}", group.name)))?;
        // A place that is not filled is found out.
        matrix.resize(numbers, f32::NAN);
        matrices.push(matrix);
        names.push(CString::new(group.name.as_str()).map_err(|_| {
            Error::invalid("a symmetry group has NUL in its name; take it out of the spec")
        })?);
    }
    let places = groups.iter().zip(&names).zip(&mut matrices);
    let places: Vec<pdiff_activations> = places
        .map(|((group, name), matrix)| pdiff_activations {
            struct_size: size_of::<pdiff_activations>(),
            group: name.as_ptr(),
            examples: given.example_count,
            units: group.size as u64,
            values: matrix.as_mut_ptr(),
        })
        .collect();
    let pointers: Vec<*const pdiff_activations> = places.iter().map(std::ptr::from_ref).collect();
    let context: *mut c_void = given.activations_context;
    let status = unsafe {
        callback(
            context,
            network.as_ptr(),
            network.len() as u64,
            pointers.as_ptr(),
            pointers.len(),
        )
    };
    if status != 0 {
        return Err(Error::Callback(format!(
            "the activation callback returned {status} for {snapshot}, so the alignment ended; return 0 to go on"
        )));
    }
    for (group, matrix) in groups.iter().zip(&matrices) {
        if let Some(at) = matrix.iter().position(|x| !x.is_finite()) {
            return Err(Error::Callback(format!(
                "the activation of unit {} of {} on example {} is {} for {snapshot}; fill every place with a finite number",
                at % group.size,
                group.name,
                at / group.size,
                matrix[at]
            )));
        }
    }
    Ok(matrices)
}
