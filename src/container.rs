//! The one container of our binary files: safetensors whose metadata carries a checksum of the
//! whole file.
//!
//! Tensors stream into the file in the order of the header, so writing needs no memory of their
//! size. Reading maps the file.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::tensor::Metadata;
use safetensors::{Dtype as StoredDtype, SafeTensors};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result};
use crate::files::AtomicFile;
use crate::layout::Dtype;
use crate::map::Mapping;

/// The metadata key of the checksum: XXH3 (128 bits) over the file with the digits set to zero.
const CHECKSUM: &str = "checksum";
const DIGITS: usize = 32;

/// Bytes of a mapped file that are read before their pages are let go.
pub(crate) const RELEASE: usize = 1 << 28;

/// A tensor's place in a container.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

impl Entry {
    pub(crate) fn new(name: impl Into<String>, dtype: Dtype, shape: &[usize]) -> Entry {
        Entry {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
        }
    }

    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}

pub(crate) fn stored_dtype(dtype: Dtype) -> StoredDtype {
    match dtype {
        Dtype::F64 => StoredDtype::F64,
        Dtype::F32 => StoredDtype::F32,
        Dtype::F16 => StoredDtype::F16,
        Dtype::Bf16 => StoredDtype::BF16,
        Dtype::I64 => StoredDtype::I64,
        Dtype::I32 => StoredDtype::I32,
        Dtype::I16 => StoredDtype::I16,
        Dtype::I8 => StoredDtype::I8,
        Dtype::U8 => StoredDtype::U8,
        Dtype::Bool => StoredDtype::BOOL,
    }
}

/// Our name for a stored element type, or none where snapshots cannot have it.
pub(crate) fn known_dtype(dtype: StoredDtype) -> Option<Dtype> {
    [
        Dtype::F64,
        Dtype::F32,
        Dtype::F16,
        Dtype::Bf16,
        Dtype::I64,
        Dtype::I32,
        Dtype::I16,
        Dtype::I8,
        Dtype::U8,
        Dtype::Bool,
    ]
    .into_iter()
    .find(|known| stored_dtype(*known) == dtype)
}

/// The bytes that begin a safetensors file: the header's length and the header, padded to eight.
pub(crate) fn header(entries: &[Entry], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut object = Map::new();
    if !metadata.is_empty() {
        object.insert("__metadata__".into(), json!(metadata));
    }
    let mut start = 0;
    for entry in entries {
        let end = start + entry.bytes();
        object.insert(
            entry.name.clone(),
            json!({
                "dtype": stored_dtype(entry.dtype),
                "shape": entry.shape,
                "data_offsets": [start, end],
            }),
        );
        start = end;
    }
    let mut text = Value::Object(object).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    bytes
}

/// Writes a container tensor by tensor.
pub(crate) struct ContainerWriter {
    file: AtomicFile,
    hash: Xxh3Default,
    checksum_at: u64,
    left: usize,
}

impl ContainerWriter {
    /// Begins `path` with these tensors, in this order. What is read in place comes before any
    /// narrower elements, so that it lies aligned.
    pub(crate) fn create(
        path: &Path,
        entries: &[Entry],
        mut metadata: BTreeMap<String, String>,
    ) -> Result<ContainerWriter> {
        metadata.insert(CHECKSUM.into(), "0".repeat(DIGITS));
        let header = header(entries, &metadata);
        let checksum_at = checksum_range(&header)
            .ok_or_else(|| Error::Internal("a header without its checksum".into()))?
            .start as u64;
        let mut writer = ContainerWriter {
            file: AtomicFile::create(path)?,
            hash: Xxh3Default::new(),
            checksum_at,
            left: header.len() + entries.iter().map(Entry::bytes).sum::<usize>(),
        };
        writer.write(&header)?;
        Ok(writer)
    }

