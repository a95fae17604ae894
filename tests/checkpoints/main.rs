//! Checkpoints as PyTorch 2.11 and safetensors write them, held to what torch.load reads, and
//! everything a damaged or hostile file may try. The files: tests/golden/checkpoints.py.

mod damaged;
mod hostile_archives;
mod hostile_safetensors;
mod written_by_pytorch;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use pdiff::{Dtype, Error, Tensor, read_checkpoint, read_checkpoint_from};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/checkpoints")
        .join(name)
}

fn read_bytes(bytes: &[u8]) -> pdiff::Result<Vec<Tensor>> {
    read_checkpoint_from(Cursor::new(bytes), Path::new("bytes"))
}

/// The one-line message of a refusal with this status.
fn refusal(result: pdiff::Result<Vec<Tensor>>, status: i32) -> String {
    let error = result.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.status(), status, "{message}");
    assert!(!message.contains('\n'), "{message}");
    message
}

const CORRUPT: i32 = 3;
const UNSUPPORTED: i32 = 13;
