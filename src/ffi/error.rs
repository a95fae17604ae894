//! Status codes and the caller's error struct.

use std::ffi::{CStr, c_char};
use std::mem::offset_of;

use crate::error::Error;
use crate::ffi::constants::PDIFF_MESSAGE_BYTES;
use crate::ffi::structs::pdiff_error;

/// The call did what it says.
pub const PDIFF_OK: i32 = 0;
/// An argument is NULL, out of range or of a wrong size; the message names it.
pub const PDIFF_INVALID_ARGUMENT: i32 = 1;
/// The system refused to read or write a file; the message has the path and the reason.
pub const PDIFF_IO: i32 = 2;
/// A file is damaged, truncated or not of the expected kind.
pub const PDIFF_CORRUPT: i32 = 3;
/// A file was written by a newer libpdiff.
pub const PDIFF_NEWER_VERSION: i32 = 4;
/// A snapshot differs from its collection in names, shapes, dtypes or metrics, or a symmetry does not fit.
pub const PDIFF_MISMATCH: i32 = 5;
/// A snapshot holds NaN or infinity; the message names tensor and index.
pub const PDIFF_NON_FINITE: i32 = 6;
/// A pattern selects no tensor.
pub const PDIFF_EMPTY_SELECTION: i32 = 7;
/// Training needs more snapshots than there are.
pub const PDIFF_TOO_FEW_SNAPSHOTS: i32 = 8;
/// A condition has a wrong length or a value that is not finite.
pub const PDIFF_CONDITION: i32 = 9;
/// A buffer is too small; the message has the size needed.
pub const PDIFF_BUFFER_TOO_SMALL: i32 = 10;
/// The host cancelled.
pub const PDIFF_CANCELLED: i32 = 11;
/// The device is not there.
pub const PDIFF_DEVICE_UNAVAILABLE: i32 = 12;
/// This build, or this libpdiff, cannot do it; the message says which can.
pub const PDIFF_UNSUPPORTED: i32 = 13;
/// Memory ran out.
pub const PDIFF_OUT_OF_MEMORY: i32 = 14;
/// libtorch failed.
pub const PDIFF_TORCH: i32 = 15;
/// A callback of the host returned non-zero.
pub const PDIFF_CALLBACK: i32 = 16;
/// A defect in libpdiff. The handle that it came from refuses further work.
pub const PDIFF_INTERNAL: i32 = 17;

/// libpdiff's version.
///
/// Parameters: none.
/// Returns: a text such as "0.1.0".
/// Errors: none.
/// Ownership: the text is static; do not free it.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn pdiff_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a status code, as this header spells it.
///
/// Parameters: `status`, what a function of libpdiff returned.
/// Returns: a text such as "PDIFF_IO"; "unknown status" for a code of a newer libpdiff.
/// Errors: none.
/// Ownership: the text is static; do not free it.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn pdiff_status_name(status: i32) -> *const c_char {
    name(status).as_ptr()
}

fn name(status: i32) -> &'static CStr {
    match status {
        PDIFF_OK => c"PDIFF_OK",
        PDIFF_INVALID_ARGUMENT => c"PDIFF_INVALID_ARGUMENT",
        PDIFF_IO => c"PDIFF_IO",
        PDIFF_CORRUPT => c"PDIFF_CORRUPT",
        PDIFF_NEWER_VERSION => c"PDIFF_NEWER_VERSION",
        PDIFF_MISMATCH => c"PDIFF_MISMATCH",
        PDIFF_NON_FINITE => c"PDIFF_NON_FINITE",
        PDIFF_EMPTY_SELECTION => c"PDIFF_EMPTY_SELECTION",
        PDIFF_TOO_FEW_SNAPSHOTS => c"PDIFF_TOO_FEW_SNAPSHOTS",
        PDIFF_CONDITION => c"PDIFF_CONDITION",
        PDIFF_BUFFER_TOO_SMALL => c"PDIFF_BUFFER_TOO_SMALL",
        PDIFF_CANCELLED => c"PDIFF_CANCELLED",
        PDIFF_DEVICE_UNAVAILABLE => c"PDIFF_DEVICE_UNAVAILABLE",
        PDIFF_UNSUPPORTED => c"PDIFF_UNSUPPORTED",
        PDIFF_OUT_OF_MEMORY => c"PDIFF_OUT_OF_MEMORY",
        PDIFF_TORCH => c"PDIFF_TORCH",
        PDIFF_CALLBACK => c"PDIFF_CALLBACK",
        PDIFF_INTERNAL => c"PDIFF_INTERNAL",
        _ => c"unknown status",
    }
}

