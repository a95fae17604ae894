//! A wrong spec is found out: what it moves must leave the function as it is.

use crate::chain::Runner;
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::layout::Layout;
use crate::noise::{Noise, Purpose};
use crate::symmetry::bound::Symmetry;
use crate::symmetry::transform::Transform;

/// Largest difference of an output, as a share of the largest output: float32's rounding is far below.
const TOLERANCE: f32 = 1e-5;
/// Random examples that a chain is checked on.
const EXAMPLES: usize = 16;

/// Transforms the network `weights` at random, one group after another, and runs each by `run`, which
/// must return the same numbers up to 1e-5 of the largest.
///
/// Fails with [`Error::Mismatch`], which names the group that changes the function, and as `run` does.
pub fn check(
    symmetry: &Symmetry,
    weights: &[f32],
    seed: u64,
    run: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>>,
) -> Result<()> {
    let expected = run(weights)?;
    let largest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let random = Transform::random(symmetry, seed);
    let identity = Transform::identity(symmetry);
    let spec = symmetry.spec();
    let permutations = (0..random.permutations.len()).map(|group| {
        let mut one = identity.clone();
        one.permutations[group] = random.permutations[group].clone();
        (&spec.permutations[group].name, one)
    });
    let scales = (0..random.scales.len()).map(|scaling| {
        let mut one = identity.clone();
        one.scales[scaling] = random.scales[scaling].clone();
        (&spec.scalings[scaling].name, one)
    });
    for (name, transform) in permutations.chain(scales) {
        let mut moved = weights.to_vec();
        transform.apply(symmetry, &mut moved)?;
        let got = run(&moved)?;
        let pairs = got.iter().zip(&expected);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let same = got.len() == expected.len() && off <= TOLERANCE * largest;
        if !same || got.iter().any(|x| !x.is_finite()) {
            return Err(Error::Mismatch(format!(
                "the symmetry group {name} changes the function, by {off:.2e} of {largest:.2e}; correct its places in the spec"
            )));
        }
    }
    Ok(())
}

/// [`check`] by the spec's own chain on random examples; nothing to do without a chain. One that leaves tensors out
/// would show nothing of them, and is a [`Error::Mismatch`] as well.
pub fn check_chain(symmetry: &Symmetry, layout: &Layout, weights: &[f32], seed: u64) -> Result<()> {
    let Some(chain) = &symmetry.spec().chain else {
        return Ok(());
    };
    let runner = Runner::new(chain, layout)?;
    if let Some(tensor) = runner.unused(layout) {
        return Err(Error::Mismatch(format!(
            "no layer of the chain has the tensor {tensor}, so it cannot show that the symmetry is right; add the layer, or leave the chain out and name the permutations"
        )));
    }
    let mut examples = vec![0.0; EXAMPLES * runner.inputs()];
    Noise::new(seed).normal(Purpose::Alignment, 1, 0, &mut examples);
    check(symmetry, weights, seed, &mut |network| {
        let mut out = vec![0.0; EXAMPLES * runner.outputs()];
        runner.forward(network, &examples, 1, &Cancel::new(), &mut out)?;
        Ok(out)
    })
}
