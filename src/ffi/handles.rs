//! The vocabulary of pointers: what the library gives and takes back, and what it only borrows.
//!
//! Only a [`Boxed`] type can be given to the host or freed, so that freeing what the host owns
//! does not compile.

use crate::error::{Error, Result};
use crate::ffi::guard::{Fused, guard, quietly};
use crate::ffi::structs::pdiff_error;
use crate::generator::Cancel;

/// Marks a type that lives in a box of the library's and is freed by one named function.
pub(super) trait Boxed {}

/// Hands a value to the host, which must bring it back to be freed.
pub(super) fn give<T: Boxed>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Frees what [`give`] handed out. NULL is fine.
pub(super) unsafe fn take_back<T: Boxed>(pointer: *mut T) {
    if !pointer.is_null() {
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// What a pointer of the host's points to, for the time of a call. `name` is the argument's.
pub(super) unsafe fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// The `count` elements of an array. NULL is fine for none.
pub(super) unsafe fn array<'a, T>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    let bytes = size_of::<T>().checked_mul(count);
    if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Error::invalid(format!(
            "{name} has {count} elements, more than memory can hold; pass its true count"
        )));
    }
    if !pointer.is_aligned() {
        return Err(Error::invalid(format!(
            "{name} is not aligned to its elements; pass an array of them"
        )));
    }
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// A number of things that memory holds. `name` is the argument's.
pub(super) fn length(value: u64, name: &str) -> Result<usize> {
    usize::try_from(value)
        .map_err(|_| Error::invalid(format!("{name} {value} is too large; ask for fewer")))
}

/// A place for a result, checked before the work and written after it.
pub(super) struct Out<T>(*mut T);

impl<T> Out<T> {
    pub(super) unsafe fn new(pointer: *mut T, name: &str) -> Result<Out<T>> {
        if pointer.is_null() {
            return Err(null(name));
        }
        Ok(Out(pointer))
    }

    pub(super) fn set(self, value: T) {
        // SAFETY: not NULL, and the host's by the header's words.
        unsafe { self.0.write(value) };
    }
}

pub(super) fn null(name: &str) -> Error {
    Error::invalid(format!("{name} is NULL; pass a pointer"))
}

/// Stops long work from any thread. Made by pdiff_cancel_new, freed by pdiff_cancel_free.
pub struct pdiff_cancel {
    pub(super) cancel: Fused<Cancel>,
}

impl Boxed for pdiff_cancel {}

/// The token behind a pointer, or one that nobody sets for NULL.
pub(super) unsafe fn cancel(pointer: *const pdiff_cancel) -> Result<Cancel> {
    match unsafe { pointer.as_ref() } {
        Some(token) => token.cancel.with(|cancel| Ok(cancel.clone())),
        None => Ok(Cancel::new()),
    }
}

/// Makes a cancel token.
///
/// Parameters: `out`, where the token is put. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT when `out` is NULL.
/// Ownership: the token is the caller's until pdiff_cancel_free.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_cancel_new(
    out: *mut *mut pdiff_cancel,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let out = Out::new(out, "out")?;
            out.set(give(pdiff_cancel {
                cancel: Fused::new(Cancel::new()),
            }));
            Ok(())
        })
    }
}

/// Asks every call that was given this token, now or later, to stop at its next step, which fails
/// with PDIFF_CANCELLED. A token stays set.
///
/// Parameters: `cancel`, the token. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT when `cancel` is NULL.
/// Ownership: nothing changes hands.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_cancel_set(
    cancel: *const pdiff_cancel,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            borrow(cancel, "cancel")?.cancel.with(|cancel| {
                cancel.cancel();
                Ok(())
            })
        })
    }
}

/// Frees a cancel token. Calls that were given it and still run are not stopped by that.
///
/// Parameters: `cancel`, the token, or NULL for nothing.
/// Returns: nothing.
/// Errors: none.
/// Ownership: the token is gone; do not use it again.
/// Threads: exclusive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_cancel_free(cancel: *mut pdiff_cancel) {
    quietly(|| unsafe { take_back(cancel) });
}
