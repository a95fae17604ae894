//! A generator against the collection that it was trained on.

use std::cell::RefCell;

use super::benchmark::{Options, Progress, Sets, evaluate};
use super::beside::Beside;
use super::evaluation::Evaluation;
use super::rows::Rows;
use super::score::Scorer;
use crate::codec::ROUNDING;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::generator::{Cancel, Generator, SampleOptions};
use crate::normalize::{Normalizer, transform};
use crate::symmetry::{Aligned, Symmetry, Transform};

/// Numbers of the samples held at a time (256 MB of float32); more are drawn again when read again.
const HELD: usize = 1 << 26;

/// A generator with what it is judged beside.
pub struct Judged<'a> {
    pub generator: &'a Generator,
    /// The snapshots that it was trained on.
    pub collection: &'a Collection,
    /// Snapshots like those that training did not see at all. Without them the held-out ones are those that training
    /// chose its state by; with them, those belong to the zoo.
    pub held_out: Option<&'a Collection>,
    /// Which networks of it.
    pub samples: &'a SampleOptions,
}

/// Judges samples of a generator beside the snapshots it was trained on, held-out ones, and the
/// baselines made of the former. With `options.candidates` those of a sample are the ones that sampling would choose among
/// ([`SampleOptions::of_candidates`]). The scorer gets networks in their own units. Where training aligned
/// the snapshots, these are aligned again in the same way, and those that it did not see and the sets
/// from elsewhere with them.
///
/// Fails with [`Error::Mismatch`] unless the collection begins with the snapshots that the generator was
/// trained on and the held-out ones are others of the same layout, and as [`evaluate`] and
/// [`Generator::sample`] do.
pub fn evaluate_generator(
    judged: &Judged,
    scorer: &mut dyn Scorer,
    options: &Options,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<Evaluation> {
    let Judged {
        generator,
        collection,
        held_out,
        samples,
    } = *judged;
    let provenance = &generator.about().provenance;
    if collection.layout() != generator.layout() || collection.len() < provenance.snapshots {
        return Err(Error::Mismatch(format!(
            "{}: {} snapshots of {} parameters, and the generator was trained on {} of {}; name the \
             collection that it was trained on",
            collection.path().display(),
            collection.len(),
            collection.layout().parameters(),
            provenance.snapshots,
            generator.layout().parameters()
        )));
    }
    if let Some(digest) = &provenance.digest {
        let found = collection.digest(provenance.snapshots)?;
        if found != *digest {
            return Err(Error::Mismatch(format!(
                "{}: its snapshots are not those that the generator was trained on; name the collection that it was trained on",
                collection.path().display()
            )));
        }
    }
    if let Some(held_out) = held_out {
        check_unseen(held_out, collection)?;
    }
    let samples = &samples.of_candidates(options.candidates.max(1))?;
    let mut options = options.clone();
    let aligned = provenance.alignment.as_ref();
    let (members, unseen) =
        Members::aligned(collection, held_out, aligned, &mut options.beside, cancel)?;
    let looked_at = |index: &usize| provenance.held_out.contains(index);
    let (chosen_by, train): (Vec<_>, Vec<_>) = (0..provenance.snapshots).partition(looked_at);
    let (target, held_out, zoo) = match &unseen {
        Some(unseen) => (
            unseen,
            (0..unseen.collection.len()).collect(),
            (0..provenance.snapshots).collect(),
        ),
        None => (&members, chosen_by, train),
    };
    let normalizer = &normalizer(&members, &zoo)?;
    let snapshots = |members, indices| Snapshots {
        members,
        indices,
        normalizer,
    };
    let held_out = snapshots(target, held_out);
    let layout = generator.layout();
    let sets = Sets {
        zoo: &snapshots(&members, zoo),
        held_out: (!held_out.is_empty()).then_some(&held_out as &dyn Rows),
        samples: &Samples {
            generator,
            options: samples,
            cancel,
            normalizer,
            held: RefCell::default(),
        },
        restore: &|network| {
            normalizer.backward(layout, network);
            Ok(())
        },
        normalize: &|network| {
            normalizer.forward(layout, network);
            Ok(())
        },
        layout: Some(layout),
    };
    let mut evaluation = evaluate(&sets, scorer, &options, &mut |at| {
        cancel.check()?;
        progress(at)
    })?;
    evaluation.generator = Some(provenance.clone());
    match provenance.behaviour_steps {
        Some(steps) if provenance.distilled => evaluation.distilled(steps),
        Some(steps) => evaluation.taught(steps),
        None => {}
    }
    Ok(evaluation)
}

/// Fails where snapshots that training did not see cannot be that.
fn check_unseen(held_out: &Collection, collection: &Collection) -> Result<()> {
    let called = held_out.path().display();
    if held_out.is_empty() || held_out.layout() != collection.layout() {
        return Err(Error::Mismatch(format!(
            "{called}: {} snapshots of {} parameters to hold out, and the generator's networks have {}; name a collection of \
             such networks",
            held_out.len(),
            held_out.layout().parameters(),
            collection.layout().parameters()
        )));
    }
    for index in 0..held_out.len() {
        let network = held_out.weights(index);
        if let Some(same) = (0..collection.len()).find(|i| collection.weights(*i) == network) {
            return Err(Error::Mismatch(format!(
                "{called}: its snapshot {} is the collection's {}, which training saw; hold out others",
                held_out.name(index),
                collection.name(same)
            )));
        }
    }
    Ok(())
}

/// A collection's snapshots as training saw them, or would have.
struct Members<'a> {
    collection: &'a Collection,
    /// What the training's alignment did to each.
    alignment: Option<(Symmetry, Vec<Transform>)>,
}

