//! Opening and asking a generator.

use std::ffi::{CString, c_char};
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ffi::collect::dtype_code;
use crate::ffi::guard::{Fused, guard, quietly};
use crate::ffi::handles::{Boxed, Out, borrow, give, null, take_back};
use crate::ffi::structs::{pdiff_error, pdiff_tensor_info};
use crate::ffi::text::path;
use crate::ffi::versioned::{Versioned, size, write};
use crate::generator::Generator;
use crate::layout::TensorSpec;

/// An open generator: immutable, for any number of threads at once. Made by pdiff_generator_open,
/// freed by pdiff_generator_close.
pub struct pdiff_generator {
    pub(super) opened: Fused<Opened>,
}

impl Boxed for pdiff_generator {}

/// A generator with the texts that the host may look at.
pub(super) struct Opened {
    pub generator: Generator,
    /// Every tensor of a network, in the order of the collection's first snapshot.
    pub members: Vec<Member>,
    conditions: Vec<CString>,
    about: CString,
}

/// A tensor of a network.
pub(super) struct Member {
    pub spec: TensorSpec,
    pub shape: Vec<i64>,
    /// Its place in the flat vector; none for one from the base.
    pub range: Option<Range<usize>>,
    name: CString,
}

impl Member {
    pub(super) fn bytes(&self) -> usize {
        self.spec.count() * self.spec.dtype.size()
    }
}

impl Opened {
    fn new(path: &Path) -> Result<Opened> {
        let generator = Generator::open(path)?;
        let text = |text: &str| {
            CString::new(text).map_err(|_| Error::corrupt(path, "a name in it has a NUL byte"))
        };
        let about = generator.about();
        let generated = about
            .layout
            .ranges()
            .map(|(spec, range)| (spec, Some(range)));
        let all: Vec<_> = generated
            .chain(about.base.iter().map(|spec| (spec, None)))
            .collect();
        let member = |name: &String| {
            let (spec, range) = all
                .iter()
                .find(|(spec, _)| spec.name == *name)
                .ok_or_else(|| Error::corrupt(path, format!("tensor {name} has no values")))?;
            Ok(Member {
                shape: spec.shape.iter().map(|n| *n as i64).collect(),
                name: text(name)?,
                spec: (*spec).clone(),
                range: range.clone(),
            })
        };
        let members = about.order.iter().map(member).collect::<Result<_>>()?;
        let conditions = about.conditions.iter();
        let conditions = conditions
            .map(|condition| text(&condition.name))
            .collect::<Result<_>>()?;
        let json =
            serde_json::to_string(about).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Opened {
            about: text(&json)?,
            members,
            conditions,
            generator,
        })
    }
}

/// Opens a generator file. Its numbers are mapped, not read.
///
/// Parameters: `path`, the file's. `out`, where the generator is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT; PDIFF_IO; PDIFF_CORRUPT for a damaged file;
/// PDIFF_NEWER_VERSION; PDIFF_UNSUPPORTED where its engine needs the build with libtorch.
/// Ownership: the generator is the caller's until pdiff_generator_close. The file must not be
/// written to in place until then; replacing and deleting it are fine.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_open(
    path: *const c_char,
    out: *mut *mut pdiff_generator,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let path = self::path(path, "path")?;
            let out = Out::new(out, "out")?;
            out.set(give(pdiff_generator {
                opened: Fused::new(Opened::new(path)?),
            }));
            Ok(())
        })
    }
}

/// Closes a generator.
///
/// Parameters: `generator`, the generator, or NULL for nothing.
/// Returns: nothing.
/// Errors: none.
/// Ownership: the generator and the texts that it lent are gone; DLPack tensors sampled from it
/// stay.
/// Threads: exclusive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_close(generator: *mut pdiff_generator) {
    quietly(|| unsafe { take_back(generator) });
}

/// How many numbers a network's flat vector has.
///
/// Parameters: `generator`. `out`, where the number is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: nothing changes hands.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_parameters(
    generator: *const pdiff_generator,
    out: *mut u64,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        ask(generator, out, error, |opened| {
            Ok(opened.generator.layout().parameters() as u64)
        })
    }
}

