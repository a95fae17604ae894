//! Which units of a collection's networks are the same: by their weights, or by what they do.

use crate::chain::Runner;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::layout::Layout;
use crate::symmetry::activations::{match_activations, probe_activations};
use crate::symmetry::align::{AlignOptions, Aligner};
use crate::symmetry::balance::balance;
use crate::symmetry::bound::Symmetry;
use crate::symmetry::transform::Transform;

/// The host's run of a network: from its number and its weights to one matrix [examples, units] per
/// permutation group, the same examples for every network.
pub type Activations<'a> = dyn FnMut(&Symmetry, usize, &[f32]) -> Result<Vec<Vec<f32>>> + 'a;

/// How units are matched.
pub enum Matching<'a> {
    /// By their weights, with those of the mean of all networks.
    Weights,
    /// By their weights, with those of the mean of another collection, whose snapshots are aligned.
    WeightsOf(&'a Collection),
    /// By their activations, with those of the first network, on `values` [examples, inputs] that the
    /// library runs the spec's chain on.
    Examples { values: &'a [f32], inputs: usize },
    /// By activations that the host gives.
    Activations(&'a mut Activations<'a>),
}

impl Matching<'_> {
    /// Fails where the snapshots to align to are none of `layout`'s.
    pub(super) fn check(&self, layout: &Layout) -> Result<()> {
        let Matching::WeightsOf(aligned) = self else {
            return Ok(());
        };
        if aligned.is_empty() || aligned.layout() != layout {
            return Err(Error::Mismatch(format!(
                "{}: {} snapshots of {} parameters, to which networks of {} cannot be aligned; name a collection of the same \
                 architecture",
                aligned.path().display(),
                aligned.len(),
                aligned.layout().parameters(),
                layout.parameters()
            )));
        }
        Ok(())
    }

    /// What aligns each of `networks`, which are `layout`'s. `progress` gets the alignments done and
    /// their number.
    pub(super) fn transforms(
        self,
        symmetry: &Symmetry,
        layout: &Layout,
        networks: &[&[f32]],
        options: &AlignOptions,
        cancel: &Cancel,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Transform>> {
        match self {
            Matching::Weights => by_weights(symmetry, networks, options, cancel, progress),
            Matching::WeightsOf(aligned) => {
                let reference = mean(aligned);
                let aligner = Aligner::new(symmetry, &reference, options.seed)?;
                let aligner = aligner.balanced(options.balance);
                transforms_to(&aligner, networks, options, cancel, &mut |done| {
                    progress(done, networks.len())
                })
            }
            Matching::Examples { values, inputs } => {
                let chain = symmetry.spec().chain.as_ref().ok_or_else(|| {
                    Error::invalid("examples, and the symmetry spec has no chain to run on them; add one or match by weights")
                })?;
                let runner = Runner::new(chain, layout)?;
                if inputs != runner.inputs() || values.is_empty() {
                    return Err(Error::invalid(format!(
                        "{} examples of {inputs} numbers; pass some, of {} numbers as the chain takes them",
                        values.len() / inputs.max(1),
                        runner.inputs()
                    )));
                }
                let run = &mut |symmetry: &Symmetry, _: usize, network: &[f32]| {
                    probe_activations(symmetry, &runner, network, values)
                };
                by_activations(symmetry, networks, options, run, cancel, progress)
            }
            Matching::Activations(run) => {
                by_activations(symmetry, networks, options, run, cancel, progress)
            }
        }
    }
}

fn by_weights(
    symmetry: &Symmetry,
    networks: &[&[f32]],
    options: &AlignOptions,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Transform>> {
    let total = networks.len() * (options.rounds + 1);
    let aligner = Aligner::to_mean(symmetry, networks, options, cancel, &mut |done, _| {
        progress(done, total)
    })?;
    let before = networks.len() * options.rounds;
    transforms_to(&aligner, networks, options, cancel, &mut |done| {
        progress(before + done, total)
    })
}

/// What aligns each network to the aligner's reference; `progress` gets how many are done.
fn transforms_to(
    aligner: &Aligner,
    networks: &[&[f32]],
    options: &AlignOptions,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Transform>> {
    let mut transforms = Vec::with_capacity(networks.len());
    aligner.each(networks, options.threads, cancel, &mut |_, transform| {
        transforms.push(transform.clone());
        progress(transforms.len())
    })?;
    Ok(transforms)
}

/// The mean of a collection's snapshots.
fn mean(collection: &Collection) -> Vec<f32> {
    let mut sum = vec![0.0f64; collection.layout().parameters()];
    for index in 0..collection.len() {
        let weights = collection.weights(index);
        sum.iter_mut()
            .zip(weights)
            .for_each(|(sum, w)| *sum += f64::from(*w));
    }
    let n = collection.len() as f64;
    sum.iter().map(|sum| (sum / n) as f32).collect()
}

fn by_activations(
    symmetry: &Symmetry,
    networks: &[&[f32]],
    options: &AlignOptions,
    run: &mut Activations,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Transform>> {
    let mut reference: Option<Vec<Vec<f32>>> = None;
    let mut transforms = Vec::with_capacity(networks.len());
    for (index, network) in networks.iter().enumerate() {
        cancel.check()?;
        let own = run(symmetry, index, network)?;
        let mut transform = match &reference {
            Some(reference) => match_activations(symmetry, reference, &own)?,
            None => {
                // Checked as every network's are.
                match_activations(symmetry, &own, &own)?;
                reference = Some(own);
                Transform::identity(symmetry)
            }
        };
        if options.balance {
            let mut weights = network.to_vec();
            transform.apply(symmetry, &mut weights)?;
            transform.scales = balance(symmetry, &mut weights)?.scales;
        }
        transforms.push(transform);
        progress(transforms.len(), networks.len())?;
    }
    Ok(transforms)
}