impl<'a> Members<'a> {
    /// The members and those that training did not see. Brings the units of the sets from elsewhere into the order that
    /// the snapshots' have.
    fn aligned(
        collection: &'a Collection,
        unseen: Option<&'a Collection>,
        aligned: Option<&Aligned>,
        beside: &mut [Beside],
        cancel: &Cancel,
    ) -> Result<(Members<'a>, Option<Members<'a>>)> {
        let Some(aligned) = aligned else {
            let as_they_are = |collection| Members {
                collection,
                alignment: None,
            };
            return Ok((as_they_are(collection), unseen.map(as_they_are)));
        };
        let rows = beside
            .iter()
            .flat_map(|set| (0..set.networks.len()).map(|row| set.networks.row(row)));
        let held_out = unseen
            .iter()
            .flat_map(|unseen| (0..unseen.len()).map(|index| unseen.weights(index)));
        let others: Vec<&[f32]> = held_out.chain(rows).collect();
        let (symmetry, transforms) = aligned.again(collection, &others, cancel)?;
        let count = transforms.len() - others.len();
        let mut transforms = transforms.into_iter();
        let mut members = |collection: &'a Collection, count| Members {
            collection,
            alignment: Some((symmetry.clone(), transforms.by_ref().take(count).collect())),
        };
        let snapshots = members(collection, count);
        let unseen = unseen.map(|unseen| members(unseen, unseen.len()));
        for set in beside {
            for row in 0..set.networks.len() {
                if let Some(transform) = transforms.next() {
                    transform.apply(&symmetry, set.networks.row_mut(row))?;
                }
            }
        }
        Ok((snapshots, unseen))
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(self.collection.weights(index));
        match &self.alignment {
            Some((symmetry, transforms)) => transforms[index].apply(symmetry, out),
            None => Ok(()),
        }
    }
}

/// The mean of each parameter and the scale of each tensor over the snapshots of `train`, so that
/// every tensor counts alike in a distance.
fn normalizer(members: &Members, train: &[usize]) -> Result<Normalizer> {
    let layout = members.collection.layout();
    let n = train.len().max(1) as f64;
    let mut values = vec![0.0; layout.parameters()];
    let mut each = |visit: &mut dyn FnMut(&[f32])| -> Result<()> {
        train.iter().try_for_each(|index| {
            members.read(*index, &mut values)?;
            for (tensor, range) in layout.ranges() {
                transform(tensor.role, &mut values[range]);
            }
            visit(&values);
            Ok(())
        })
    };
    let mut mean = vec![0.0f64; layout.parameters()];
    each(&mut |row| {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, x)| *m += f64::from(*x) / n)
    })?;
    let mut variances = vec![0.0f64; layout.tensors().len()];
    each(&mut |row| {
        for ((_, range), variance) in layout.ranges().zip(&mut variances) {
            let size = range.len().max(1) as f64;
            let pairs = row[range.clone()].iter().zip(&mean[range]);
            let squares: f64 = pairs.map(|(x, m)| (f64::from(*x) - m).powi(2)).sum();
            *variance += squares / (n * size);
        }
    })?;
    let scale = layout.ranges().zip(&variances).map(|((_, range), v)| {
        let largest = mean[range].iter().fold(0.0f64, |most, m| most.max(m.abs()));
        let rounding = ROUNDING * largest.max(f64::from(f32::MIN_POSITIVE));
        // A tensor that never changes keeps its units.
        if v.sqrt() > rounding { v.sqrt() } else { 1.0 }
    });
    Ok(Normalizer {
        scale: scale.map(|s| s as f32).collect(),
        mean: mean.iter().map(|m| *m as f32).collect(),
    })
}

