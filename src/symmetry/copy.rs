//! An aligned copy of a collection.

use std::path::Path;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::collection::{CollectOptions, Collection, Snapshot, SnapshotSource, collect};
use crate::error::{Error, Result};
use crate::files;
use crate::generator::Cancel;
use crate::symmetry::align::{AlignOptions, Aligner};
use crate::symmetry::bound::Symmetry;
use crate::symmetry::check::check_chain;
use crate::symmetry::infer::infer;
use crate::symmetry::matching::Matching;
use crate::symmetry::spec::Spec;
use crate::symmetry::transform::Transform;
use crate::tensor::Tensor;

/// What an alignment did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aligned {
    /// How many were aligned: the collection's first.
    pub snapshots: usize,
    /// By what symmetry.
    pub spec: Spec,
    pub options: AlignOptions,
    /// Root of the mean squared distance of two snapshots, before and after.
    pub before: f64,
    pub after: f64,
}

impl fmt::Display for Aligned {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let (snapshots, groups) = (self.snapshots, self.spec.permutations.len());
        write!(
            f,
            "{snapshots} snapshot{} aligned over {groups} group{}; two of them are {:.4} apart, from {:.4} before",
            s(snapshots),
            s(groups),
            self.after,
            self.before
        )
    }
}

/// The spec that a collection has, or that its names and shapes say, as [`infer`] reads them; `heads`
/// asks for the latter.
pub fn collected(collection: &Collection, heads: Option<usize>) -> Result<Spec> {
    if let (Some(spec), None) = (collection.symmetry(), heads) {
        return Ok(spec.clone());
    }
    let base = collection.base()?.into_iter().map(|tensor| tensor.spec);
    infer(
        collection.layout().tensors(),
        &base.collect::<Vec<_>>(),
        heads,
    )
}

