//! The safetensors format: an 8-byte header length, a JSON header, then the tensors' bytes.

use std::io::Read;
use std::path::Path;

use safetensors::tensor::Metadata;

use super::{foreign_dtype, take_bytes};
use crate::container::known_dtype;
use crate::error::{Error, Result};
use crate::layout::TensorSpec;
use crate::tensor::Tensor;

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

pub(super) fn read(mut reader: impl Read, length: u64, path: &Path) -> Result<Vec<Tensor>> {
    let corrupt = |why: String| Error::corrupt(path, why + "; save it again");

    let mut prefix = [0; 8];
    reader.read_exact(&mut prefix).map_err(Error::io(path))?;
    let header_length = u64::from_le_bytes(prefix);
    let room = length.saturating_sub(8);
    if header_length > room.min(LONGEST_HEADER) {
        return Err(corrupt(format!(
            "the header claims {header_length} bytes and the file has {room}"
        )));
    }
    let header = take_bytes(&mut reader, header_length, path)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|e| corrupt(format!("the header is wrong: {e}")))?;
    let (claimed, held) = (metadata.data_len() as u64, room - header_length);
    if claimed != held {
        return Err(corrupt(format!(
            "the tensors take {claimed} bytes and the file holds {held}"
        )));
    }

    // Sorted again by name where offsets are equal: the crate leaves empty tensors in random order.
    let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
    tensors.sort_by(|(a, left), (b, right)| (left.data_offsets, a).cmp(&(right.data_offsets, b)));
    tensors
        .into_iter()
        .map(|(name, info)| {
            let dtype = known_dtype(info.dtype)
                .ok_or_else(|| foreign_dtype(path, &name, &info.dtype.to_string()))?;
            let (start, end) = info.data_offsets;
            let bytes = take_bytes(&mut reader, (end - start) as u64, path)?;
            Tensor::new(TensorSpec::new(name, &info.shape, dtype), bytes)
        })
        .collect()
}
