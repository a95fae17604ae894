//! A probe set: examples by which the library itself can tell what a network is worth.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use crate::chain::{Chain, Outputs, Rows, Runner, Targets};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::generator::{Cancel, Generator};
use crate::layout::Layout;
use crate::noise::{Noise, Purpose, Stream};
use crate::symmetry::Spec;

/// Examples whose outputs are held at a time when networks are compared.
const TOGETHER: usize = 1024;

/// Examples with what networks should make of them, and the chain that networks run them through.
#[derive(Debug)]
pub struct Probe<'a> {
    runner: Runner,
    /// What gradients are for: the chain's tensors but for running statistics.
    trained: Vec<Range<usize>>,
    /// [examples, inputs]
    inputs: &'a [f32],
    /// The class of each example.
    classes: Vec<u32>,
}

impl<'a> Probe<'a> {
    /// `inputs` is [examples, inputs of the chain], row-major; `labels` has the class of each example,
    /// from 0.
    ///
    /// Fails with [`Error::Mismatch`] where the chain does not fit the layout, and with
    /// [`Error::InvalidArgument`] where the examples do not fit the chain.
    pub fn new(
        layout: &Layout,
        chain: &Chain,
        inputs: &'a [f32],
        labels: &[i64],
    ) -> Result<Probe<'a>> {
        if chain.outputs == Some(Outputs::Values) {
            return Err(Error::invalid(
                "a probe has the classes of its examples, and the chain says that its outputs are values; give a gradient or scores",
            ));
        }
        let runner = Runner::new(chain, layout)?;
        let (each, classes) = (runner.inputs(), runner.outputs());
        if labels.is_empty() || labels.len().checked_mul(each) != Some(inputs.len()) {
            return Err(Error::invalid(format!(
                "the probe has {} numbers and {} labels, and an example of the chain is {each} numbers; pass [examples, {each}] and a label for each",
                inputs.len(),
                labels.len()
            )));
        }
        let class = |(example, label): (usize, &i64)| {
            let class = u32::try_from(*label).ok();
            class.filter(|class| (*class as usize) < classes).ok_or_else(|| {
                Error::invalid(format!(
                    "label {label} of the probe's example {example} is no class of a network with {classes} outputs; count classes from 0"
                ))
            })
        };
        let classes = labels.iter().enumerate().map(class);
        let classes = classes.collect::<Result<_>>()?;
        Ok(Probe {
            trained: trained(layout, chain),
            runner,
            inputs,
            classes,
        })
    }

    pub(super) fn trained(&self) -> &[Range<usize>] {
        &self.trained
    }

    pub(super) fn examples(&self) -> usize {
        self.inputs.len() / self.runner.inputs()
    }

    /// The mean cross-entropy of each network on all examples.
    pub(super) fn losses(
        &self,
        networks: &[f32],
        threads: usize,
        cancel: &Cancel,
    ) -> Result<Vec<f64>> {
        let (inputs, outputs) = (self.runner.inputs(), self.runner.outputs());
        let mut losses = vec![0.0; networks.len() / self.runner.parameters()];
        let mut out = Vec::new();
        for (part, rows) in self.inputs.chunks(TOGETHER * inputs).enumerate() {
            let count = rows.len() / inputs;
            out.resize(losses.len() * count * outputs, 0.0);
            let runner = &self.runner;
            runner.forward(networks, rows, threads, cancel, &mut out)?;
            for (loss, out) in losses.iter_mut().zip(out.chunks(count * outputs)) {
                for (out, example) in out.chunks_exact(outputs).zip(part * TOGETHER..) {
                    *loss += cross_entropy(self.classes[example], out) / self.examples() as f64;
                }
            }
        }
        Ok(losses)
    }

    /// The minibatches of sample `number`, of `size` examples, which the probe has at least.
    pub(super) fn minibatches(&self, seed: u64, number: u64, size: usize) -> Minibatches<'_> {
        Minibatches {
            stream: Noise::new(seed).stream(Purpose::Polish, number, 0),
            order: (0..self.examples() as u32).collect(),
            next: 0,
            size,
            probe: self,
        }
    }

    /// Writes the gradient of the mean cross-entropy over `size` random examples, and returns that.
    pub(super) fn gradient(
        &self,
        stream: &mut Stream,
        size: usize,
        network: &[f32],
        cancel: &Cancel,
        gradient: &mut [f32],
    ) -> Result<f64> {
        let examples: Vec<u32> = (0..size)
            .map(|_| stream.below(self.examples()) as u32)
            .collect();
        self.gradient_at(&examples, network, cancel, gradient)
    }

    /// Writes the gradient of the mean cross-entropy over some examples, and returns that.
    fn gradient_at(
        &self,
        examples: &[u32],
        network: &[f32],
        cancel: &Cancel,
        gradient: &mut [f32],
    ) -> Result<f64> {
        let rows = Rows::At(self.inputs, examples);
        let at = examples.iter().map(|at| self.classes[*at as usize]);
        let classes: Vec<u32> = at.collect();
        let targets = Targets::Classes(&classes);
        self.runner
            .gradient(network, rows, targets, cancel, gradient)
    }

    /// Tells probes apart.
    pub(super) fn digest(&self) -> String {
        let mut hash = Xxh3Default::new();
        hash.update(bytemuck::cast_slice(self.inputs));
        hash.update(bytemuck::cast_slice(&self.classes));
        hash.update(format!("{:?}", self.runner).as_bytes());
        format!("{:032x}", hash.digest128())
    }
}