    /// Appends the next bytes of the tensors.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| Error::Internal("more tensor bytes than the header names".into()))?;
        self.hash.update(bytes);
        let path = self.file.target().to_owned();
        self.file
            .file()
            .and_then(|file| file.write_all(bytes))
            .map_err(Error::io(&path))
    }

    pub(crate) fn write_f32(&mut self, values: &[f32]) -> Result<()> {
        self.write(bytemuck::cast_slice(values))
    }

    pub(crate) fn write_f64(&mut self, values: &[f64]) -> Result<()> {
        self.write(bytemuck::cast_slice(values))
    }

    /// Seals the file with its checksum and puts it in place.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.left != 0 {
            return Err(Error::Internal(
                "fewer tensor bytes than the header names".into(),
            ));
        }
        let digits = format!("{:032x}", self.hash.digest128());
        let path = self.file.target().to_owned();
        let at = self.checksum_at;
        self.file
            .file()
            .and_then(|file| {
                file.seek(SeekFrom::Start(at))?;
                file.write_all(digits.as_bytes())
            })
            .map_err(Error::io(&path))?;
        self.file.commit()
    }
}

/// Where the checksum's digits stand in the first bytes of a file.
fn checksum_range(header: &[u8]) -> Option<Range<usize>> {
    let key = format!("\"{CHECKSUM}\":\"");
    let at = header
        .windows(key.len())
        .position(|window| window == key.as_bytes())?
        + key.len();
    (header.len() >= at + DIGITS).then_some(at..at + DIGITS)
}

/// A container that has been mapped and found whole.
#[derive(Debug)]
pub(crate) struct Container {
    path: PathBuf,
    map: Mapping,
    metadata: Metadata,
    data: usize,
}

