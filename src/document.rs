//! JSON files of ours: one object that names its format and version and carries a checksum.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::files;

/// Larger than any document we write; a larger file is refused before it is read.
const LARGEST: u64 = 1 << 30;

/// The newest version of every format of ours. A reader refuses newer ones and reads all older ones.
pub(crate) const VERSION: u32 = 1;

/// XXH3 (128 bits) over a value's compact JSON, whose keys are sorted.
pub(crate) fn digest(value: &Value) -> String {
    format!("{:032x}", xxh3_128(value.to_string().as_bytes()))
}

/// Writes `content` (which serializes to an object) as format `format`.
pub(crate) fn write(path: &Path, format: &str, content: &impl Serialize) -> Result<()> {
    let mut value =
        serde_json::to_value(content).map_err(|error| Error::Internal(error.to_string()))?;
    value["format"] = format.into();
    value["version"] = VERSION.into();
    value["checksum"] = digest(&value).into();
    let mut text =
        serde_json::to_string_pretty(&value).map_err(|error| Error::Internal(error.to_string()))?;
    text.push('\n');
    files::write(path, text.as_bytes())
}

/// Reads a document of format `format`.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, format: &str) -> Result<T> {
    let kind = fs::metadata(path).map_err(Error::io(path))?;
    if !kind.is_file() || kind.len() > LARGEST {
        return Err(Error::corrupt(path, format!("not a {format} document")));
    }
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let mut value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::corrupt(path, format!("not JSON ({error})")))?;
    if value["format"] != format {
        return Err(Error::corrupt(path, format!("not a {format} document")));
    }
    check_version(path, value["version"].as_u64())?;
    let checksum = value
        .as_object_mut()
        .and_then(|object| object.remove("checksum"));
    if checksum != Some(digest(&value).into()) {
        return Err(Error::corrupt(
            path,
            "the checksum does not match, the file is damaged; restore it from a copy",
        ));
    }
    serde_json::from_value(value)
        .map_err(|error| Error::corrupt(path, format!("not a {format} document ({error})")))
}

/// Refuses a format version that is missing or newer than this library.
pub(crate) fn check_version(path: &Path, version: Option<u64>) -> Result<()> {
    match version {
        Some(version) if version <= u64::from(VERSION) => Ok(()),
        Some(version) => Err(Error::NewerVersion {
            path: path.to_owned(),
            found: version.min(u64::from(u32::MAX)) as u32,
            known: VERSION,
        }),
        None => Err(Error::corrupt(path, "no format version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_read_back_and_a_changed_digit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.json");
        write(&path, "test", &json!({"a": 0.1, "b": [1, 2]})).unwrap();
        let value: Value = read(&path, "test").unwrap();
        assert_eq!(value["a"], 0.1);
        assert_eq!(read::<Value>(&path, "other").unwrap_err().status(), 3);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("0.1", "0.2")).unwrap();
        assert_eq!(read::<Value>(&path, "test").unwrap_err().status(), 3);
        fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert_eq!(read::<Value>(&path, "test").unwrap_err().status(), 4);
    }
}
