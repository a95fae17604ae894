//! What stands between the host and every panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::ffi::error::{self, PDIFF_INVALID_ARGUMENT, PDIFF_OK};
use crate::ffi::structs::pdiff_error;

/// Runs an export's work and turns its result into a status and a message. A panic is
/// [`Error::Internal`].
pub(super) unsafe fn guard(out: *mut pdiff_error, work: impl FnOnce() -> Result<()>) -> i32 {
    if !unsafe { error::is_usable(out) } {
        // Without its size known, the struct cannot hold a message that says so.
        return PDIFF_INVALID_ARGUMENT;
    }
    match caught(work) {
        Ok(()) => PDIFF_OK,
        Err(error) => {
            unsafe { error::write(out, &error) };
            error.status()
        }
    }
}

/// Runs work that has no way to report, such as freeing.
pub(super) fn quietly(work: impl FnOnce()) {
    let _ = caught(|| {
        work();
        Ok(())
    });
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::Internal(said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
        .to_owned()
}

/// A value that is not used again after a defect came from it.
#[derive(Debug)]
pub(super) struct Fused<T> {
    value: T,
    blown: AtomicBool,
}

impl<T> Fused<T> {
    pub(super) fn new(value: T) -> Fused<T> {
        Fused {
            value,
            blown: AtomicBool::new(false),
        }
    }

    /// Works with the value, unless earlier work with it ended in a defect.
    pub(super) fn with<'a, R>(&'a self, work: impl FnOnce(&'a T) -> Result<R>) -> Result<R> {
        if self.blown.load(Ordering::Acquire) {
            return Err(Error::Internal(
                "this handle failed before and does no more work; close it and open another".into(),
            ));
        }
        let result = caught(|| work(&self.value));
        if let Err(Error::Internal(_)) = result {
            self.blown.store(true, Ordering::Release);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::constants::PDIFF_MESSAGE_BYTES;
    use crate::ffi::error::{PDIFF_CANCELLED, PDIFF_INTERNAL};
    use std::ptr::null_mut;

    #[test]
    fn a_panic_becomes_a_status_and_a_message() {
        let mut out = pdiff_error {
            struct_size: size_of::<pdiff_error>(),
            code: 0,
            message: [0; PDIFF_MESSAGE_BYTES],
        };
        let status = unsafe { guard(&mut out, || panic!("on purpose")) };
        assert_eq!((status, out.code), (PDIFF_INTERNAL, PDIFF_INTERNAL));
        let text: String = out.message.iter().map(|c| *c as u8 as char).collect();
        assert!(text.starts_with("internal error: on purpose;"), "{text}");
        quietly(|| panic!("on purpose"));
        assert_eq!(unsafe { guard(null_mut(), || Ok(())) }, PDIFF_OK);
        assert_eq!(
            unsafe { guard(null_mut(), || Err(Error::Cancelled)) },
            PDIFF_CANCELLED
        );
    }

    #[test]
    fn a_handle_that_a_panic_came_from_refuses_and_others_go_on() {
        let (first, second) = (Fused::new(1), Fused::new(2));
        let panicked: Result<i32> = first.with(|_| panic!("on purpose"));
        assert!(panicked.is_err());
        let refused = first.with(|value| Ok(*value)).unwrap_err().to_string();
        assert!(refused.contains("does no more work"), "{refused}");
        assert!(second.with(|_| Err::<(), _>(Error::Cancelled)).is_err());
        assert_eq!(second.with(|value| Ok(*value)).unwrap(), 2);
    }
}
