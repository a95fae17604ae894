//! Activation matching: units that respond alike to the same examples are the same unit (Git
//! Re-Basin, arXiv 2209.04836, section 3.1, with correlations in place of inner products).

use crate::chain::Runner;
use crate::error::{Error, Result};
use crate::product;
use crate::symmetry::assignment::assign;
use crate::symmetry::bound::Symmetry;
use crate::symmetry::transform::Transform;

/// The transform that gives each unit of a network the place of the reference's unit it correlates
/// with most, from the activations of both on the same examples.
///
/// Activations are one matrix [observations, units] per group, in the order of the spec's; an empty
/// one leaves its group as it is. For a convolution each position of each example is an observation.
pub fn match_activations(
    symmetry: &Symmetry,
    reference: &[Vec<f32>],
    network: &[Vec<f32>],
) -> Result<Transform> {
    let groups = &symmetry.groups;
    if reference.len() != groups.len() || network.len() != groups.len() {
        return Err(Error::invalid(format!(
            "activations of {} and {} groups, and the symmetry has {}; pass a matrix for each",
            reference.len(),
            network.len(),
            groups.len()
        )));
    }
    let mut transform = Transform::identity(symmetry);
    for (group, (own, other)) in reference.iter().zip(network).enumerate() {
        let units = groups[group].size;
        if own.len() != other.len() || !own.len().is_multiple_of(units) {
            return Err(Error::invalid(format!(
                "{} and {} activations of {}, which has {units} units; pass [observations, units] of the same examples",
                own.len(),
                other.len(),
                symmetry.spec().permutations[group].name
            )));
        }
        if own.is_empty() {
            continue;
        }
        let mut products = vec![0.0; units * units];
        let (own, other) = (standardized(own, units), standardized(other, units));
        product::transposed_times(&own, &other, own.len() / units, &mut products);
        let gains: Vec<f64> = products.into_iter().map(f64::from).collect();
        if gains.iter().any(|gain| !gain.is_finite()) {
            return Err(Error::invalid(format!(
                "activations of {} are not finite; drop the snapshot or the examples",
                symmetry.spec().permutations[group].name
            )));
        }
        transform.permutations[group] = assign(&gains, units);
    }
    Ok(transform)
}

/// Each unit's column with mean 0 and norm 1; zeros for a unit that never changes.
fn standardized(activations: &[f32], units: usize) -> Vec<f32> {
    let n = (activations.len() / units) as f64;
    let mut mean = vec![0.0f64; units];
    for row in activations.chunks_exact(units) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += f64::from(*x) / n);
    }
    let mut square = vec![0.0f64; units];
    for row in activations.chunks_exact(units) {
        let all = square.iter_mut().zip(row).zip(&mean);
        all.for_each(|((sum, x), mean)| *sum += (f64::from(*x) - mean).powi(2));
    }
    let inverse = |square: f64| {
        if square > 0.0 {
            1.0 / square.sqrt()
        } else {
            0.0
        }
    };
    let inverse: Vec<f64> = square.into_iter().map(inverse).collect();
    activations
        .iter()
        .enumerate()
        .map(|(at, x)| ((f64::from(*x) - mean[at % units]) * inverse[at % units]) as f32)
        .collect()
}

/// The activations that [`match_activations`] takes, of a network of the spec's chain on `examples`
/// [examples, inputs]: for each group what the first layer that reads its units is given.
pub fn probe_activations(
    symmetry: &Symmetry,
    runner: &Runner,
    network: &[f32],
    examples: &[f32],
) -> Result<Vec<Vec<f32>>> {
    let chain = symmetry.spec().chain.as_ref().ok_or_else(|| {
        Error::invalid("the symmetry spec has no chain to run; add one or pass activations")
    })?;
    let groups = symmetry.spec().permutations.iter();
    groups
        .map(|group| {
            // The axis of inputs is the one after the outputs'.
            let read = |name: &str| {
                let places = group.places.iter();
                places
                    .filter(|place| place.axis == 1)
                    .find(|place| place.tensor == name)
            };
            let reader = chain.layers.iter().enumerate().find_map(|(at, layer)| {
                let weight = *layer.tensors().first()?;
                read(weight).map(|place| (at, place.repeat))
            });
            let Some((layer, repeat)) = reader else {
                return Ok(Vec::new());
            };
            let values = runner
                .inputs_of(layer, network, examples)?
                .unwrap_or_default();
            // [repeat, units, rest] to [repeat and rest, units].
            let rest = values.len() / (repeat * group.size);
            let mut out = vec![0.0; values.len()];
            for (run, numbers) in values.chunks_exact(rest.max(1)).enumerate() {
                let (repeat, unit) = (run / group.size, run % group.size);
                for (at, value) in numbers.iter().enumerate() {
                    out[(repeat * rest + at) * group.size + unit] = *value;
                }
            }
            Ok(out)
        })
        .collect()
}
