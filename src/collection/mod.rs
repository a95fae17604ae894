//! The snapshots of one architecture on disk: `collection.json`, the base, append-only shards.

mod checkpoint;
mod collect;
mod select;
mod shard;
mod snapshot;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::container::known_dtype;
use crate::document;
use crate::error::{Error, Result};
use crate::layout::{Layout, TensorSpec};
use crate::map::Mapping;
use crate::tensor::Tensor;
use shard::Shard;

pub use checkpoint::{read_checkpoint, read_checkpoint_from};
pub use collect::{CollectOptions, Collected, collect};
pub use select::Selection;
pub use snapshot::{CheckpointFiles, Snapshot, SnapshotSource};

const MANIFEST: &str = "collection.json";
const BASE: &str = "base.safetensors";
const FORMAT: &str = "pdiff-collection";

/// What `collection.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    /// The patterns that chose the generated tensors.
    select: Vec<String>,
    /// Names of the condition's numbers.
    conditions: Vec<String>,
    /// The generated tensors.
    layout: Layout,
    /// The others, kept once.
    base: Vec<TensorSpec>,
    /// Every tensor's name in the order of the first snapshot.
    order: Vec<String>,
}

impl Manifest {
    /// Tells apart collections whose shards must not be mixed.
    fn digest(&self) -> Result<String> {
        serde_json::to_value(self)
            .map(|value| document::digest(&value))
            .map_err(|error| Error::Internal(error.to_string()))
    }
}

/// An open collection. Snapshots are mapped, not read; a collection opened while another process
/// appends shows what was there at opening.
#[derive(Debug)]
pub struct Collection {
    path: PathBuf,
    manifest: Manifest,
    shards: Vec<Shard>,
    /// Where each shard's snapshots begin, and at last their number.
    starts: Vec<usize>,
}

impl Collection {
    /// Opens the collection in folder `path` and checks every file's checksum.
    pub fn open(path: &Path) -> Result<Collection> {
        let manifest: Manifest =
            document::read(&path.join(MANIFEST), FORMAT).map_err(|error| match error {
                Error::Io { source, .. }
                    if matches!(
                        source.kind(),
                        ErrorKind::NotFound | ErrorKind::NotADirectory
                    ) =>
                {
                    Error::invalid(format!(
                        "{}: not a collection; make one with pdiff collect",
                        path.display()
                    ))
                }
                other => other,
            })?;
        let digest = manifest.digest()?;
        let mut shards = Vec::new();
        let mut starts = vec![0];
        for file in shard::files(path)? {
            let shard = Shard::open(&file, &digest, &manifest)?;
            starts.push(starts[starts.len() - 1] + shard.len());
            shards.push(shard);
        }
        Ok(Collection {
            path: path.to_owned(),
            manifest,
            shards,
            starts,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many snapshots there are.
    pub fn len(&self) -> usize {
        self.starts[self.shards.len()]
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The generated tensors.
    pub fn layout(&self) -> &Layout {
        &self.manifest.layout
    }

    /// Names of the condition's numbers; empty without one.
    pub fn conditions(&self) -> &[String] {
        &self.manifest.conditions
    }

    /// The patterns that chose the generated tensors.
    pub fn selection(&self) -> &[String] {
        &self.manifest.select
    }

    /// Every tensor's name, generated or not, in the order of the first snapshot.
    pub fn order(&self) -> &[String] {
        &self.manifest.order
    }

    /// Tells this collection apart from others; appending does not change it.
    #[cfg(feature = "torch")]
    pub(crate) fn digest(&self) -> Result<String> {
        self.manifest.digest()
    }

    /// Snapshot `index`'s generated tensors as one flat vector of `layout().parameters()` numbers.
    pub fn weights(&self, index: usize) -> &[f32] {
        let (shard, row) = self.place(index);
        shard.weights(row)
    }

    /// Snapshot `index`'s condition, in the order of [`Collection::conditions`].
    pub fn condition(&self, index: usize) -> &[f32] {
        let (shard, row) = self.place(index);
        shard.condition(row)
    }

    /// Snapshot `index`'s metrics.
    pub fn metrics(&self, index: usize) -> Vec<(&str, f64)> {
        let (shard, row) = self.place(index);
        shard.metrics(row)
    }

    /// What snapshot `index` was called when it was collected.
    pub fn name(&self, index: usize) -> &str {
        let (shard, row) = self.place(index);
        shard.name(row)
    }

    /// The tensors that are not generated, as the first snapshot had them.
    pub fn base(&self) -> Result<Vec<Tensor>> {
        if self.manifest.base.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.path.join(BASE);
        let map = Mapping::open(&path)?;
        let stored = SafeTensors::deserialize(map.bytes())
            .map_err(|error| Error::corrupt(&path, error.to_string()))?;
        self.manifest
            .base
            .iter()
            .map(|spec| {
                let view = stored
                    .tensor(&spec.name)
                    .map_err(|error| Error::corrupt(&path, error.to_string()))?;
                if known_dtype(view.dtype()) != Some(spec.dtype) {
                    return Err(Error::corrupt(
                        &path,
                        format!("tensor {} changed dtype", spec.name),
                    ));
                }
                Tensor::new(spec.clone(), view.data().to_vec())
            })
            .collect()
    }

    fn place(&self, index: usize) -> (&Shard, usize) {
        let shard = self.starts.partition_point(|start| *start <= index) - 1;
        (&self.shards[shard], index - self.starts[shard])
    }
}
