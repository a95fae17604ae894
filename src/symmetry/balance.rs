//! Positive scales of rectified units, fixed: of all scales the ones with the smallest weights.
//!
//! At these the incoming and the outgoing weights of a unit have the same norm, which is also what
//! gradient descent keeps (arXiv 1806.00900, theorem 2.1).

use crate::error::Result;
use crate::symmetry::bound::{Symmetry, Units};
use crate::symmetry::transform::{Transform, scale};

/// Passes over the scalings at most, each of which moves what the neighbours see.
const PASSES: usize = 200;
/// A pass whose factors are all this near to 1 is the last.
const SETTLED: f32 = 1e-6;

/// Rescales a network's units in place so that what multiplies and what divides them has one norm, and
/// returns the factors. A unit without incoming or outgoing weights keeps its scale.
pub fn balance(symmetry: &Symmetry, weights: &mut [f32]) -> Result<Transform> {
    symmetry.check_length(weights)?;
    let mut transform = Transform::identity(symmetry);
    for _ in 0..PASSES {
        let mut settled = true;
        for ((multiplied, divided), total) in symmetry.scalings.iter().zip(&mut transform.scales) {
            let norms = squares(divided, weights)
                .into_iter()
                .zip(squares(multiplied, weights));
            let factors: Vec<f32> = norms
                .map(|(out, own)| (out / own).powf(0.25) as f32)
                .map(|factor| {
                    if factor.is_finite() && factor > 0.0 {
                        factor
                    } else {
                        1.0
                    }
                })
                .collect();
            settled &= factors.iter().all(|factor| (factor - 1.0).abs() < SETTLED);
            scale(multiplied, weights, |value, unit| value * factors[unit]);
            scale(divided, weights, |value, unit| value / factors[unit]);
            total
                .iter_mut()
                .zip(&factors)
                .for_each(|(total, factor)| *total *= factor);
        }
        if settled {
            break;
        }
    }
    Ok(transform)
}

/// Each unit's sum of squares.
fn squares(units: &Units, weights: &mut [f32]) -> Vec<f64> {
    let mut sums = vec![0.0; units.size];
    for slab in &units.slabs {
        for (unit, numbers) in slab.units(units.size, weights) {
            sums[unit] += numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        }
    }
    sums
}
