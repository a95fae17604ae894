//! What is collected: one checkpoint's tensors, with a condition and metrics.

use std::path::PathBuf;

use crate::collection::checkpoint::read_checkpoint;
use crate::error::Result;
use crate::tensor::Tensor;

/// One checkpoint's tensors, with what is known about it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub tensors: Vec<Tensor>,
    /// One number per condition name of the collection.
    pub condition: Vec<f32>,
    /// Named figures, the same names for every snapshot of a call.
    pub metrics: Vec<(String, f64)>,
}

/// Snapshots that are read one at a time.
pub trait SnapshotSource {
    /// How many there are.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What messages and provenance call snapshot `index`: a file's path, a step's number.
    fn name(&self, index: usize) -> String;

    /// Reads snapshot `index`.
    fn read(&self, index: usize) -> Result<Snapshot>;
}

/// Snapshots from checkpoint files.
#[derive(Clone, Debug, Default)]
pub struct CheckpointFiles {
    pub files: Vec<PathBuf>,
    /// One condition per file, or none at all.
    pub conditions: Vec<Vec<f32>>,
    /// One set of metrics per file, or none at all.
    pub metrics: Vec<Vec<(String, f64)>>,
}

impl SnapshotSource for CheckpointFiles {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn name(&self, index: usize) -> String {
        self.files[index].display().to_string()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        Ok(Snapshot {
            tensors: read_checkpoint(&self.files[index])?,
            condition: self.conditions.get(index).cloned().unwrap_or_default(),
            metrics: self.metrics.get(index).cloned().unwrap_or_default(),
        })
    }
}