/// How many tensors a network has, those from the base included.
///
/// Parameters: `generator`. `out`, where the number is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: nothing changes hands.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_tensor_count(
    generator: *const pdiff_generator,
    out: *mut usize,
    error: *mut pdiff_error,
) -> i32 {
    unsafe { ask(generator, out, error, |opened| Ok(opened.members.len())) }
}

/// Name, shape and dtype of a network's tensor.
///
/// Parameters: `generator`. `index`, below the tensor count; the order is the first snapshot's.
/// `out`, a struct that went through pdiff_init. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: name and shape are the generator's, until it is closed.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_tensor(
    generator: *const pdiff_generator,
    index: usize,
    out: *mut pdiff_tensor_info,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let generator = borrow(generator, "generator")?;
            if out.is_null() {
                return Err(null("out"));
            }
            size(out)?;
            let info = generator.opened.with(|opened| {
                let member = at(&opened.members, index, "tensors")?;
                Ok(pdiff_tensor_info {
                    name: member.name.as_ptr(),
                    shape: member.shape.as_ptr(),
                    rank: member.shape.len(),
                    bytes: member.bytes() as u64,
                    offset: member.range.as_ref().map_or(0, |range| range.start as u64),
                    dtype: dtype_code(member.spec.dtype),
                    generated: member.range.is_some().into(),
                    ..Versioned::zeroed()
                })
            })?;
            write(out, info)
        })
    }
}

/// How many numbers a condition has; 0 for a generator without one.
///
/// Parameters: `generator`. `out`, where the number is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: nothing changes hands.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_condition_count(
    generator: *const pdiff_generator,
    out: *mut usize,
    error: *mut pdiff_error,
) -> i32 {
    unsafe { ask(generator, out, error, |opened| Ok(opened.conditions.len())) }
}

/// The name of one of a condition's numbers.
///
/// Parameters: `generator`. `index`, below the condition count. `out`, where the text is put.
/// `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: the text is the generator's, until it is closed.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_condition(
    generator: *const pdiff_generator,
    index: usize,
    out: *mut *const c_char,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        ask(generator, out, error, |opened| {
            Ok(at(&opened.conditions, index, "conditions")?.as_ptr())
        })
    }
}

/// Everything in the file but its numbers, as JSON: engine, layout, conditions, provenance, and
/// under `report` what training and its gates found.
///
/// Parameters: `generator`. `out`, where the text is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: the text is the generator's, until it is closed.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_about(
    generator: *const pdiff_generator,
    out: *mut *const c_char,
    error: *mut pdiff_error,
) -> i32 {
    unsafe { ask(generator, out, error, |opened| Ok(opened.about.as_ptr())) }
}

/// Whether every gate of the training passed. A generator that fails one samples, but collapsed or
/// copying networks; pdiff_generator_about says which gate, and what to do.
///
/// Parameters: `generator`. `out`, where 1 or 0 is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT.
/// Ownership: nothing changes hands.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_generator_is_good(
    generator: *const pdiff_generator,
    out: *mut i32,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        ask(generator, out, error, |opened| {
            Ok(opened.generator.about().report.is_good().into())
        })
    }
}

/// One answer about a generator.
unsafe fn ask<T>(
    generator: *const pdiff_generator,
    out: *mut T,
    error: *mut pdiff_error,
    answer: impl FnOnce(&Opened) -> Result<T>,
) -> i32 {
    unsafe {
        guard(error, || {
            let generator = borrow(generator, "generator")?;
            let out = Out::new(out, "out")?;
            out.set(generator.opened.with(answer)?);
            Ok(())
        })
    }
}

fn at<'a, T>(list: &'a [T], index: usize, what: &str) -> Result<&'a T> {
    list.get(index).ok_or_else(|| {
        Error::invalid(format!(
            "index {index} is past the generator's {} {what}; pass a smaller one",
            list.len()
        ))
    })
}
