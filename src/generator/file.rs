//! The generator file: one container with the engine's tensors, the base, and all there is to know.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::{Container, ContainerWriter, Entry};
use crate::document::{VERSION, check_version};
use crate::error::{Error, Result};
use crate::generator::report::Report;
use crate::layout::{Layout, TensorSpec};
use crate::symmetry::Aligned;
use crate::tensor::Tensor;

const KEY: &str = "pdiff";
const FORMAT: &str = "pdiff-generator";

/// The two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    Default,
    Paper,
}

/// A number of the condition, and how it is standardized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionSpec {
    pub name: String,
    pub mean: f32,
    pub deviation: f32,
}

/// What a generator was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The collection's folder, absolute.
    pub collection: String,
    /// Snapshots that the collection had.
    pub snapshots: usize,
    /// Tells these snapshots apart from others; none in files of the time before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Indices of those that training did not see.
    pub held_out: Vec<usize>,
    pub seed: u64,
    /// libpdiff's version.
    pub library: String,
    /// Seconds since 1970 (UTC).
    pub created: u64,
    /// What training did to the snapshots first; none where it took them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Aligned>,
    /// Steps by which a behaviour loss taught it; none where it learned from weights alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behaviour_steps: Option<u64>,
    /// Whether that loss asked for what the snapshots do, and so for no data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub distilled: bool,
}

/// Everything in a generator but its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    format: String,
    version: u32,
    pub engine: EngineName,
    /// The engine's own settings.
    pub config: Value,
    pub layout: Layout,
    /// Tensors that are not generated.
    pub base: Vec<TensorSpec>,
    /// All tensors' names in the order of the collection's first snapshot.
    pub order: Vec<String>,
    pub conditions: Vec<ConditionSpec>,
    pub provenance: Provenance,
    pub report: Report,
}

impl About {
    /// Reads what a generator file says of itself; needs no libtorch, whatever the engine.
    ///
    /// Fails as [`crate::Generator::open`] does on a damaged or newer file.
    pub fn open(path: &Path) -> Result<About> {
        Ok(GeneratorFile::open(path)?.about)
    }

    pub(crate) fn new(engine: EngineName, config: Value, layout: Layout) -> About {
        About {
            format: FORMAT.into(),
            version: VERSION,
            engine,
            config,
            layout,
            base: Vec::new(),
            order: Vec::new(),
            conditions: Vec::new(),
            provenance: Provenance::default(),
            report: Report::default(),
        }
    }
}

/// Writes a generator. `entries` are the engine's tensors, whose numbers `numbers` streams in that
/// order.
pub(crate) fn write_generator(
    path: &Path,
    about: &About,
    base: &[Tensor],
    entries: &[Entry],
    numbers: &mut dyn FnMut(&mut ContainerWriter) -> Result<()>,
) -> Result<()> {
    let text = serde_json::to_string(about).map_err(|error| Error::Internal(error.to_string()))?;
    // JSON has no number for infinity, and nobody could open what says null in place of one.
    if serde_json::from_str::<About>(&text).is_err() {
        return Err(Error::invalid(format!(
            "{}: not written, as its report has a figure that is not finite; look for huge weights among the snapshots",
            path.display()
        )));
    }
    let kept = base.iter().map(|tensor| {
        Entry::new(
            base_name(&tensor.spec.name),
            tensor.spec.dtype,
            &tensor.spec.shape,
        )
    });
    let all: Vec<Entry> = entries.iter().cloned().chain(kept).collect();
    let mut writer = ContainerWriter::create(path, &all, BTreeMap::from([(KEY.into(), text)]))?;
    numbers(&mut writer)?;
    for tensor in base {
        writer.write(&tensor.bytes)?;
    }
    writer.finish()
}

fn base_name(name: &str) -> String {
    format!("base.{name}")
}

/// An open generator file.
#[derive(Debug)]
pub(crate) struct GeneratorFile {
    pub container: Container,
    pub about: About,
}

impl GeneratorFile {
    pub(crate) fn open(path: &Path) -> Result<GeneratorFile> {
        let container = Container::open(path)?;
        // The version is read first and alone: a newer format may have other fields.
        let value: Value = serde_json::from_str(container.text(KEY)?)
            .map_err(|error| Error::corrupt(path, format!("its metadata is damaged ({error})")))?;
        if value["format"] != FORMAT {
            return Err(Error::corrupt(
                path,
                "not a generator; make one with pdiff train",
            ));
        }
        check_version(path, value["version"].as_u64())?;
        let about: About = serde_json::from_value(value)
            .map_err(|error| Error::corrupt(path, format!("its metadata is damaged ({error})")))?;
        // Shapes come from the file as well: they are checked as a new layout's are.
        Layout::new(about.layout.tensors().to_vec())
            .map_err(|error| Error::corrupt(path, error.to_string()))?;
        Ok(GeneratorFile { container, about })
    }

    /// A tensor that is not generated.
    pub(crate) fn base(&self, spec: &TensorSpec) -> Result<Tensor> {
        let (dtype, shape, bytes) = self.container.tensor(&base_name(&spec.name))?;
        if dtype != spec.dtype || shape != spec.shape {
            return Err(Error::corrupt(
                self.container.path(),
                format!("tensor {} is not as its metadata says", spec.name),
            ));
        }
        Tensor::new(spec.clone(), bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Gate;
    use crate::layout::{Dtype, TensorSpec};

    #[test]
    fn a_report_that_nobody_could_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.pdiff");
        let layout = Layout::new(vec![TensorSpec::new("weight", &[1], Dtype::F32)]).unwrap();
        let mut about = About::new(EngineName::Default, Value::Null, layout);
        let write = |about: &About| write_generator(&path, about, &[], &[], &mut |_| Ok(()));
        for value in [f64::NAN, f64::INFINITY] {
            about.report.gates = vec![Gate::new("dispersion", value, 0.0, 1.0, "")];
            let error = write(&about).unwrap_err();
            assert!(error.to_string().contains("not finite"), "{error}");
            assert!(!path.exists());
        }
        about.report.gates.clear();
        write(&about).unwrap();
    }
}