/// Whether `out` is NULL or large enough to be written to. A newer header's larger struct is fine:
/// what lies beyond the fields known here stays as it is.
pub(super) unsafe fn is_usable(out: *const pdiff_error) -> bool {
    out.is_null() || unsafe { (&raw const (*out).struct_size).read() } >= size_of::<pdiff_error>()
}

/// Writes the code and the message, on one line and cut at a character's end where it is too long.
pub(super) unsafe fn write(out: *mut pdiff_error, error: &Error) {
    if out.is_null() {
        return;
    }
    let text: String = error
        .to_string()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut end = text.len().min(PDIFF_MESSAGE_BYTES - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    unsafe {
        (&raw mut (*out).code).write(error.status());
        let message = out.byte_add(offset_of!(pdiff_error, message)).cast::<u8>();
        message.copy_from_nonoverlapping(text.as_ptr(), text.len());
        message.add(text.len()).write(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn every_error_has_the_code_of_its_name() {
        let text = String::new;
        let path = PathBuf::new;
        let source = || std::io::Error::other("x");
        for (error, code) in [
            (Error::InvalidArgument(text()), PDIFF_INVALID_ARGUMENT),
            (
                Error::Io {
                    path: path(),
                    source: source(),
                },
                PDIFF_IO,
            ),
            (
                Error::Corrupt {
                    path: path(),
                    why: text(),
                },
                PDIFF_CORRUPT,
            ),
            (
                Error::NewerVersion {
                    path: path(),
                    found: 2,
                    known: 1,
                },
                PDIFF_NEWER_VERSION,
            ),
            (Error::Mismatch(text()), PDIFF_MISMATCH),
            (
                Error::NonFinite {
                    snapshot: text(),
                    tensor: text(),
                    index: 0,
                    value: 0.0,
                },
                PDIFF_NON_FINITE,
            ),
            (Error::EmptySelection(text()), PDIFF_EMPTY_SELECTION),
            (
                Error::TooFewSnapshots {
                    path: path(),
                    found: 0,
                    needed: 2,
                },
                PDIFF_TOO_FEW_SNAPSHOTS,
            ),
            (Error::Condition(text()), PDIFF_CONDITION),
            (
                Error::BufferTooSmall {
                    given: 0,
                    needed: 1,
                },
                PDIFF_BUFFER_TOO_SMALL,
            ),
            (Error::Cancelled, PDIFF_CANCELLED),
            (Error::DeviceUnavailable(text()), PDIFF_DEVICE_UNAVAILABLE),
            (Error::Unsupported(text()), PDIFF_UNSUPPORTED),
            (Error::OutOfMemory(text()), PDIFF_OUT_OF_MEMORY),
            (Error::Torch(text()), PDIFF_TORCH),
            (Error::Callback(text()), PDIFF_CALLBACK),
            (Error::Internal(text()), PDIFF_INTERNAL),
        ] {
            assert_eq!(error.status(), code, "{error:?}");
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character_and_stays_on_one_line() {
        let mut out = pdiff_error {
            struct_size: size_of::<pdiff_error>(),
            code: 0,
            message: [1; PDIFF_MESSAGE_BYTES],
        };
        let long = format!("a\nb{}", "é".repeat(PDIFF_MESSAGE_BYTES));
        unsafe { write(&mut out, &Error::Mismatch(long)) };
        let bytes = out.message.map(|c| c as u8);
        let text = CStr::from_bytes_until_nul(&bytes)
            .unwrap()
            .to_str()
            .unwrap();
        assert!(text.starts_with("a b") && text.ends_with('é'));
        assert_eq!((text.len(), out.code), (511, PDIFF_MISMATCH));
    }
}
