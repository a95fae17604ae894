//! A spec bound to a layout: every place checked, and found in the flat vector.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::layout::{Layout, Role, TensorSpec};
use crate::symmetry::companions;
use crate::symmetry::infer::{from_chain, scalings};
use crate::symmetry::spec::{Group, Place, Spec};

/// A spec that fits a layout. Acts on that layout's flat vectors.
#[derive(Clone, Debug)]
pub struct Symmetry {
    spec: Spec,
    /// Per permutation group.
    pub(super) groups: Vec<Units>,
    /// Per scaling: where it multiplies, and where it divides.
    pub(super) scalings: Vec<(Units, Units)>,
    parameters: usize,
}

/// A set of units and where they lie in the flat vector.
#[derive(Clone, Debug)]
pub(super) struct Units {
    pub size: usize,
    pub slabs: Vec<Slab>,
}

/// A place in the flat vector: elements `start + (o * size + unit) * inner + i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slab {
    pub start: usize,
    pub outer: usize,
    pub inner: usize,
    /// Whether alignment looks at it: running statistics are carried along and not compared.
    pub compared: bool,
}

impl Slab {
    /// Appends the units' numbers to `out`: [size, outer * inner].
    pub fn gather(&self, size: usize, values: &[f32], out: &mut Vec<f32>) {
        let values = &values[self.start..][..self.outer * size * self.inner];
        for unit in 0..size {
            for row in values.chunks_exact(size * self.inner) {
                out.extend_from_slice(&row[unit * self.inner..][..self.inner]);
            }
        }
    }

    /// Each unit's numbers in each of the outer rows.
    pub fn units<'a>(
        &self,
        size: usize,
        values: &'a mut [f32],
    ) -> impl Iterator<Item = (usize, &'a mut [f32])> {
        values[self.start..][..self.outer * size * self.inner]
            .chunks_exact_mut(self.inner)
            .enumerate()
            .map(move |(at, numbers)| (at % size, numbers))
    }
}

impl Symmetry {
    /// Checks a spec against a layout: every tensor is there, has the axis, and its length is the
    /// group's; an axis is permuted by one group at most, and a layer's bias by its weight's. A spec of
    /// a chain alone gets the chain's groups and scalings.
    ///
    /// Fails with [`Error::Mismatch`] where the spec does not fit the layout, and with
    /// [`Error::InvalidArgument`] where it contradicts itself.
    pub fn new(spec: &Spec, layout: &Layout) -> Result<Symmetry> {
        let mut spec = spec.clone();
        if let (Some(chain), true) = (&spec.chain, spec.permutations.is_empty()) {
            spec.permutations = from_chain(chain, layout.tensors())?;
            if spec.scalings.is_empty() {
                spec.scalings = scalings(chain, &spec.permutations);
            }
        }
        if spec.permutations.is_empty() && spec.scalings.is_empty() {
            return Err(Error::invalid(
                "the symmetry spec names no permutation and no scaling, and no chain that has one; name one",
            ));
        }
        let places: HashMap<&str, (&TensorSpec, usize)> = layout
            .ranges()
            .map(|(tensor, range)| (tensor.name.as_str(), (tensor, range.start)))
            .collect();
        let permuted = spec.permutations.iter();
        once(
            "permuted",
            permuted.map(|it| (&it.name, it.places.iter().collect())),
        )?;
        let scaled = spec.scalings.iter();
        once(
            "scaled",
            scaled.map(|it| (&it.name, it.multiply.iter().chain(&it.divide).collect())),
        )?;
        let groups = spec.permutations.iter().map(|group| {
            let Group {
                name,
                size,
                places: at,
            } = group;
            units(name, *size, at, &places)
        });
        let scalings = spec.scalings.iter().map(|scaling| {
            let part = |at: &[Place]| units(&scaling.name, scaling.size, at, &places);
            Ok((part(&scaling.multiply)?, part(&scaling.divide)?))
        });
        let (groups, scalings) = (
            groups.collect::<Result<_>>()?,
            scalings.collect::<Result<_>>()?,
        );
        companions::check(&spec, &places)?;
        Ok(Symmetry {
            groups,
            scalings,
            parameters: layout.parameters(),
            spec,
        })
    }

    /// The spec, with what a chain has written out.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Numbers in a flat vector.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    pub(super) fn check_length(&self, weights: &[f32]) -> Result<()> {
        if weights.len() != self.parameters {
            return Err(Error::invalid(format!(
                "a network of {} numbers, and the symmetry's layout has {}; pass whole networks",
                weights.len(),
                self.parameters
            )));
        }
        Ok(())
    }
}

/// Refuses two groups of one name, by which callbacks tell them apart, and an axis that two places have.
fn once<'a>(moved: &str, groups: impl Iterator<Item = (&'a String, Vec<&'a Place>)>) -> Result<()> {
    let (mut names, mut axes) = (HashSet::new(), HashMap::new());
    for (name, places) in groups {
        if !names.insert(name) {
            return Err(Error::invalid(format!(
                "two groups of what is {moved} are called {name}; give each a name of its own"
            )));
        }
        for place in places {
            let axis = (place.tensor.as_str(), place.axis);
            match axes.insert(axis, name) {
                Some(other) if other == name => {
                    return Err(Error::invalid(format!(
                        "axis {} of tensor {} is {moved} twice by the group {name}; name it once",
                        place.axis, place.tensor
                    )));
                }
                Some(other) => {
                    return Err(Error::invalid(format!(
                        "axis {} of tensor {} is {moved} by the groups {other} and {name}; let one group have it",
                        place.axis, place.tensor
                    )));
                }
                None => {}
            }
        }
    }
    Ok(())
}

fn units(
    name: &str,
    size: usize,
    places: &[Place],
    tensors: &HashMap<&str, (&TensorSpec, usize)>,
) -> Result<Units> {
    if size == 0 || places.is_empty() {
        return Err(Error::invalid(format!(
            "the symmetry group {name} has {size} units at {} places; give it some or leave it out",
            places.len()
        )));
    }
    let slabs = places.iter().map(|place| {
        let Some((tensor, start)) = tensors.get(place.tensor.as_str()) else {
            return Err(Error::Mismatch(format!(
                "the symmetry group {name}: no tensor {} is generated; correct the name or leave the group out",
                place.tensor
            )));
        };
        let Some(length) = tensor.shape.get(place.axis) else {
            return Err(Error::Mismatch(format!(
                "the symmetry group {name}: tensor {} {:?} has no axis {}; count axes from 0",
                tensor.name, tensor.shape, place.axis
            )));
        };
        let wanted = size
            .checked_mul(place.repeat)
            .and_then(|n| n.checked_mul(place.block));
        if wanted != Some(*length) {
            return Err(Error::Mismatch(format!(
                "the symmetry group {name}: axis {} of tensor {} has length {length} and not repeat {} x size {size} x block {}; correct the spec",
                place.axis, tensor.name, place.repeat, place.block
            )));
        }
        let outer: usize = tensor.shape[..place.axis].iter().product();
        let inner: usize = tensor.shape[place.axis + 1..].iter().product();
        if tensor.count() == 0 {
            return Ok(None);
        }
        Ok(Some(Slab {
            start: *start,
            outer: outer * place.repeat,
            inner: place.block * inner,
            compared: !matches!(tensor.role, Role::RunningMean | Role::RunningVar),
        }))
    });
    Ok(Units {
        size,
        slabs: slabs.filter_map(Result::transpose).collect::<Result<_>>()?,
    })
}
