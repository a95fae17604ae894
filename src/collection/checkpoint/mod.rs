//! Reading the checkpoints that training programs write: safetensors, and PyTorch's zip archives
//! without running the pickles inside.
//!
//! A checkpoint is hostile until read. Nothing is allocated on the word of a header alone, only
//! against the length of the file that must hold it, and no input runs code.

mod archive;
mod pickle;
mod safetensors;
mod state_dict;
mod torch_globals;
mod view;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Reads every tensor of a checkpoint.
///
/// The content tells the format, not the name: safetensors, or a PyTorch archive (`torch.save` since
/// 1.6) that holds a state dict at its top or under `state_dict`, `model_state_dict` or `model`.
/// Names in nested dicts are joined with dots, and everything that is no tensor is skipped. Tensors
/// come in the order of their bytes (safetensors) or of the state dict (PyTorch).
///
/// # Errors
/// `Io` when the file cannot be read; `Corrupt` when it is empty, truncated or contradicts itself;
/// `Unsupported` for a pickle that would run code, the archive format before PyTorch 1.6, and
/// element types that a snapshot cannot hold.
pub fn read_checkpoint(path: &Path) -> Result<Vec<Tensor>> {
    let file = File::open(path).map_err(Error::io(path))?;
    read_checkpoint_from(BufReader::new(file), path)
}

/// As [`read_checkpoint`], from any bytes; `path` only names them in errors.
#[doc(hidden)]
pub fn read_checkpoint_from(mut reader: impl Read + Seek, path: &Path) -> Result<Vec<Tensor>> {
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(9)
        .read_to_end(&mut head)
        .map_err(Error::io(path))?;
    let length = reader.seek(SeekFrom::End(0)).map_err(Error::io(path))?;
    reader.rewind().map_err(Error::io(path))?;

    let tensors = match head.as_slice() {
        [] => return Err(Error::corrupt(path, "the file is empty; save it again")),
        [b'P', b'K', 3, 4, ..] => state_dict::read(reader, length, path)?,
        [_, _, _, _, _, _, _, _, b'{'] => safetensors::read(reader, length, path)?,
        // A pickle's first byte, PROTO: torch.save before 1.6, or pickle.dump.
        [0x80, ..] => {
            return Err(Error::Unsupported(format!(
                "{}: a bare pickle, as PyTorch wrote before 1.6; load it there and save its state dict again: torch.save(model.state_dict(), path)",
                path.display()
            )));
        }
        _ => {
            return Err(Error::corrupt(
                path,
                "neither safetensors nor a PyTorch checkpoint; save a state dict in one of the two",
            ));
        }
    };
    if tensors.is_empty() {
        return Err(Error::corrupt(
            path,
            "holds no tensors; save a state dict: torch.save(model.state_dict(), path)",
        ));
    }
    Ok(tensors)
}

/// The next `count` bytes. The caller has held `count` against the length of the file.
fn take_bytes(reader: &mut impl Read, count: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    usize::try_from(count)
        .ok()
        .and_then(|count| bytes.try_reserve_exact(count).ok())
        .ok_or_else(|| Error::OutOfMemory(format!("{}: {count} bytes", path.display())))?;
    reader
        .take(count)
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    if bytes.len() as u64 != count {
        return Err(Error::corrupt(path, "the file ends early; save it again"));
    }
    Ok(bytes)
}

/// The refusal of an element type that [`crate::Dtype`] lacks.
fn foreign_dtype(path: &Path, tensor: &str, dtype: &str) -> Error {
    Error::Unsupported(format!(
        "{}: tensor {} is {dtype}, which a snapshot cannot hold; convert it or leave it out",
        path.display(),
        tensor.escape_debug()
    ))
}
