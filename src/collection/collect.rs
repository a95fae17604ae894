//! Appending snapshots to a collection, one in memory at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;

use crate::collection::select::Selection;
use crate::collection::shard::{self, ShardWriter};
use crate::collection::snapshot::{Snapshot, SnapshotSource};
use crate::collection::{BASE, FORMAT, MANIFEST, Manifest};
use crate::container::{ContainerWriter, Entry};
use crate::document;
use crate::error::{Error, Result};
use crate::files;
use crate::layout::{Layout, Role, TensorSpec};
use crate::symmetry::{Spec, Symmetry};
use crate::tensor::Tensor;

/// What a collect call may choose. The first call of a collection decides; later ones leave these
/// empty or repeat them.
#[derive(Clone, Debug, Default)]
pub struct CollectOptions {
    /// Glob patterns over tensor names; `*` crosses dots, a leading `!` excludes. Empty: every
    /// floating-point tensor.
    pub select: Vec<String>,
    /// Names of the condition's numbers. Empty: no condition.
    pub conditions: Vec<String>,
    /// The architecture's symmetries. None: what names and shapes say.
    pub symmetry: Option<Spec>,
}

/// What a collect call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Snapshots that this call added.
    pub added: usize,
    /// Numbers per snapshot that a generator will learn.
    pub parameters: usize,
}

