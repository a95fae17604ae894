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

/// Judges `samples.count` networks of `generator` beside the snapshots it was trained on, those it
/// never saw, and the baselines made of the former. The scorer gets networks in their own units.
/// Where training aligned the snapshots, these are aligned again in the same way, and the sets from
/// elsewhere with them.
///
/// Fails with [`Error::Mismatch`] unless `collection` begins with the snapshots that the generator was
/// trained on, and as [`evaluate`] and [`Generator::sample`] do.
pub fn evaluate_generator(
    generator: &Generator,
    collection: &Collection,
    samples: &SampleOptions,
    scorer: &mut dyn Scorer,
    options: &Options,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<Evaluation> {
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
    let (held_out, train): (Vec<usize>, Vec<usize>) =
        (0..provenance.snapshots).partition(|index| provenance.held_out.contains(index));
    let mut options = options.clone();
    let members = &Members::new(
        collection,
        provenance.alignment.as_ref(),
        &mut options.beside,
        cancel,
    )?;
    let normalizer = &normalizer(members, &train)?;
    let snapshots = |indices| Snapshots {
        members,
        indices,
        normalizer,
    };
    let held_out = snapshots(held_out);
    let layout = generator.layout();
    let sets = Sets {
        zoo: &snapshots(train),
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
    if let Some(steps) = provenance.behaviour_steps {
        evaluation.taught(steps);
    }
    Ok(evaluation)
}

/// A collection's snapshots as training saw them.
struct Members<'a> {
    collection: &'a Collection,
    /// What the training's alignment did to each.
    alignment: Option<(Symmetry, Vec<Transform>)>,
}

impl<'a> Members<'a> {
    /// Brings the units of the sets from elsewhere into the order that the snapshots' have.
    fn new(
        collection: &'a Collection,
        aligned: Option<&Aligned>,
        beside: &mut [Beside],
        cancel: &Cancel,
    ) -> Result<Members<'a>> {
        let Some(aligned) = aligned else {
            return Ok(Members {
                collection,
                alignment: None,
            });
        };
        let others = beside
            .iter()
            .flat_map(|set| (0..set.networks.len()).map(|row| set.networks.row(row)));
        let others: Vec<&[f32]> = others.collect();
        let count = others.len();
        let (symmetry, mut transforms) = aligned.again(collection, &others, cancel)?;
        let mut own = transforms.split_off(transforms.len() - count).into_iter();
        for set in beside {
            for row in 0..set.networks.len() {
                if let Some(transform) = own.next() {
                    transform.apply(&symmetry, set.networks.row_mut(row))?;
                }
            }
        }
        Ok(Members {
            collection,
            alignment: Some((symmetry, transforms)),
        })
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
        let members = &Members::new(&collection, None, &mut [], &Cancel::new()).unwrap();
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
