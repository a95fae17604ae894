//! One collect call's snapshots, stacked in one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::collection::Manifest;
use crate::container::{Container, ContainerWriter, Entry};
use crate::document::{VERSION, check_version};
use crate::error::{Error, Result};
use crate::layout::Dtype;

const PREFIX: &str = "shard-";
const SUFFIX: &str = ".safetensors";

/// What a shard's metadata says beside its tensors.
#[derive(Serialize, Deserialize)]
struct About {
    version: u32,
    /// The digest of the collection that the shard belongs to.
    collection: String,
    names: Vec<String>,
    metrics: Vec<String>,
}

/// A shard, mapped.
#[derive(Debug)]
pub(super) struct Shard {
    container: Container,
    names: Vec<String>,
    metrics: Vec<String>,
    /// [snapshots, metrics].
    values: Vec<f64>,
    parameters: usize,
    conditions: usize,
}

/// The shards of a collection, oldest first.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut numbered: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| {
                name.strip_prefix(PREFIX)?
                    .strip_suffix(SUFFIX)?
                    .parse()
                    .ok()
            });
        if let Some(number) = number {
            numbered.push((number, path));
        }
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// The name that the next shard of a collection takes.
pub(super) fn next_file(folder: &Path) -> Result<PathBuf> {
    let next = match files(folder)?
        .last()
        .and_then(|path| path.file_name()?.to_str())
    {
        Some(name) => {
            let digits = &name[PREFIX.len()..name.len() - SUFFIX.len()];
            digits.parse::<u64>().map_or(0, |number| number + 1)
        }
        None => 0,
    };
    Ok(folder.join(format!("{PREFIX}{next:06}{SUFFIX}")))
}

impl Shard {
    pub(super) fn open(path: &Path, digest: &str, manifest: &Manifest) -> Result<Shard> {
        let container = Container::open(path)?;
        let about: About = serde_json::from_str(container.text("pdiff")?)
            .map_err(|error| Error::corrupt(path, format!("its metadata is damaged ({error})")))?;
        check_version(path, Some(about.version.into()))?;
        if about.collection != digest {
            return Err(Error::corrupt(
                path,
                "a shard of another collection; move it to where it belongs",
            ));
        }
        let n = about.names.len();
        let parameters = manifest.layout.parameters();
        let conditions = manifest.conditions.len();
        container.f32("weights", &[Some(n), Some(parameters)])?;
        if conditions > 0 {
            container.f32("conditions", &[Some(n), Some(conditions)])?;
        }
        let values = if about.metrics.is_empty() {
            Vec::new()
        } else {
            container.f64_copied("metrics", &[Some(n), Some(about.metrics.len())])?
        };
        Ok(Shard {
            container,
            names: about.names,
            metrics: about.metrics,
            values,
            parameters,
            conditions,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn release(&self) {
        self.container.release();
    }

    pub(super) fn checksum(&self) -> Result<&str> {
        self.container.checksum()
    }

    pub(super) fn weights(&self, row: usize) -> &[f32] {
        self.floats("weights", row, self.parameters)
    }

    pub(super) fn condition(&self, row: usize) -> &[f32] {
        if self.conditions == 0 {
            return &[];
        }
        self.floats("conditions", row, self.conditions)
    }

    pub(super) fn metrics(&self, row: usize) -> Vec<(&str, f64)> {
        let values = self.values.iter().skip(row * self.metrics.len());
        self.metrics
            .iter()
            .map(String::as_str)
            .zip(values.copied())
            .collect()
    }

    pub(super) fn name(&self, row: usize) -> &str {
        &self.names[row]
    }

    /// A row of a tensor whose shape was checked at opening.
    fn floats(&self, name: &str, row: usize, width: usize) -> &[f32] {
        match self.container.f32(name, &[None, Some(width)]) {
            Ok(values) => &values[row * width..][..width],
            Err(_) => &[],
        }
    }
}

/// Writes a shard snapshot by snapshot. Only conditions and metrics are held until the end.
pub(super) struct ShardWriter {
    container: ContainerWriter,
    conditions: Vec<f32>,
    metrics: Vec<f64>,
}

impl ShardWriter {
    pub(super) fn create(
        path: &Path,
        manifest: &Manifest,
        names: Vec<String>,
        metrics: Vec<String>,
    ) -> Result<ShardWriter> {
        let n = names.len();
        let mut entries = vec![Entry::new(
            "weights",
            Dtype::F32,
            &[n, manifest.layout.parameters()],
        )];
        if !manifest.conditions.is_empty() {
            entries.push(Entry::new(
                "conditions",
                Dtype::F32,
                &[n, manifest.conditions.len()],
            ));
        }
        if !metrics.is_empty() {
            entries.push(Entry::new("metrics", Dtype::F64, &[n, metrics.len()]));
        }
        let about = About {
            version: VERSION,
            collection: manifest.digest()?,
            names,
            metrics,
        };
        let text =
            serde_json::to_string(&about).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(ShardWriter {
            container: ContainerWriter::create(
                path,
                &entries,
                BTreeMap::from([("pdiff".into(), text)]),
            )?,
            conditions: Vec::new(),
            metrics: Vec::new(),
        })
    }

    pub(super) fn append(
        &mut self,
        weights: &[f32],
        condition: &[f32],
        metrics: &[f64],
    ) -> Result<()> {
        self.conditions.extend_from_slice(condition);
        self.metrics.extend_from_slice(metrics);
        self.container.write_f32(weights)
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.container.write_f32(&self.conditions)?;
        self.container.write_f64(&self.metrics)?;
        self.container.finish()
    }
}