/// Appends snapshots to the collection in folder `path`, which the first call makes.
///
/// All of a call's snapshots are added or none. `progress` is called after each snapshot with how
/// many are done; its error ends the call. Fails with [`Error::Mismatch`] on a snapshot whose
/// names, shapes or dtypes differ from the collection's, [`Error::NonFinite`] on NaN or infinity,
/// [`Error::EmptySelection`] when a pattern selects nothing, [`Error::Condition`] on a condition of
/// the wrong length.
pub fn collect(
    path: &Path,
    source: &dyn SnapshotSource,
    options: &CollectOptions,
    progress: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Collected> {
    if source.is_empty() {
        return Err(Error::invalid("no snapshots to collect; name at least one"));
    }
    let mut first = Some(source.read(0)?);
    let made = !path.exists();
    if made {
        fs::create_dir(path).map_err(Error::io(path))?;
    }
    let result = append(path, source, options, &mut first, progress);
    if made && result.is_err() {
        // Only a folder that this call made, and only while nothing else is in it.
        let _ = files::remove_unfinished(path);
        let _ = fs::remove_file(path.join(BASE));
        if fs::remove_file(path.join(MANIFEST)).is_ok() || !path.join(MANIFEST).exists() {
            let _ = fs::remove_dir(path);
        }
    }
    result
}

fn append(
    path: &Path,
    source: &dyn SnapshotSource,
    options: &CollectOptions,
    first: &mut Option<Snapshot>,
    progress: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Collected> {
    // The folder itself is the lock; it is released when the handle closes, also by a kill.
    let folder = File::open(path).map_err(Error::io(path))?;
    folder.lock().map_err(Error::io(path))?;
    files::remove_unfinished(path)?;
    let shards = shard::files(path)?;
    let tensors = first.as_ref().map_or(&[][..], |snapshot| &snapshot.tensors);
    let manifest = if shards.is_empty() {
        begin(path, &source.name(0), tensors, options)?
    } else {
        let manifest = document::read(&path.join(MANIFEST), FORMAT)?;
        check_options(path, &manifest, options)?;
        manifest
    };

    let metric_names: Vec<String> = first
        .iter()
        .flat_map(|snapshot| snapshot.metrics.iter().map(|(name, _)| name.clone()))
        .collect();
    let names = (0..source.len()).map(|index| source.name(index)).collect();
    let mut writer = ShardWriter::create(
        &shard::next_file(path)?,
        &manifest,
        names,
        metric_names.clone(),
    )?;
    let expected = Expected::new(&manifest);
    let mut flat = vec![0.0f32; manifest.layout.parameters()];
    for index in 0..source.len() {
        let snapshot = match first.take() {
            Some(snapshot) => snapshot,
            None => source.read(index)?,
        };
        let name = source.name(index);
        expected.flatten(&name, &snapshot.tensors, &mut flat)?;
        check_condition(&name, &snapshot.condition, &manifest.conditions)?;
        let metrics = metric_values(&name, &snapshot.metrics, &metric_names)?;
        writer.append(&flat, &snapshot.condition, &metrics)?;
        progress(index + 1)?;
    }
    writer.finish()?;

    Ok(Collected {
        added: source.len(),
        parameters: manifest.layout.parameters(),
    })
}

/// Writes the base and the manifest of a new collection, in this order: a manifest says that the
/// base is there.
fn begin(
    path: &Path,
    name: &str,
    tensors: &[Tensor],
    options: &CollectOptions,
) -> Result<Manifest> {
    let ours = [MANIFEST, BASE];
    for entry in fs::read_dir(path).map_err(Error::io(path))? {
        let entry = entry.map_err(Error::io(path))?.file_name();
        if !ours.iter().any(|file| entry == *file) {
            return Err(Error::invalid(format!(
                "{}: holds {} and is no collection; name a new or an empty folder",
                path.display(),
                entry.display()
            )));
        }
    }
    let specs: Vec<TensorSpec> = tensors.iter().map(|tensor| tensor.spec.clone()).collect();
    let selection = Selection::new(&options.select)?;
    selection.check(specs.iter()).map_err(|error| match error {
        Error::EmptySelection(why) => Error::EmptySelection(format!("snapshot {name}: {why}")),
        other => other,
    })?;
    let (selected, base): (Vec<TensorSpec>, Vec<TensorSpec>) = specs
        .iter()
        .cloned()
        .partition(|spec| spec.role != Role::Counter && selection.selects(spec));
    let manifest = Manifest {
        select: options.select.clone(),
        conditions: options.conditions.clone(),
        layout: Layout::new(selected)?,
        base,
        order: specs.iter().map(|spec| spec.name.clone()).collect(),
        symmetry: options.symmetry.clone(),
    };
    if let Some(spec) = &manifest.symmetry {
        Symmetry::new(spec, &manifest.layout)?;
    }
    if !manifest.base.is_empty() {
        write_base(path, tensors, &manifest)?;
    }
    document::write(&path.join(MANIFEST), FORMAT, &manifest)?;
    Ok(manifest)
}

fn write_base(path: &Path, tensors: &[Tensor], manifest: &Manifest) -> Result<()> {
    let kept: Vec<&Tensor> = manifest
        .base
        .iter()
        .filter_map(|spec| tensors.iter().find(|tensor| tensor.spec.name == spec.name))
        .collect();
    let entries: Vec<Entry> = kept
        .iter()
        .map(|tensor| Entry::new(&tensor.spec.name, tensor.spec.dtype, &tensor.spec.shape))
        .collect();
    let mut writer = ContainerWriter::create(&path.join(BASE), &entries, BTreeMap::new())?;
    for tensor in kept {
        writer.write(&tensor.bytes)?;
    }
    writer.finish()
}

fn check_options(path: &Path, manifest: &Manifest, options: &CollectOptions) -> Result<()> {
    let differs = |given: &[String], kept: &[String]| !given.is_empty() && given != kept;
    if differs(&options.select, &manifest.select) {
        return Err(Error::Mismatch(format!(
            "{}: was begun with the patterns {:?}, not {:?}; leave them out or begin another collection",
            path.display(),
            manifest.select,
            options.select
        )));
    }
    if differs(&options.conditions, &manifest.conditions) {
        return Err(Error::Mismatch(format!(
            "{}: its condition is {:?}, not {:?}; leave the names out or begin another collection",
            path.display(),
            manifest.conditions,
            options.conditions
        )));
    }
    if options.symmetry.is_some() && options.symmetry != manifest.symmetry {
        return Err(Error::Mismatch(format!(
            "{}: was begun with another symmetry spec; leave it out or begin another collection",
            path.display()
        )));
    }
    Ok(())
}

fn check_condition(name: &str, condition: &[f32], names: &[String]) -> Result<()> {
    if condition.len() != names.len() {
        return Err(Error::Condition(format!(
            "snapshot {name}: its condition has {} numbers and the collection's has {} {names:?}; give one per name",
            condition.len(),
            names.len()
        )));
    }
    match condition
        .iter()
        .zip(names)
        .find(|(value, _)| !value.is_finite())
    {
        Some((value, of)) => Err(Error::Condition(format!(
            "snapshot {name}: condition {of} is {value}; give a finite number"
        ))),
        None => Ok(()),
    }
}

fn metric_values(name: &str, metrics: &[(String, f64)], names: &[String]) -> Result<Vec<f64>> {
    if metrics.len() != names.len()
        || metrics
            .iter()
            .zip(names)
            .any(|((given, _), of)| given != of)
    {
        return Err(Error::Mismatch(format!(
            "snapshot {name}: its metrics are not {names:?} as the call's first snapshot has them; give every snapshot the same"
        )));
    }
    Ok(metrics.iter().map(|(_, value)| *value).collect())
}

/// What every snapshot of a collection must look like.
struct Expected<'a> {
    manifest: &'a Manifest,
    specs: HashMap<&'a str, &'a TensorSpec>,
}

impl<'a> Expected<'a> {
    fn new(manifest: &'a Manifest) -> Expected<'a> {
        let all = manifest.layout.tensors().iter().chain(&manifest.base);
        Expected {
            manifest,
            specs: all.map(|spec| (spec.name.as_str(), spec)).collect(),
        }
    }

    /// Checks a snapshot and writes its generated tensors to `flat`.
    fn flatten(&self, name: &str, tensors: &[Tensor], flat: &mut [f32]) -> Result<()> {
        let mut given: HashMap<&str, &Tensor> = HashMap::new();
        for tensor in tensors {
            let Some(spec) = self.specs.get(tensor.spec.name.as_str()) else {
                return Err(Error::Mismatch(format!(
                    "snapshot {name}: tensor {} {:?} is not in the collection; collect other architectures apart",
                    tensor.spec.name, tensor.spec.shape
                )));
            };
            if tensor.spec.shape != spec.shape || tensor.spec.dtype != spec.dtype {
                return Err(Error::Mismatch(format!(
                    "snapshot {name}: tensor {} is {:?} {:?} and the collection's is {:?} {:?}; collect other architectures apart",
                    spec.name, tensor.spec.dtype, tensor.spec.shape, spec.dtype, spec.shape
                )));
            }
            given.insert(&tensor.spec.name, tensor);
        }
        if given.len() != self.specs.len() {
            let missing = self
                .manifest
                .order
                .iter()
                .find(|name| !given.contains_key(name.as_str()));
            return Err(Error::Mismatch(format!(
                "snapshot {name}: tensor {} {:?} is missing; collect whole snapshots",
                missing.map_or("", String::as_str),
                missing.map_or(&[][..], |name| &self.specs[name.as_str()].shape)
            )));
        }
        for (spec, range) in self.manifest.layout.ranges() {
            let values = &mut flat[range];
            given[spec.name.as_str()].to_f32(values);
            let bad = values.iter().position(|value| {
                !value.is_finite() || (spec.role == Role::RunningVar && *value < 0.0)
            });
            if let Some(index) = bad {
                return Err(Error::NonFinite {
                    snapshot: name.to_owned(),
                    tensor: spec.name.clone(),
                    index,
                    value: values[index].into(),
                });
            }
        }
        Ok(())
    }
}
