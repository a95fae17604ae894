//! Symmetries at work: permutations and scales of one network, and back.

use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose};
use crate::symmetry::bound::{Symmetry, Units};

/// One element of a symmetry: an order for each permutation group, a factor for each scaled unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// Per group: unit u takes the numbers of unit `permutations[group][u]`.
    pub permutations: Vec<Vec<usize>>,
    /// Per scaling: positive factors.
    pub scales: Vec<Vec<f32>>,
}

impl Transform {
    /// What changes nothing.
    pub fn identity(symmetry: &Symmetry) -> Transform {
        Transform {
            permutations: symmetry
                .groups
                .iter()
                .map(|units| (0..units.size).collect())
                .collect(),
            scales: symmetry
                .scalings
                .iter()
                .map(|(units, _)| vec![1.0; units.size])
                .collect(),
        }
    }

    /// Random cycles, which leave no unit of a group where it was, and factors from 1/2 to 2.
    pub fn random(symmetry: &Symmetry, seed: u64) -> Transform {
        let mut transform = Transform::identity(symmetry);
        let mut stream = Noise::new(seed).stream(Purpose::Alignment, 0, 0);
        for order in &mut transform.permutations {
            let cycle = stream.permutation(order.len());
            for (unit, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                order[*unit] = *next;
            }
        }
        for factor in transform.scales.iter_mut().flatten() {
            *factor = (2.0 * stream.uniform() - 1.0).exp2() as f32;
        }
        transform
    }

    /// Transforms a network's flat vector in place.
    pub fn apply(&self, symmetry: &Symmetry, weights: &mut [f32]) -> Result<()> {
        self.check(symmetry, weights)?;
        for (units, order) in symmetry.groups.iter().zip(&self.permutations) {
            permute(units, order, weights);
        }
        for ((multiplied, divided), factors) in symmetry.scalings.iter().zip(&self.scales) {
            scale(multiplied, weights, |value, unit| value * factors[unit]);
            scale(divided, weights, |value, unit| value / factors[unit]);
        }
        Ok(())
    }

    /// Undoes [`Transform::apply`]: permutations exactly, scales to rounding.
    pub fn undo(&self, symmetry: &Symmetry, weights: &mut [f32]) -> Result<()> {
        self.check(symmetry, weights)?;
        for ((multiplied, divided), factors) in symmetry.scalings.iter().zip(&self.scales) {
            scale(multiplied, weights, |value, unit| value / factors[unit]);
            scale(divided, weights, |value, unit| value * factors[unit]);
        }
        for (units, order) in symmetry.groups.iter().zip(&self.permutations) {
            permute(units, &inverse(order), weights);
        }
        Ok(())
    }

    fn check(&self, symmetry: &Symmetry, weights: &[f32]) -> Result<()> {
        symmetry.check_length(weights)?;
        let sizes = |units: &Units| units.size;
        let fits = self
            .permutations
            .iter()
            .map(Vec::len)
            .eq(symmetry.groups.iter().map(sizes))
            && self
                .scales
                .iter()
                .map(Vec::len)
                .eq(symmetry.scalings.iter().map(|(units, _)| units.size));
        let permutations = self.permutations.iter().all(|order| {
            let mut seen = vec![false; order.len()];
            order
                .iter()
                .all(|unit| *unit < seen.len() && !std::mem::replace(&mut seen[*unit], true))
        });
        let positive = |factor: &f32| factor.is_finite() && *factor > 0.0;
        if fits && permutations && self.scales.iter().flatten().all(positive) {
            return Ok(());
        }
        Err(Error::invalid(
            "a transform that is none of this symmetry; pass one permutation per group and positive factors",
        ))
    }
}

/// Unit u takes the numbers of unit `order[u]`, at every place.
pub(super) fn permute(units: &Units, order: &[usize], weights: &mut [f32]) {
    let mut old = Vec::new();
    for slab in &units.slabs {
        let length = units.size * slab.inner;
        let rows = &mut weights[slab.start..][..slab.outer * length];
        for row in rows.chunks_exact_mut(length) {
            old.clear();
            old.extend_from_slice(row);
            for (new, unit) in row.chunks_exact_mut(slab.inner).zip(order) {
                new.copy_from_slice(&old[unit * slab.inner..][..slab.inner]);
            }
        }
    }
}

pub(super) fn scale(units: &Units, weights: &mut [f32], with: impl Fn(f32, usize) -> f32) {
    for slab in &units.slabs {
        for (unit, numbers) in slab.units(units.size, weights) {
            for value in numbers {
                *value = with(*value, unit);
            }
        }
    }
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        inverse[*from] = to;
    }
    inverse
}
