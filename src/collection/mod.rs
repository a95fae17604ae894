//! The snapshots of one architecture on disk: `collection.json`, the base, append-only shards.

mod checkpoint;
mod collect;
mod select;
mod shard;
mod snapshot;
mod split;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::container::{Container, RELEASE};
use crate::document;
use crate::error::{Error, Result};
use crate::layout::{Layout, TensorSpec};
use crate::network;
use crate::symmetry::Spec;
use crate::tensor::Tensor;
use shard::Shard;

pub use checkpoint::{read_checkpoint, read_checkpoint_from};
pub use collect::{CollectOptions, Collected, collect};
pub use select::Selection;
pub use snapshot::{CheckpointFiles, Snapshot, SnapshotSource};
pub(crate) use split::{evenly, split};

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
    /// The architecture's symmetries, where the first call gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    symmetry: Option<Spec>,
}

impl Manifest {
    /// Tells apart collections whose shards must not be mixed. What is known about symmetry is the
    /// same for all of an architecture and stays out, so that older libraries read the shards.
    fn digest(&self) -> Result<String> {
        let mut value =
            serde_json::to_value(self).map_err(|error| Error::Internal(error.to_string()))?;
        if let Some(object) = value.as_object_mut() {
            object.remove("symmetry");
        }
        Ok(document::digest(&value))
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
    /// Bytes of weights read since their pages were last let go.
    read: AtomicUsize,
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
            read: AtomicUsize::new(0),
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

    /// The symmetry spec that it was collected with.
    pub fn symmetry(&self) -> Option<&Spec> {
        self.manifest.symmetry.as_ref()
    }

    /// Every tensor's name, generated or not, in the order of the first snapshot.
    pub fn order(&self) -> &[String] {
        &self.manifest.order
    }

    /// Tells the first `snapshots` of this collection apart from others, which are all that it had at some time.
    pub(crate) fn digest(&self, snapshots: usize) -> Result<String> {
        let shards = self.starts.iter().take_while(|start| **start < snapshots);
        let shards = shards.zip(&self.shards).map(|(_, shard)| shard.checksum());
        let shards = shards.collect::<Result<Vec<_>>>()?;
        Ok(document::digest(&serde_json::json!([
            self.manifest.digest()?,
            shards
        ])))
    }

    /// Snapshot `index`'s generated tensors as one flat vector of `layout().parameters()` numbers.
    pub fn weights(&self, index: usize) -> &[f32] {
        let (shard, row) = self.place(index);
        shard.weights(row)
    }

    /// Says that so many bytes of weights were read, so that memory holds no more of a large
    /// collection than is at work.
    pub(crate) fn note_read(&self, bytes: usize) {
        if self.read.fetch_add(bytes, Ordering::Relaxed) + bytes >= RELEASE {
            self.read.store(0, Ordering::Relaxed);
            self.shards.iter().for_each(Shard::release);
        }
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

    /// What writes a network of `weights` [parameters], with the tensors that are not generated, as a safetensors file.
    pub fn network_writer(&self) -> Result<impl Fn(&[f32], &Path) -> Result<()>> {
        let base = self.base()?;
        Ok(move |weights: &[f32], path: &Path| {
            let (layout, order, base) = (self.layout(), self.order(), base.clone());
            network::write(
                &network::tensors(layout, base, order, weights, &self.path)?,
                path,
            )
        })
    }

    /// The tensors that are not generated, as the first snapshot had them.
    pub fn base(&self) -> Result<Vec<Tensor>> {
        if self.manifest.base.is_empty() {
            return Ok(Vec::new());
        }
        let stored = Container::open(&self.path.join(BASE))?;
        let specs = self.manifest.base.iter();
        specs
            .map(|spec| {
                let (dtype, shape, bytes) = stored.tensor(&spec.name)?;
                if dtype != spec.dtype || shape != spec.shape {
                    return Err(Error::corrupt(
                        stored.path(),
                        format!("tensor {} is not as the collection has it", spec.name),
                    ));
                }
                Tensor::new(spec.clone(), bytes.to_vec())
            })
            .collect()
    }

    fn place(&self, index: usize) -> (&Shard, usize) {
        let shard = self.starts.partition_point(|start| *start <= index) - 1;
        (&self.shards[shard], index - self.starts[shard])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Dtype;

    /// Two tensors, the second of which is for the base.
    struct Pair;

    impl SnapshotSource for Pair {
        fn len(&self) -> usize {
            2
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn read(&self, index: usize) -> Result<Snapshot> {
            let tensor = |name: &str, value: f32| {
                Tensor::from_f32(TensorSpec::new(name, &[2], Dtype::F32), &[value, 0.5])
            };
            Ok(Snapshot {
                tensors: vec![tensor("head", index as f32), tensor("body", 7.0)],
                ..Snapshot::default()
            })
        }
    }

    #[test]
    fn the_base_is_kept_once_and_its_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let options = CollectOptions {
            select: vec!["head".into()],
            ..CollectOptions::default()
        };
        collect(folder.path(), &Pair, &options, &mut |_| Ok(())).unwrap();
        let collection = Collection::open(folder.path()).unwrap();
        let [body] = &collection.base().unwrap()[..] else {
            panic!("one tensor is not selected");
        };
        assert_eq!(
            (body.spec.name.as_str(), &body.bytes[..4]),
            ("body", &7f32.to_le_bytes()[..])
        );
        let path = folder.path().join(BASE);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = collection.base().unwrap_err().to_string();
        assert!(
            error.contains("base.safetensors: the checksum does not match"),
            "{error}"
        );
    }
}
