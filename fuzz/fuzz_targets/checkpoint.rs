//! Any bytes are read as tensors or refused; nothing else may happen.
//!
//!     cargo fuzz run checkpoint fuzz/corpus/checkpoint tests/fixtures/checkpoints
#![no_main]

use std::io::Cursor;
use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensors) = pdiff::read_checkpoint_from(Cursor::new(bytes), Path::new("bytes")) {
        for tensor in tensors {
            assert_eq!(
                tensor.bytes.len(),
                tensor.spec.count() * tensor.spec.dtype.size()
            );
        }
    }
});
