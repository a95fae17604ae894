//! An aligned copy of a collection.

use std::fs;
use std::path::Path;

use crate::collection::{CollectOptions, Collection, Snapshot, SnapshotSource, collect};
use crate::error::{Error, Result};
use crate::files;
use crate::generator::Cancel;
use crate::symmetry::align::{AlignOptions, Aligner};
use crate::symmetry::bound::Symmetry;
use crate::symmetry::check::check_chain;
use crate::symmetry::spec::Spec;
use crate::tensor::Tensor;

/// What an alignment did.
#[derive(Clone, Debug, PartialEq)]
pub struct Aligned {
    pub snapshots: usize,
    /// By what symmetry.
    pub spec: Spec,
    /// Root of the mean squared distance of two snapshots, before and after.
    pub before: f64,
    pub after: f64,
}

/// Writes a copy of `collection` to the new folder `target` whose snapshots are aligned to their mean
/// by `spec`, which the copy keeps; one with a chain is first checked on the first snapshot. `progress` gets the alignments
/// done and their number; its error ends the work.
///
/// The folder is whole or not there. Fails with [`Error::Mismatch`] where the spec does not fit.
pub fn align_collection(
    collection: &Collection,
    target: &Path,
    spec: &Spec,
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
    let symmetry = Symmetry::new(spec, collection.layout())?;
    let networks: Vec<&[f32]> = (0..collection.len())
        .map(|i| collection.weights(i))
        .collect();
    if let Some(first) = networks.first() {
        check_chain(&symmetry, collection.layout(), first, options.seed)?;
    }
    let n = networks.len();
    let total = n * (options.rounds + 1);
    let aligner = Aligner::to_mean(&symmetry, &networks, options, cancel, &mut |done, _| {
        progress(done, total)
    })?;

    let hidden = files::hidden(files::folder_of(target), "aligned");
    let written = write(collection, &aligner, &symmetry, &hidden, &mut |done| {
        cancel.check()?;
        progress(n * options.rounds + done, total)
    });
    let result = written.and_then(|after| {
        fs::rename(&hidden, target).map_err(Error::io(target))?;
        files::sync_folder(files::folder_of(target))?;
        Ok(Aligned {
            snapshots: n,
            spec: symmetry.spec().clone(),
            before: spread(&networks),
            after,
        })
    });
    if result.is_err() {
        let _ = fs::remove_dir_all(&hidden);
    }
    result
}

/// Writes the aligned snapshots and returns their spread.
fn write(
    collection: &Collection,
    aligner: &Aligner,
    symmetry: &Symmetry,
    folder: &Path,
    progress: &mut dyn FnMut(usize) -> Result<()>,
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
            aligner,
            base: &base,
            first,
            count: (first..collection.len()).take_while(same).count(),
        };
        collect(folder, &source, &options, &mut |done| {
            progress(first + done)
        })?;
        first += source.count;
    }
    let copy = Collection::open(folder)?;
    let networks: Vec<&[f32]> = (0..copy.len()).map(|i| copy.weights(i)).collect();
    Ok(spread(&networks))
}

/// Consecutive snapshots of a collection, aligned as they are read.
struct AlignedSnapshots<'a> {
    collection: &'a Collection,
    aligner: &'a Aligner<'a>,
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
        self.aligner.align(&mut weights)?;
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