/// Some of a collection's snapshots, normalized.
struct Snapshots<'a> {
    members: &'a Members<'a>,
    indices: Vec<usize>,
    normalizer: &'a Normalizer,
}

impl Rows for Snapshots<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn width(&self) -> usize {
        self.members.collection.layout().parameters()
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        self.members.read(self.indices[row], out)?;
        self.normalizer
            .forward(self.members.collection.layout(), out);
        Ok(())
    }
}

/// Generated networks, normalized; a block of them is held.
struct Samples<'a> {
    generator: &'a Generator,
    options: &'a SampleOptions,
    cancel: &'a Cancel,
    normalizer: &'a Normalizer,
    held: RefCell<Block>,
}

#[derive(Default)]
struct Block {
    first: usize,
    weights: Vec<f32>,
}

impl Rows for Samples<'_> {
    fn len(&self) -> usize {
        self.options.count
    }

    fn width(&self) -> usize {
        self.generator.layout().parameters()
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        let width = self.width();
        let mut held = self.held.borrow_mut();
        let end = held.first + held.weights.len() / width;
        if row < held.first || row >= end {
            let rows = (HELD / width).max(1);
            let first = row / rows * rows;
            let part = SampleOptions {
                first: self.options.first + first as u64,
                count: rows.min(self.len() - first),
                ..self.options.clone()
            };
            held.weights.clear();
            held.weights.resize(part.count * width, 0.0);
            held.first = first;
            self.generator
                .sample(&part, self.cancel, &mut held.weights)?;
        }
        out.copy_from_slice(&held.weights[(row - held.first) * width..][..width]);
        self.normalizer.forward(self.generator.layout(), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{CheckpointFiles, CollectOptions, collect};

    #[test]
    fn every_tensor_of_the_normalized_zoo_has_mean_zero_and_variance_one() {
        let folder = tempfile::tempdir().unwrap();
        let fixture = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/generators/flow.pdiff"
        );
        let generator = Generator::open(fixture.as_ref()).unwrap();
        let options = SampleOptions {
            count: 9,
            ..SampleOptions::default()
        };
        let mut source = CheckpointFiles::default();
        generator
            .sample_each(&options, &Cancel::new(), &mut |number, weights| {
                let file = folder.path().join(format!("{number}.safetensors"));
                source.files.push(file.clone());
                generator.write_network(weights, &file)
            })
            .unwrap();
        let zoo = folder.path().join("zoo");
        collect(&zoo, &source, &CollectOptions::default(), &mut |_| Ok(())).unwrap();
        let collection = Collection::open(&zoo).unwrap();
        let indices: Vec<usize> = (0..9).collect();
        let members = &Members {
            collection: &collection,
            alignment: None,
        };
        let normalizer = &normalizer(members, &indices).unwrap();
        let snapshots = Snapshots {
            members,
            indices,
            normalizer,
        };
        let mut rows = vec![vec![0.0; snapshots.width()]; 9];
        for (row, out) in rows.iter_mut().enumerate() {
            snapshots.read(row, out).unwrap();
        }
        for (tensor, range) in collection.layout().ranges() {
            let values = || rows.iter().flat_map(|row| &row[range.clone()]);
            let mean = values().sum::<f32>() / values().count() as f32;
            let square = values().map(|x| x * x).sum::<f32>() / values().count() as f32;
            assert!(mean.abs() < 1e-3, "{}: {mean}", tensor.name);
            // The fixture's frozen tensor is alike in all.
            let variance = if tensor.name == "frozen.table" {
                0.0
            } else {
                1.0
            };
            assert!(
                (square - variance).abs() < 1e-3,
                "{}: {square}",
                tensor.name
            );
        }
    }
}
