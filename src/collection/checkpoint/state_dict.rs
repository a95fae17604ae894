//! From a PyTorch archive to named tensors: choose the state dict, flatten it, gather its views.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};
use std::path::Path;

use super::archive::Archive;
use super::foreign_dtype;
use super::pickle::{self, Id, Pickle, Value};
use super::torch_globals::{Element, View};
use super::view::{extent, gather, is_contiguous};
use crate::error::{Error, Result};
use crate::layout::TensorSpec;
use crate::tensor::Tensor;

/// A pickle describes tensors and holds none; 16 MiB describe some 50,000.
const LONGEST_PICKLE: u64 = 16 << 20;
const DEEPEST_NESTING: usize = 16;
/// Entries visited and bytes of their names together; what bounds dicts that share their children.
const MOST_VISITS: usize = 16 << 20;

pub(super) fn read(reader: impl Read + Seek, length: u64, path: &Path) -> Result<Vec<Tensor>> {
    let mut archive = Archive::open(reader, length, path)?;
    if archive.has("byteorder") && archive.entry("byteorder", 16)? != b"little" {
        return Err(Error::Unsupported(format!(
            "{}: big-endian tensors; save it again on a little-endian machine",
            path.display()
        )));
    }
    let bytes = archive.entry("data.pkl", LONGEST_PICKLE)?;
    let pickle = pickle::load(&bytes, path)?;
    // Where training programs put the weights beside other things; else the top is the state dict.
    let wrapped = ["state_dict", "model_state_dict", "model"];
    let candidates = wrapped.map(|name| lookup(&pickle, pickle.root, name));
    let mut flat = Flattening {
        pickle: &pickle,
        path,
        names: HashSet::new(),
        budget: MOST_VISITS,
        views: Vec::new(),
    };
    for dict in candidates.into_iter().flatten().chain([pickle.root]) {
        flat.dict("", dict, 0)?;
        if !flat.views.is_empty() {
            break;
        }
    }
    gather_all(&mut archive, &pickle, flat.views, length, path)
}

fn lookup(pickle: &Pickle, dict: Id, name: &str) -> Option<Id> {
    let Value::Dict(items) = pickle.get(dict) else {
        return None;
    };
    let found = |key: Id| matches!(pickle.get(key), Value::Text(text) if text == name);
    items.iter().find(|(key, _)| found(*key)).map(|item| item.1)
}

struct Flattening<'a> {
    pickle: &'a Pickle,
    path: &'a Path,
    names: HashSet<String>,
    budget: usize,
    views: Vec<(String, &'a View)>,
}

impl Flattening<'_> {
    /// Collects the tensors under a dict, in its order. Values that are neither tensors nor dicts
    /// are skipped, and so is an optimizer's state, whose moments are tensors but no weights.
    fn dict(&mut self, prefix: &str, dict: Id, depth: usize) -> Result<()> {
        let Value::Dict(items) = self.pickle.get(dict) else {
            return Ok(());
        };
        self.spend(items.len())?;
        let has = |name| lookup(self.pickle, dict, name).is_some();
        if has("param_groups") && has("state") {
            return Ok(());
        }
        if depth == DEEPEST_NESTING {
            return Err(Error::corrupt(
                self.path,
                format!("dicts nest deeper than {DEEPEST_NESTING}; save model.state_dict()"),
            ));
        }
        for (key, value) in items {
            let Value::Text(key) = self.pickle.get(*key) else {
                continue;
            };
            self.spend(prefix.len() + key.len())?;
            match self.pickle.get(*value) {
                Value::Tensor(view) => {
                    let name = format!("{prefix}{key}");
                    if !self.names.insert(name.clone()) {
                        return Err(Error::corrupt(
                            self.path,
                            format!("two tensors are named {}; rename one", name.escape_debug()),
                        ));
                    }
                    self.views.push((name, view));
                }
                Value::Dict(_) => self.dict(&format!("{prefix}{key}."), *value, depth + 1)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn spend(&mut self, visits: usize) -> Result<()> {
        let left = self.budget.checked_sub(visits);
        self.budget = left.ok_or_else(|| {
            Error::corrupt(
                self.path,
                "dicts hold too many names; save model.state_dict()",
            )
        })?;
        Ok(())
    }
}

/// Reads the storages and cuts the views out of them. A storage is kept only while another view of
/// it is to come.
fn gather_all<R: Read + Seek>(
    archive: &mut Archive<R>,
    pickle: &Pickle,
    views: Vec<(String, &View)>,
    length: u64,
    path: &Path,
) -> Result<Vec<Tensor>> {
    // Stride 0 and shared storages let a small file describe huge tensors.
    let mut room = length.saturating_mul(16).saturating_add(16 << 20);
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let mut plans = Vec::with_capacity(views.len());
    for (name, view) in views {
        let Element::Known(dtype) = view.element else {
            let dtype = match view.element {
                Element::Foreign(dtype) => dtype,
                _ => "of no dtype",
            };
            return Err(foreign_dtype(path, &name, dtype));
        };
        let out_of_bounds = || {
            let name = name.escape_debug();
            let why = format!("tensor {name} reaches beyond its storage; save it again");
            Error::corrupt(path, why)
        };
        let (bytes, held) = extent(view, dtype).ok_or_else(out_of_bounds)?;
        room = room.checked_sub(bytes).ok_or_else(|| {
            let name = name.escape_debug();
            let why = format!(
                "tensor {name} repeats a small storage into {bytes} bytes; save a contiguous copy"
            );
            Error::corrupt(path, why)
        })?;
        let Value::Text(key) = pickle.get(view.storage.key) else {
            return Err(out_of_bounds());
        };
        if bytes > 0 {
            *uses.entry(key).or_default() += 1;
        }
        plans.push((name, view, dtype, bytes as usize, key, held));
    }

    let mut storages: HashMap<&str, Vec<u8>> = HashMap::new();
    let mut tensors = Vec::with_capacity(plans.len());
    for (name, view, dtype, count, key, held) in plans {
        let mut bytes = Vec::new();
        if count > 0 {
            let storage = match storages.remove(key.as_str()) {
                Some(storage) => storage,
                None => archive.entry(&format!("data/{key}"), held)?,
            };
            if storage.len() as u64 != held {
                let name = name.escape_debug();
                let why = format!(
                    "the storage of tensor {name} holds {} bytes and claims {held}; save it again",
                    storage.len()
                );
                return Err(Error::corrupt(path, why));
            }
            let left = uses.entry(key).or_default();
            *left -= 1;
            if *left == 0 && count == storage.len() && is_contiguous(view) {
                bytes = storage;
            } else {
                bytes.reserve_exact(count);
                let start = view.offset as usize;
                gather(
                    &storage,
                    dtype.size(),
                    start,
                    &view.shape,
                    &view.stride,
                    &mut bytes,
                );
                if *left > 0 {
                    storages.insert(key, storage);
                }
            }
        }
        let shape: Vec<usize> = view.shape.iter().map(|n| *n as usize).collect();
        tensors.push(Tensor::new(TensorSpec::new(name, &shape, dtype), bytes)?);
    }
    Ok(tensors)
}
