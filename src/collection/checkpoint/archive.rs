//! The zip archive that `torch.save` writes: `<name>/data.pkl`, `<name>/data/<key>`, all stored
//! uncompressed, each under a checksum that reading verifies.

use std::io::{Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::take_bytes;
use crate::error::{Error, Result};

pub(super) struct Archive<'a, R> {
    zip: ZipArchive<R>,
    /// What stands before `data.pkl`, with its slash.
    folder: String,
    /// Bytes in the file; no entry can be longer.
    length: u64,
    path: &'a Path,
}

impl<'a, R: Read + Seek> Archive<'a, R> {
    pub fn open(reader: R, length: u64, path: &'a Path) -> Result<Self> {
        let zip = ZipArchive::new(reader).map_err(|error| refusal(error, path))?;
        let folder = zip
            .file_names()
            .flatten()
            .find_map(|name| {
                let folder = name.strip_suffix("data.pkl")?;
                let top = folder.is_empty() || folder.find('/') == Some(folder.len() - 1);
                top.then(|| folder.to_owned())
            })
            .ok_or_else(|| {
                Error::corrupt(path, "a zip archive without data.pkl, so not a checkpoint; save a state dict with torch.save")
            })?;
        Ok(Archive {
            zip,
            folder,
            length,
            path,
        })
    }

    pub fn has(&self, name: &str) -> bool {
        let name = format!("{}{name}", self.folder);
        self.zip.index_for_name(&name).is_some()
    }

    /// The bytes of an entry, of which there may be `most`.
    pub fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>> {
        let path = self.path;
        let full = format!("{}{name}", self.folder);
        let mut entry = match self.zip.by_name(&full) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => {
                let why = format!("lacks the entry {}; save it again", full.escape_debug());
                return Err(Error::corrupt(path, why));
            }
            Err(error) => return Err(refusal(error, path)),
        };
        let size = entry.size();
        if size > self.length.min(most) {
            return Err(Error::corrupt(
                path,
                format!(
                    "the entry {} claims {size} bytes; save it again",
                    full.escape_debug()
                ),
            ));
        }
        let bytes = take_bytes(&mut entry, size, path)?;
        // The checksum is compared at the end of the entry, one read further.
        match entry.read(&mut [0]) {
            Ok(0) => Ok(bytes),
            Ok(_) => Err(Error::corrupt(
                path,
                "an entry is longer than it claims; save it again",
            )),
            Err(error) => Err(refusal(ZipError::Io(error), path)),
        }
    }
}

/// A zip error as one of ours; a failing disk stays an `Io`.
fn refusal(error: ZipError, path: &Path) -> Error {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error {
        ZipError::Io(source)
            if !matches!(
                source.kind(),
                InvalidData | InvalidInput | Other | UnexpectedEof
            ) =>
        {
            Error::io(path)(source)
        }
        error => Error::corrupt(path, format!("{error}; save it again")),
    }
}
