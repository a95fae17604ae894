//! Progress to the host's callback.

use std::ffi::{CString, c_void};

use crate::error::{Error, Result};
use crate::ffi::structs::{pdiff_progress, pdiff_progress_callback};
use crate::progress::Progress;

/// Tells the host's callback where the work is.
pub(super) struct Reporter {
    callback: pdiff_progress_callback,
    context: *mut c_void,
}

impl Reporter {
    pub(super) fn new(callback: pdiff_progress_callback, context: *mut c_void) -> Reporter {
        Reporter { callback, context }
    }

    pub(super) fn report(&mut self, progress: &Progress) -> Result<()> {
        let Some(callback) = self.callback else {
            return Ok(());
        };
        let phase = CString::new(progress.phase)
            .map_err(|_| Error::Internal("a phase with NUL in its name".into()))?;
        let told = pdiff_progress {
            struct_size: size_of::<pdiff_progress>(),
            phase: phase.as_ptr(),
            step: progress.step,
            total: progress.total,
            loss: progress.loss,
            rate: progress.rate,
            seconds_left: progress.seconds_left,
        };
        // SAFETY: the host's function with the host's context.
        match unsafe { callback(self.context, &told) } {
            0 => Ok(()),
            other => Err(Error::Callback(format!(
                "the progress callback returned {other}, so the work ended; return 0 to go on"
            ))),
        }
    }
}