impl Container {
    /// Opens a container and checks its header and its checksum.
    pub(crate) fn open(path: &Path) -> Result<Container> {
        let map = Mapping::open(path)?;
        let bytes = map.bytes();
        let (length, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|error| Error::corrupt(path, format!("not a safetensors file ({error})")))?;
        let data = length + 8;
        let digits = checksum_range(&bytes[..data]).ok_or_else(|| {
            Error::corrupt(
                path,
                "no checksum, so not one of our files; name one that pdiff wrote",
            )
        })?;
        let mut hash = Xxh3Default::new();
        hash.update(&bytes[..digits.start]);
        hash.update(&[b'0'; DIGITS]);
        for part in bytes[digits.end..].chunks(RELEASE) {
            hash.update(part);
            if part.len() == RELEASE {
                map.release();
            }
        }
        if format!("{:032x}", hash.digest128()).as_bytes() != &bytes[digits] {
            return Err(Error::corrupt(
                path,
                "the checksum does not match, the file is damaged; restore it from a copy",
            ));
        }
        Ok(Container {
            path: path.to_owned(),
            map,
            metadata,
            data,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets go of the pages that were read.
    pub(crate) fn release(&self) {
        self.map.release();
    }

    /// A metadata text.
    pub(crate) fn text(&self, key: &str) -> Result<&str> {
        self.metadata
            .metadata()
            .as_ref()
            .and_then(|texts| texts.get(key))
            .map(String::as_str)
            .ok_or_else(|| Error::corrupt(&self.path, format!("no {key} in its metadata")))
    }

    /// What tells this file's content from any other's.
    pub(crate) fn checksum(&self) -> Result<&str> {
        self.text(CHECKSUM)
    }

    /// The tensors' names.
    #[cfg(feature = "torch")]
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.metadata.tensors().into_keys()
    }

    /// A tensor's dtype, shape and bytes.
    pub(crate) fn tensor(&self, name: &str) -> Result<(Dtype, &[usize], &[u8])> {
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| Error::corrupt(&self.path, format!("no tensor {name}")))?;
        let dtype = known_dtype(info.dtype).ok_or_else(|| {
            Error::corrupt(&self.path, format!("tensor {name} has an unknown dtype"))
        })?;
        let (start, end) = info.data_offsets;
        let bytes = &self.map.bytes()[self.data..][start..end];
        Ok((dtype, &info.shape, bytes))
    }

    /// A tensor's bytes, its dtype and shape checked: `None` stands for any length of an axis.
    fn checked(&self, name: &str, wanted: Dtype, shape: &[Option<usize>]) -> Result<&[u8]> {
        let (dtype, found, bytes) = self.tensor(name)?;
        let fits = found.len() == shape.len()
            && found
                .iter()
                .zip(shape)
                .all(|(n, wanted)| wanted.is_none_or(|wanted| wanted == *n));
        if dtype != wanted || !fits {
            return Err(Error::corrupt(
                &self.path,
                format!("tensor {name} is {dtype:?} {found:?}, not {wanted:?} {shape:?}"),
            ));
        }
        Ok(bytes)
    }

    fn in_place<'a, T: Pod>(&self, name: &str, bytes: &'a [u8]) -> Result<&'a [T]> {
        bytemuck::try_cast_slice(bytes)
            .map_err(|error| Error::corrupt(&self.path, format!("tensor {name}: {error}")))
    }

    /// A float32 tensor in place.
    pub(crate) fn f32(&self, name: &str, shape: &[Option<usize>]) -> Result<&[f32]> {
        self.in_place(name, self.checked(name, Dtype::F32, shape)?)
    }

    /// A float16 tensor in place.
    pub(crate) fn f16(&self, name: &str, shape: &[Option<usize>]) -> Result<&[f16]> {
        self.in_place(name, self.checked(name, Dtype::F16, shape)?)
    }

    /// A float32 or float16 tensor as float32, copied: it may lie unaligned.
    pub(crate) fn f32_copied(&self, name: &str, shape: &[Option<usize>]) -> Result<Vec<f32>> {
        use bytemuck::allocation::pod_collect_to_vec;
        if self.tensor(name)?.0 == Dtype::F16 {
            let half: Vec<f16> = pod_collect_to_vec(self.checked(name, Dtype::F16, shape)?);
            return Ok(half.to_f32_vec());
        }
        Ok(pod_collect_to_vec(self.checked(name, Dtype::F32, shape)?))
    }

    /// A float64 tensor, copied: it may lie unaligned.
    pub(crate) fn f64_copied(&self, name: &str, shape: &[Option<usize>]) -> Result<Vec<f64>> {
        let bytes = self.checked(name, Dtype::F64, shape)?;
        Ok(bytemuck::allocation::pod_collect_to_vec(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(path: &Path) {
        let entries = [Entry::new("a", Dtype::F32, &[2, 2])];
        let texts = BTreeMap::from([("kind".to_owned(), "test".to_owned())]);
        let mut writer = ContainerWriter::create(path, &entries, texts).unwrap();
        writer.write_f32(&[1.0, 2.0]).unwrap();
        writer.write_f32(&[3.0, 4.0]).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        sample(&path);
        let container = Container::open(&path).unwrap();
        assert_eq!(container.text("kind").unwrap(), "test");
        let rows = container.f32("a", &[None, Some(2)]).unwrap();
        assert_eq!(rows, [1.0, 2.0, 3.0, 4.0]);
        assert!(container.f32("a", &[None, Some(3)]).is_err());
        assert!(container.f32("b", &[None]).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        sample(&path);
        let whole = std::fs::read(&path).unwrap();
        let damaged = folder.path().join("d");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&damaged, &bytes).unwrap();
            let error = Container::open(&damaged).expect_err("a flipped bit");
            assert_eq!(error.status(), 3, "byte {at}: {error}");
            std::fs::write(&damaged, &whole[..at]).unwrap();
            assert!(Container::open(&damaged).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_header_that_claims_terabytes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let mut bytes = (1u64 << 60).to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{}");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Container::open(&path).unwrap_err().status(), 3);
        let claim =
            br#"{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
        let mut bytes = (claim.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(claim);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Container::open(&path).unwrap_err().status(), 3);
    }
}
