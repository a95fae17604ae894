//! Sets from elsewhere: networks that another method made, judged as one more baseline.

use std::fs;
use std::path::{Path, PathBuf};

use super::rows::{Matrix, Rows};
use crate::collection::read_checkpoint;
use crate::error::{Error, Result};
use crate::layout::{Layout, Role};

/// Endings of the files that are taken for networks.
const ENDINGS: [&str; 3] = ["safetensors", "pt", "pth"];

/// One such set.
#[derive(Clone, Debug)]
pub struct Beside {
    /// What its row is called.
    pub name: String,
    /// In the units that a scorer gets.
    pub networks: Matrix,
}

impl Beside {
    /// Reads the checkpoints in a folder, in the order of their names. Tensors that are not
    /// `layout`'s are left out.
    pub fn open(name: &str, folder: &Path, layout: &Layout) -> Result<Beside> {
        let files = files(folder)?;
        let width = layout.parameters();
        let mut data = vec![0.0; files.len() * width];
        for (file, network) in files.iter().zip(data.chunks_exact_mut(width)) {
            read_network(layout, file, &file.display().to_string(), network)?;
        }
        Ok(Beside {
            name: name.to_owned(),
            networks: Matrix::new(width, data)?,
        })
    }
}

/// The networks' files, of which there is at least one.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::invalid(format!(
            "{}: holds no networks; put .safetensors, .pt or .pth files there",
            folder.display()
        )));
    }
    files.sort();
    Ok(files)
}

/// Names of sets from elsewhere must be there, and differ from each other and from those of `taken`.
pub(super) fn check_names(sets: &[Beside], taken: &[String]) -> Result<()> {
    for (index, set) in sets.iter().enumerate() {
        let name = &set.name;
        if name.trim().is_empty() {
            return Err(Error::invalid(
                "a set from elsewhere has no name; give each a name of its own",
            ));
        }
        if taken.contains(name) || sets[..index].iter().any(|other| other.name == *name) {
            return Err(Error::invalid(format!(
                "two sets are called {name}; give each a name of its own"
            )));
        }
        if set.networks.is_empty() {
            return Err(Error::invalid(format!(
                "{name}: holds no networks; give at least 1"
            )));
        }
    }
    Ok(())
}

/// Reads the tensors of `layout` from a checkpoint into one flat vector [parameters]. `called` is
/// what errors call the file.
pub(super) fn read_network(
    layout: &Layout,
    path: &Path,
    called: &str,
    out: &mut [f32],
) -> Result<()> {
    let tensors = read_checkpoint(path)?;
    for (spec, range) in layout.ranges() {
        let found = tensors.iter().find(|tensor| tensor.spec.name == spec.name);
        let tensor = found
            .filter(|tensor| tensor.spec.shape == spec.shape && tensor.spec.dtype.is_float())
            .ok_or_else(|| {
                Error::Mismatch(format!(
                    "{called} has no tensor {} of shape {:?}; write every tensor of the network",
                    spec.name, spec.shape
                ))
            })?;
        let values = &mut out[range];
        tensor.to_f32(values);
        let wrong = |x: f32| !x.is_finite() || (spec.role == Role::RunningVar && x < 0.0);
        if let Some(x) = values.iter().find(|x| wrong(**x)) {
            return Err(Error::invalid(format!(
                "{called} holds {x} in {}; leave such networks out, or train them at a lower rate",
                spec.name
            )));
        }
    }
    Ok(())
}
