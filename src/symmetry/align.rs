//! Weight matching (Git Re-Basin, arXiv 2209.04836, algorithm 1): coordinate descent over the groups,
//! each step a linear assignment.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose};
use crate::product;
use crate::symmetry::assignment::assign;
use crate::symmetry::balance::balance;
use crate::symmetry::bound::{Symmetry, Units};
use crate::symmetry::transform::{Transform, permute};

/// Passes over the groups at most; most networks need fewer than ten.
const PASSES: u64 = 100;
/// A gain below this share of the whole is rounding.
const ROUNDING: f64 = 1e-6;

/// How a reference is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlignOptions {
    /// Keys the order in which groups are visited.
    pub seed: u64,
    /// How often all networks are aligned to their mean, after the first was the reference.
    pub rounds: usize,
    /// Whether rectified units are brought to one scale as well, where the symmetry has scalings.
    pub balance: bool,
    /// 0: one per core. The result is the same for any number.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for AlignOptions {
    fn default() -> AlignOptions {
        AlignOptions {
            seed: 0,
            rounds: 4,
            balance: false,
            threads: 0,
        }
    }
}

/// What takes each aligned network's weights and what was done to it; its error ends the work.
pub type Visit<'a> = dyn FnMut(&[f32], &Transform) -> Result<()> + 'a;

/// Brings networks as near to a reference as permutations can.
#[derive(Debug)]
pub struct Aligner<'a> {
    symmetry: &'a Symmetry,
    seed: u64,
    balanced: bool,
    reference: Vec<f32>,
    /// Per group and place that is compared: the reference's units, [size, numbers].
    units: Vec<Vec<Vec<f32>>>,
}

impl<'a> Aligner<'a> {
    /// An aligner to the network `reference`.
    pub fn new(symmetry: &'a Symmetry, reference: &[f32], seed: u64) -> Result<Aligner<'a>> {
        symmetry.check_length(reference)?;
        Ok(Aligner {
            symmetry,
            seed,
            balanced: false,
            reference: reference.to_vec(),
            units: symmetry
                .groups
                .iter()
                .map(|units| gathered(units, reference))
                .collect(),
        })
    }

    /// The same, which also rescales each network by [`balance`] after it permuted it.
    pub fn balanced(self, balanced: bool) -> Aligner<'a> {
        Aligner { balanced, ..self }
    }

    /// An aligner to the mean of `networks`, each aligned to the mean before; the first of them is
    /// where it begins. `progress` gets the alignments done and their number; its error ends the work.
    ///
    /// Memory does not grow with the number of networks.
    pub fn to_mean(
        symmetry: &'a Symmetry,
        networks: &[&[f32]],
        options: &AlignOptions,
        cancel: &Cancel,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Aligner<'a>> {
        let first = networks
            .first()
            .ok_or_else(|| Error::invalid("no networks to align; pass at least one"))?;
        let to = |reference: &[f32]| {
            let aligner = Aligner::new(symmetry, reference, options.seed)?;
            Ok::<_, Error>(aligner.balanced(options.balance))
        };
        let mut aligner = to(first)?;
        let total = options.rounds * networks.len();
        for round in 0..options.rounds {
            let mut sum = vec![0.0f64; symmetry.parameters()];
            let mut done = round * networks.len();
            aligner.each(networks, options.threads, cancel, &mut |aligned, _| {
                for (sum, weight) in sum.iter_mut().zip(aligned) {
                    *sum += f64::from(*weight);
                }
                done += 1;
                progress(done, total)
            })?;
            let n = networks.len() as f64;
            let mean: Vec<f32> = sum.iter().map(|sum| (sum / n) as f32).collect();
            aligner = to(&mean)?;
        }
        Ok(aligner)
    }

    /// The network that others are aligned to.
    pub fn reference(&self) -> &[f32] {
        &self.reference
    }

    /// Permutes a network's flat vector in place, and returns what was done.
    pub fn align(&self, weights: &mut [f32]) -> Result<Transform> {
        self.symmetry.check_length(weights)?;
        let mut transform = Transform::identity(self.symmetry);
        let groups = &self.symmetry.groups;
        for pass in 0..PASSES {
            let mut stream = Noise::new(self.seed).stream(Purpose::Alignment, pass, 0);
            let mut settled = true;
            for group in stream.permutation(groups.len()) {
                let units = &groups[group];
                let gains = gains(units, &self.units[group], weights);
                let order = assign(&gains, units.size);
                if improves(&gains, &order) {
                    permute(units, &order, weights);
                    let old = &mut transform.permutations[group];
                    *old = order.iter().map(|unit| old[*unit]).collect();
                    settled = false;
                }
            }
            if settled {
                break;
            }
        }
        if self.balanced {
            transform.scales = balance(self.symmetry, weights)?.scales;
        }
        Ok(transform)
    }

    /// Aligns a copy of each network, on several threads, and hands them to `visit` in order.
    pub fn each(
        &self,
        networks: &[&[f32]],
        threads: usize,
        cancel: &Cancel,
        visit: &mut Visit,
    ) -> Result<()> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        for part in networks.chunks(threads) {
            cancel.check()?;
            let work = |network: &[f32]| {
                let mut weights = network.to_vec();
                self.align(&mut weights).map(|found| (weights, found))
            };
            let aligned: Vec<Result<_>> = std::thread::scope(|scope| {
                let workers: Vec<_> = part.iter().map(|one| scope.spawn(|| work(one))).collect();
                let panicked = || Error::Internal("an aligning thread panicked".into());
                let results = workers.into_iter().map(|worker| worker.join());
                results
                    .map(|result| result.unwrap_or_else(|_| Err(panicked())))
                    .collect()
            });
            for result in aligned {
                let (weights, transform) = result?;
                visit(&weights, &transform)?;
            }
        }
        Ok(())
    }
}

fn gathered(units: &Units, weights: &[f32]) -> Vec<Vec<f32>> {
    let compared = units.slabs.iter().filter(|slab| slab.compared);
    compared
        .map(|slab| {
            let mut out = Vec::with_capacity(units.size * slab.outer * slab.inner);
            slab.gather(units.size, weights, &mut out);
            out
        })
        .collect()
}

/// Inner products of the reference's units with the network's, [size, size], summed over the places.
fn gains(units: &Units, reference: &[Vec<f32>], weights: &[f32]) -> Vec<f64> {
    let n = units.size;
    let mut gains = vec![0.0; n * n];
    let mut products = vec![0.0f32; n * n];
    for (own, other) in reference.iter().zip(gathered(units, weights)) {
        product::times_transposed(own, &other, own.len() / n, &mut products);
        for (gain, product) in gains.iter_mut().zip(&products) {
            *gain += f64::from(*product);
        }
    }
    gains
}

/// Whether an order gains more than leaving the units where they are.
fn improves(gains: &[f64], order: &[usize]) -> bool {
    let n = order.len();
    let (mut moved, mut size) = (0.0, 0.0);
    for (i, j) in order.iter().enumerate() {
        moved += gains[i * n + j] - gains[i * n + i];
        size += gains[i * n + j].abs();
    }
    moved > ROUNDING * size
}