/// Writes a copy of `collection` to the new folder `target` whose snapshots are aligned
/// by `spec`, which the copy keeps; one with a chain is first checked on the first snapshot. `progress`
/// gets the alignments done and their number; its error ends the work.
///
/// The folder is whole or not there. Fails with [`Error::Mismatch`] where the spec does not fit.
pub fn align_collection(
    collection: &Collection,
    target: &Path,
    spec: &Spec,
    matching: Matching,
    options: &AlignOptions,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Aligned> {
    if target.exists() {
        return Err(Error::invalid(format!(
            "{}: is there already; name a new folder",
            target.display()
        )));
    }
    let hidden = files::hidden(files::folder_of(target), "aligned");
    fs::create_dir(&hidden).map_err(Error::io(target))?;
    let written = align_into(
        collection, &hidden, spec, matching, options, cancel, progress,
    );
    let result = written.and_then(|aligned| {
        fs::rename(&hidden, target).map_err(Error::io(target))?;
        files::sync_folder(files::folder_of(target))?;
        Ok(aligned)
    });
    if result.is_err() {
        let _ = fs::remove_dir_all(&hidden);
    }
    result
}

/// [`align_collection`] into a folder that the caller sees to.
pub(crate) fn align_into(
    collection: &Collection,
    folder: &Path,
    spec: &Spec,
    matching: Matching,
    options: &AlignOptions,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Aligned> {
    matching.check(collection.layout())?;
    let symmetry = Symmetry::new(spec, collection.layout())?;
    if options.balance && symmetry.scalings.is_empty() {
        return Err(Error::invalid(
            "the symmetry spec has no scalings to balance; add some or a chain, or do not balance",
        ));
    }
    let networks = networks(collection, collection.len());
    let first = networks.first().ok_or_else(|| {
        Error::invalid(format!(
            "{}: no snapshots to align; collect some",
            collection.path().display()
        ))
    })?;
    check_chain(&symmetry, collection.layout(), first, options.seed)?;
    let transforms = matching.transforms(
        &symmetry,
        collection.layout(),
        &networks,
        options,
        cancel,
        progress,
    )?;
    let after = write(collection, &symmetry, &transforms, folder, cancel)?;
    Ok(Aligned {
        snapshots: networks.len(),
        spec: symmetry.spec().clone(),
        options: options.clone(),
        before: spread(&networks),
        after,
    })
}

impl Aligned {
    /// The same weight matching of the same collection again, whatever was appended to it since: what
    /// was done to each snapshot.
    pub(crate) fn again(
        &self,
        collection: &Collection,
        others: &[&[f32]],
        cancel: &Cancel,
    ) -> Result<(Symmetry, Vec<Transform>)> {
        let symmetry = Symmetry::new(&self.spec, collection.layout())?;
        let mut networks = networks(collection, self.snapshots.min(collection.len()));
        let mut transforms = Vec::new();
        let aligner =
            Aligner::to_mean(&symmetry, &networks, &self.options, cancel, &mut |_, _| {
                Ok(())
            })?;
        networks.extend(others);
        aligner.each(
            &networks,
            self.options.threads,
            cancel,
            &mut |_, transform| {
                transforms.push(transform.clone());
                Ok(())
            },
        )?;
        Ok((symmetry, transforms))
    }
}

fn networks(collection: &Collection, count: usize) -> Vec<&[f32]> {
    (0..count).map(|i| collection.weights(i)).collect()
}

/// Writes the aligned snapshots and returns their spread.
fn write(
    collection: &Collection,
    symmetry: &Symmetry,
    transforms: &[Transform],
    folder: &Path,
    cancel: &Cancel,
) -> Result<f64> {
    let options = CollectOptions {
        select: collection.selection().to_vec(),
        conditions: collection.conditions().to_vec(),
        symmetry: Some(symmetry.spec().clone()),
    };
    let base = collection.base()?;
    let metrics = |index: usize| {
        let metrics = collection.metrics(index).into_iter();
        metrics.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    let mut first = 0;
    while first < collection.len() {
        // Every snapshot of a call has the same metrics.
        let same = |index: &usize| metrics(*index) == metrics(first);
        let source = AlignedSnapshots {
            collection,
            symmetry,
            transforms,
            base: &base,
            first,
            count: (first..collection.len()).take_while(same).count(),
        };
        collect(folder, &source, &options, &mut |_| cancel.check())?;
        first += source.count;
    }
    let copy = Collection::open(folder)?;
    Ok(spread(&networks(&copy, copy.len())))
}

/// Consecutive snapshots of a collection, aligned as they are read.
struct AlignedSnapshots<'a> {
    collection: &'a Collection,
    symmetry: &'a Symmetry,
    transforms: &'a [Transform],
    base: &'a [Tensor],
    first: usize,
    count: usize,
}

impl SnapshotSource for AlignedSnapshots<'_> {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        self.collection.name(self.first + index).to_owned()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let index = self.first + index;
        let mut weights = self.collection.weights(index).to_vec();
        self.transforms[index].apply(self.symmetry, &mut weights)?;
        let generated = self.collection.layout().ranges();
        let mut tensors: Vec<Tensor> = generated
            .map(|(spec, range)| Tensor::from_f32(spec.clone(), &weights[range]))
            .chain(self.base.iter().cloned())
            .collect();
        let order = self.collection.order();
        tensors.sort_by_key(|tensor| order.iter().position(|name| *name == tensor.spec.name));
        let metrics = self.collection.metrics(index).into_iter();
        Ok(Snapshot {
            tensors,
            condition: self.collection.condition(index).to_vec(),
            metrics: metrics
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        })
    }
}

/// The root of the mean squared distance of two networks: of twice the summed variances.
fn spread(networks: &[&[f32]]) -> f64 {
    let n = networks.len();
    if n < 2 {
        return 0.0;
    }
    let width = networks[0].len();
    let mut mean = vec![0.0f64; width];
    for network in networks {
        let sums = mean.iter_mut().zip(*network);
        sums.for_each(|(sum, x)| *sum += f64::from(*x) / n as f64);
    }
    let square = |network: &&[f32]| -> f64 {
        let pairs = network.iter().zip(&mean);
        pairs.map(|(x, mean)| (f64::from(*x) - mean).powi(2)).sum()
    };
    let total: f64 = networks.iter().map(square).sum();
    (2.0 * total / (n - 1) as f64).sqrt()
}