fn cross_entropy(class: u32, out: &[f32]) -> f64 {
    let most = out.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
    let sum: f64 = out.iter().map(|x| f64::from(x - most).exp()).sum();
    sum.ln() + f64::from(most - out[class as usize])
}

/// Where the tensors lie that a chain's gradients are for.
fn trained(layout: &Layout, chain: &Chain) -> Vec<Range<usize>> {
    let trained: Vec<&str> = chain.layers.iter().flat_map(|l| l.trained()).collect();
    let is_trained = |name: &str| trained.contains(&name);
    layout
        .ranges()
        .filter(|(tensor, _)| is_trained(&tensor.name))
        .map(|(_, range)| range)
        .collect()
}

impl Generator {
    /// How its networks compute: the chain of `spec` or, without one, of the symmetry by which training
    /// aligned its snapshots.
    ///
    /// Fails with [`Error::InvalidArgument`] where that has none.
    pub fn chain(&self, spec: Option<&Spec>) -> Result<Chain> {
        let alignment = self.about().provenance.alignment.as_ref();
        chain_of(
            spec,
            alignment.map(|done| &done.spec),
            "the generator records",
        )
    }
}

impl Collection {
    /// How its networks compute: the chain of `spec` or, without one, of the collection's own symmetry.
    ///
    /// Fails with [`Error::InvalidArgument`] where that has none.
    pub fn chain(&self, spec: Option<&Spec>) -> Result<Chain> {
        chain_of(spec, self.symmetry(), "the collection records")
    }
}

fn chain_of(given: Option<&Spec>, own: Option<&Spec>, whose: &str) -> Result<Chain> {
    let (spec, whose) = match given {
        Some(spec) => (Some(spec), "the symmetry spec has"),
        None => (own, whose),
    };
    spec.and_then(|spec| spec.chain.clone()).ok_or_else(|| {
        Error::invalid(format!(
            "{whose} no chain, by which the library could run a network; give a spec with one"
        ))
    })
}

/// A probe's examples in epochs of random order; what an epoch leaves over, fewer than a minibatch, is
/// left out.
pub(super) struct Minibatches<'a> {
    stream: Stream,
    order: Vec<u32>,
    next: usize,
    size: usize,
    probe: &'a Probe<'a>,
}

impl Minibatches<'_> {
    /// [`Probe::gradient_at`] of the next one's examples.
    pub fn gradient(
        &mut self,
        network: &[f32],
        cancel: &Cancel,
        gradient: &mut [f32],
    ) -> Result<f64> {
        if self.next + self.size > self.order.len() {
            self.next = 0;
        }
        for at in self.next..self.next + self.size {
            // Fisher and Yates, as far as it is needed.
            let other = at + self.stream.below(self.order.len() - at);
            self.order.swap(at, other);
        }
        let examples = &self.order[self.next..][..self.size];
        self.next += self.size;
        self.probe.gradient_at(examples, network, cancel, gradient)
    }
}
