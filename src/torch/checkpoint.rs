//! A training's state on disk, from which a killed one resumes to the same result.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::container::{Container, ContainerWriter, Entry};
use crate::error::{Error, Result};
use crate::layout::{Dtype, TensorSpec};
use crate::tensor::Tensor;

const KEY: &str = "pdiff";
const JOB: &str = "job";

/// The checkpoint file of one training. `job` tells trainings apart: a file of another one is
/// passed over and replaced.
pub(super) struct Checkpoint {
    path: PathBuf,
    job: String,
    every: Duration,
    last: Instant,
}

impl Checkpoint {
    /// `phase` is the part of the training, each of which has a file of its own.
    pub fn new(generator: &Path, phase: &str, job: String, seconds: u64) -> Checkpoint {
        let mut name: OsString = generator.as_os_str().to_owned();
        name.push(phase);
        name.push(".checkpoint");
        Checkpoint {
            path: name.into(),
            job,
            every: Duration::from_secs(seconds),
            last: Instant::now(),
        }
    }

    /// Whether it is time to save again.
    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    /// Replaces the file by this state.
    pub fn save(&mut self, state: &impl Serialize, tensors: &[Tensor]) -> Result<()> {
        let entries: Vec<Entry> = tensors
            .iter()
            .map(|tensor| Entry::new(&tensor.spec.name, tensor.spec.dtype, &tensor.spec.shape))
            .collect();
        let text =
            serde_json::to_string(state).map_err(|error| Error::Internal(error.to_string()))?;
        let texts = BTreeMap::from([(KEY.into(), text), (JOB.into(), self.job.clone())]);
        let mut writer = ContainerWriter::create(&self.path, &entries, texts)?;
        for tensor in tensors {
            writer.write(&tensor.bytes)?;
        }
        writer.finish()?;
        self.last = Instant::now();
        Ok(())
    }

    /// The state to go on from, or none. A damaged file only costs the steps it held.
    pub fn load<T: DeserializeOwned>(&self) -> Option<(T, Vec<Tensor>)> {
        let container = Container::open(&self.path).ok()?;
        if container.text(JOB).ok()? != self.job {
            return None;
        }
        let state = serde_json::from_str(container.text(KEY).ok()?).ok()?;
        let tensors = container
            .names()
            .map(|name| {
                let (dtype, shape, bytes) = container.tensor(&name)?;
                debug_assert_eq!(dtype, Dtype::F32);
                Tensor::new(TensorSpec::new(&name, shape, dtype), bytes.to_vec())
            })
            .collect::<Result<_>>()
            .ok()?;
        Some((state, tensors))
    }

    /// The training is done.
    pub fn remove(self) {
        let _ = fs::remove_file(self.path);
    }
}
