//! One error type. Each variant knows its status code, and its message is one line that names the
//! thing and says what to change.

use std::path::{Path, PathBuf};

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong, one variant per status code of the C interface.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{0}")]
    InvalidArgument(String),
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {why}", path.display())]
    Corrupt { path: PathBuf, why: String },
    #[error("{}: format version {found} is newer than {known}, which this libpdiff reads; upgrade libpdiff", path.display())]
    NewerVersion {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("{0}")]
    Mismatch(String),
    #[error(
        "snapshot {snapshot}: tensor {tensor} holds {value} at index {index}; drop the snapshot or repair it"
    )]
    NonFinite {
        snapshot: String,
        tensor: String,
        index: usize,
        value: f64,
    },
    #[error("{0}")]
    EmptySelection(String),
    #[error("{}: holds {found} of the {needed} snapshots that training needs at least; collect more", path.display())]
    TooFewSnapshots {
        path: PathBuf,
        found: usize,
        needed: usize,
    },
    #[error("{0}")]
    Condition(String),
    #[error("the buffer holds {given} bytes and {needed} are needed; pass a larger one")]
    BufferTooSmall { given: usize, needed: usize },
    #[error("cancelled; nothing was lost")]
    Cancelled,
    #[error("{0}")]
    DeviceUnavailable(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    #[error("libtorch: {0}")]
    Torch(String),
    #[error("{0}")]
    Callback(String),
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// The status code of the C interface (`PDIFF_*` in pdiff.h).
    pub fn status(&self) -> i32 {
        match self {
            Error::InvalidArgument(_) => 1,
            Error::Io { .. } => 2,
            Error::Corrupt { .. } => 3,
            Error::NewerVersion { .. } => 4,
            Error::Mismatch(_) => 5,
            Error::NonFinite { .. } => 6,
            Error::EmptySelection(_) => 7,
            Error::TooFewSnapshots { .. } => 8,
            Error::Condition(_) => 9,
            Error::BufferTooSmall { .. } => 10,
            Error::Cancelled => 11,
            Error::DeviceUnavailable(_) => 12,
            Error::Unsupported(_) => 13,
            Error::OutOfMemory(_) => 14,
            Error::Torch(_) => 15,
            Error::Callback(_) => 16,
            Error::Internal(_) => 17,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::InvalidArgument(message.into())
    }

    pub(crate) fn corrupt(path: &Path, why: impl Into<String>) -> Self {
        Error::Corrupt {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    /// Of a collection at `path`, from which nothing can be learned.
    pub(crate) fn all_alike(path: &Path) -> Self {
        Error::InvalidArgument(format!(
            "{}: its snapshots are all alike, there is nothing to learn; collect different ones",
            path.display()
        ))
    }

    /// An adapter for `map_err` that keeps the path beside the system's error.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    }
}

#[cfg(feature = "torch")]
impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        let text = error.to_string();
        // libtorch appends its stack; its first line is the message.
        let line = text.lines().next().unwrap_or_default().to_owned();
        // libtorch's allocators, CUDA, cuBLAS and cuDNN.
        let causes = [
            "out of memory",
            "can't allocate memory",
            "ALLOC_FAILED",
            "ALLOCATION_FAILED",
        ];
        if causes.iter().any(|cause| line.contains(cause)) {
            Error::OutOfMemory(line)
        } else {
            Error::Torch(line)
        }
    }
}

#[cfg(all(test, feature = "torch"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_told_from_other_failures() {
        for (said, is_memory) in [
            (
                "CUDA out of memory. Tried to allocate 20.00 GiB.\nstack",
                true,
            ),
            (
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes",
                true,
            ),
            ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", true),
            ("cuDNN error: CUDNN_STATUS_ALLOCATION_FAILED", true),
            ("mat1 and mat2 shapes cannot be multiplied", false),
        ] {
            let error = Error::from(tch::TchError::Torch(said.into()));
            assert_eq!(matches!(error, Error::OutOfMemory(_)), is_memory, "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
