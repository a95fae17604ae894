//! What a layer's units carry along: whoever moves the rows of `fc.weight` moves `fc.bias` too, or the network computes
//! something else.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::layout::TensorSpec;
use crate::symmetry::spec::{Place, Spec};

/// Tensors of a layer with one number or row per unit.
const PERMUTED: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
/// Of them, what a factor of the units multiplies.
const SCALED: [&str; 2] = ["weight", "bias"];

/// Fails with [`Error::Mismatch`] where a group has some of a layer's tensors and not all. Layers are told by names and
/// shapes; where a square matrix leaves open which axis is the units', nothing is said.
pub(super) fn check(spec: &Spec, tensors: &HashMap<&str, (&TensorSpec, usize)>) -> Result<()> {
    for group in &spec.permutations {
        of_group(&group.name, &group.places, &PERMUTED, tensors)?;
    }
    for scaling in &spec.scalings {
        of_group(&scaling.name, &scaling.multiply, &SCALED, tensors)?;
    }
    Ok(())
}

fn of_group(
    name: &str,
    places: &[Place],
    family: &[&str],
    tensors: &HashMap<&str, (&TensorSpec, usize)>,
) -> Result<()> {
    let units = |tensor: &str| {
        let (tensor, _) = tensors.get(tensor)?;
        let (rows, others) = tensor.shape.split_first()?;
        (!others.contains(rows)).then_some(*rows)
    };
    let has = |tensor: &str| places.iter().any(|at| at.axis == 0 && at.tensor == tensor);
    for place in places.iter().filter(|place| place.axis == 0) {
        let Some((layer, kind)) = place.tensor.rsplit_once('.') else {
            continue;
        };
        let Some(count) = units(&place.tensor).filter(|_| family.contains(&kind)) else {
            continue;
        };
        let others = family.iter().map(|kind| format!("{layer}.{kind}"));
        for other in others {
            if units(&other) == Some(count) && !has(&other) {
                return Err(Error::Mismatch(format!(
                    "the symmetry group {name} has axis 0 of tensor {} and not of {other}, which has the same units; add it to the spec",
                    place.tensor
                )));
            }
        }
    }
    Ok(())
}
