//! Texts and paths of the host's.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ffi::handles::{array, null};

/// A path, which may be any bytes.
pub(super) unsafe fn path<'a>(pointer: *const c_char, name: &str) -> Result<&'a Path> {
    let bytes = unsafe { bytes(pointer, name) }?;
    if bytes.is_empty() {
        return Err(Error::invalid(format!("{name} is empty; pass a path")));
    }
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// A text, which must be UTF-8.
pub(super) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    std::str::from_utf8(unsafe { bytes(pointer, name) }?)
        .map_err(|_| Error::invalid(format!("{name} is not UTF-8; pass UTF-8 text")))
}

/// An array of texts.
pub(super) unsafe fn texts(
    pointer: *const *const c_char,
    count: usize,
    name: &str,
) -> Result<Vec<String>> {
    let pointers = unsafe { array(pointer, count, name) }?;
    let one = |(i, pointer): (usize, &*const c_char)| {
        unsafe { text(*pointer, &format!("{name}[{i}]")) }.map(str::to_owned)
    };
    pointers.iter().enumerate().map(one).collect()
}

unsafe fn bytes<'a>(pointer: *const c_char, name: &str) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return Err(null(name));
    }
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}
