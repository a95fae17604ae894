//! A file's bytes, mapped and not read. The one place that asks the kernel for shared pages.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

use crate::error::{Error, Result};

/// A whole file as bytes. Files of ours are replaced by rename and never written in place, so a
/// mapping keeps showing what it showed when it was opened.
#[derive(Debug)]
pub(crate) struct Mapping(Mmap);

impl Mapping {
    /// Maps `path` for reading.
    pub(crate) fn open(path: &Path) -> Result<Mapping> {
        let file = File::open(path).map_err(Error::io(path))?;
        let kind = file.metadata().map_err(Error::io(path))?;
        if !kind.is_file() {
            return Err(Error::invalid(format!(
                "{}: not a file; name a file",
                path.display()
            )));
        }
        // SAFETY: a mapping is unsound only while somebody writes to or truncates the file in
        // place. Nothing in this library does; the documentation asks the same of the host
        // (docs/formats.md, "Files in use").
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
        Ok(Mapping(map))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lets go of the pages that were read, so that memory holds no more of a large file than is at
    /// work; they stay in the system's file cache as long as it has room.
    pub(crate) fn release(&self) {
        // SAFETY: the mapping is shared and only read, so a page that comes back holds the file's
        // bytes. Where the kernel declines, nothing has changed.
        let _ = unsafe { self.0.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}
