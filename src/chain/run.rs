//! Running many networks of one chain over the same examples.
//!
//! Examples go through in chunks whose numbers stay in the processor's cache. What a first linear layer
//! multiplies is the same for every network, whose first weights are stacked into one product.

use std::ops::Range;
use std::slice::from_mut;
use std::sync::Mutex;

use crate::chain::ops::{backward, forward};
use crate::chain::plan::{Step, plan};
use crate::chain::stack::Stack;
use crate::chain::workspace::{Pool, Rows, TILE, Workspace, room};
use crate::chain::{Chain, Targets};
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::layout::Layout;

/// Numbers of the widest step in a chunk (1 MB): what a core's cache holds.
const CHUNK: usize = 1 << 18;
/// Examples in a chunk at most.
const MOST: usize = 256;
/// Rows of the first layers' product at most, unless one network has more.
const STACK: usize = 256;

/// A chain that is ready to run networks of a layout. A network's result is the same bytes whatever
/// runs beside it, for any number of threads; 0 threads take one per core.
#[derive(Clone, Debug)]
pub struct Runner {
    steps: Vec<Step>,
    /// The layer of the chain that each step is.
    layers: Vec<usize>,
    parameters: usize,
    /// Examples that go through at once.
    chunk: usize,
    pool: Pool,
}

impl Runner {
    /// Fails with [`Error::Mismatch`] where a layer does not fit its tensors or what comes before it,
    /// or names a tensor that is not generated.
    pub fn new(chain: &Chain, layout: &Layout) -> Result<Runner> {
        let (layers, steps): (Vec<_>, Vec<_>) = plan(chain, layout)?.into_iter().unzip();
        let widest = steps
            .iter()
            .map(|step: &Step| step.inputs.max(step.outputs));
        let chunk = CHUNK / widest.max().unwrap_or(1);
        // Whole vectors, where there is room for some.
        let chunk = if chunk < TILE {
            chunk
        } else {
            chunk - chunk % TILE
        };
        Ok(Runner {
            steps,
            layers,
            parameters: layout.parameters(),
            chunk: chunk.clamp(1, MOST),
            pool: Pool::default(),
        })
    }

    /// The first tensor of the layout that no layer has: the network computes with it, and the chain does not.
    pub(crate) fn unused<'a>(&self, layout: &'a Layout) -> Option<&'a str> {
        let used: Vec<&Range<usize>> = self.steps.iter().flat_map(|it| it.op.ranges()).collect();
        let mut tensors = layout.ranges();
        let unused = tensors.find(|(_, range)| !range.is_empty() && !used.contains(&range));
        unused.map(|(tensor, _)| tensor.name.as_str())
    }

    /// Numbers of one network.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Numbers of one example.
    pub fn inputs(&self) -> usize {
        self.steps[0].inputs
    }

    /// Numbers that a network gives for one example.
    pub fn outputs(&self) -> usize {
        self.steps[self.steps.len() - 1].outputs
    }

    /// Writes what `networks` [networks, parameters] give for `examples` [examples, inputs] to `out`
    /// [networks, examples, outputs].
    pub fn forward(
        &self,
        networks: &[f32],
        examples: &[f32],
        threads: usize,
        cancel: &Cancel,
        out: &mut [f32],
    ) -> Result<()> {
        let (count, n) = self.check(networks, examples)?;
        let each = n * self.outputs();
        fits(out.len(), count * each)?;
        if out.is_empty() {
            return Ok(());
        }
        let together = (STACK / self.steps[0].rows().unwrap_or(STACK)).max(1);
        let parts = networks
            .chunks(together * self.parameters)
            .zip(out.chunks_mut(together * each));
        spread(parts, threads, |(networks, out)| {
            let run = |space: &mut _| self.forward_together(networks, examples, cancel, space, out);
            self.lend(run)
        })
    }

    fn forward_together(
        &self,
        networks: &[f32],
        examples: &[f32],
        cancel: &Cancel,
        space: &mut Workspace,
        out: &mut [f32],
    ) -> Result<()> {
        let (outputs, n) = (self.outputs(), examples.len() / self.inputs());
        let mut stack = Stack::new(&self.steps[0], networks, self.parameters);
        for chunk in self.chunks(n) {
            cancel.check()?;
            let (start, count) = (chunk.start, chunk.len());
            space.enter(Rows::All(examples), self.inputs(), chunk);
            stack.multiply(&space.values[0], count);
            for (at, network) in networks.chunks_exact(self.parameters).enumerate() {
                self.run_stacked(&stack, at, network, count, space);
                let rows = out[(at * n + start) * outputs..].chunks_exact_mut(outputs);
                let last = &space.values[self.steps.len()];
                for (example, row) in rows.take(count).enumerate() {
                    for (output, value) in row.iter_mut().enumerate() {
                        *value = last[output * count + example];
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes each network's loss on the examples to `losses` [networks] and its gradient by the
    /// weights to `gradients` [networks, parameters]; running statistics have none and get zeros.
    #[allow(clippy::too_many_arguments)]
    pub fn gradients(
        &self,
        networks: &[f32],
        examples: &[f32],
        targets: Targets,
        threads: usize,
        cancel: &Cancel,
        losses: &mut [f64],
        gradients: &mut [f32],
    ) -> Result<()> {
        let (count, n) = self.check(networks, examples)?;
        targets.check(n, self.outputs())?;
        fits(gradients.len(), networks.len())?;
        if losses.len() != count {
            return Err(Error::invalid(format!(
                "room for {} losses of {count} networks; pass one per network",
                losses.len()
            )));
        }
        let networks = networks.chunks_exact(self.parameters);
        let gradients = gradients.chunks_exact_mut(self.parameters);
        let parts = networks.zip(gradients).zip(losses);
        spread(parts, threads, |((network, gradient), loss)| {
            *loss = self.gradient(network, Rows::All(examples), targets, cancel, gradient)?;
            Ok(())
        })
    }

    /// Writes one network's gradient and returns its loss; whole examples, as many as targets.
    pub(crate) fn gradient(
        &self,
        network: &[f32],
        examples: Rows,
        targets: Targets,
        cancel: &Cancel,
        gradient: &mut [f32],
    ) -> Result<f64> {
        let mut loss = 0.0;
        let losses = from_mut(&mut loss);
        self.gradients_together(network, examples, &[targets], cancel, gradient, losses)?;
        Ok(loss)
    }

    /// Writes the gradient of each of `networks` [networks, parameters] to `gradients`, and its loss, by targets of its
    /// own; whole examples, as many as targets, which are taken in once for all networks.
    pub(crate) fn gradients_together(
        &self,
        networks: &[f32],
        examples: Rows,
        targets: &[Targets],
        cancel: &Cancel,
        gradients: &mut [f32],
        losses: &mut [f64],
    ) -> Result<()> {
        let n = examples.len(self.inputs());
        fits(gradients.len(), networks.len())?;
        debug_assert!(targets.len() == losses.len());
        debug_assert!(losses.len() * self.parameters == networks.len());
        gradients.fill(0.0);
        losses.fill(0.0);
        let mut stack = Stack::new(&self.steps[0], networks, self.parameters);
        self.lend(|space| {
            for chunk in self.chunks(n) {
                cancel.check()?;
                let (start, count) = (chunk.start, chunk.len());
                space.enter(examples, self.inputs(), chunk);
                stack.multiply(&space.values[0], count);
                let rows = networks
                    .chunks_exact(self.parameters)
                    .zip(gradients.chunks_exact_mut(self.parameters))
                    .zip(targets.iter().zip(&mut *losses));
                for (at, ((network, gradient), (targets, loss))) in rows.enumerate() {
                    self.run_stacked(&stack, at, network, count, space);
                    let last = &space.values[self.steps.len()];
                    let outputs = room(&mut space.slopes[0], last.len());
                    outputs.copy_from_slice(last);
                    *loss += targets.loss(start, count, n, outputs);
                    self.back(network, count, space, Some(gradient), false);
                }
            }
            Ok(())
        })
    }

    /// Adds the gradient by the examples [examples, inputs] of the sum of all outputs of `networks` [networks,
    /// parameters], each times its slope [networks, examples, outputs], to `below` [examples, inputs].
    pub(crate) fn by_examples(
        &self,
        networks: &[f32],
        examples: &[f32],
        slopes: &[f32],
        cancel: &Cancel,
        below: &mut [f32],
    ) -> Result<()> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let (count, n) = self.check(networks, examples)?;
        fits(slopes.len(), count * n * outputs)?;
        fits(below.len(), examples.len())?;
        let mut stack = Stack::new(&self.steps[0], networks, self.parameters);
        self.lend(|space| {
            for chunk in self.chunks(n) {
                cancel.check()?;
                let (start, count) = (chunk.start, chunk.len());
                space.enter(Rows::All(examples), inputs, chunk);
                stack.multiply(&space.values[0], count);
                for (at, network) in networks.chunks_exact(self.parameters).enumerate() {
                    self.run_stacked(&stack, at, network, count, space);
                    let above = room(&mut space.slopes[0], outputs * count);
                    let rows = slopes[(at * n + start) * outputs..].chunks_exact(outputs);
                    for (example, row) in rows.take(count).enumerate() {
                        for (output, slope) in row.iter().enumerate() {
                            above[output * count + example] = *slope;
                        }
                    }
                    self.back(network, count, space, None, true);
                    let found = &space.slopes[0][..inputs * count];
                    let rows = below[start * inputs..].chunks_exact_mut(inputs).take(count);
                    for (example, row) in rows.enumerate() {
                        for (input, out) in row.iter_mut().enumerate() {
                            *out += found[input * count + example];
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// The chain rule, from the slopes above the last step to the weights and to the examples, where each is wanted:
    /// those by the examples then lie where the slopes were.
    fn back(
        &self,
        network: &[f32],
        count: usize,
        space: &mut Workspace,
        mut gradient: Option<&mut [f32]>,
        by_examples: bool,
    ) {
        let Workspace {
            values,
            slopes: [above, below],
            scratch,
        } = space;
        for (at, step) in self.steps.iter().enumerate().rev() {
            let ends = (&values[at][..], &above[..step.outputs * count]);
            let is_wanted = at > 0 || by_examples;
            let wanted = is_wanted.then(|| room(below, step.inputs * count));
            let gradient = gradient.as_deref_mut();
            backward(step, network, ends, count, scratch, gradient, wanted);
            std::mem::swap(above, below);
        }
    }

    /// What layer `layer` of the chain is given in a network, [inputs of the layer, examples]; None for
    /// a layer that only changes the shape.
    pub(crate) fn inputs_of(
        &self,
        layer: usize,
        network: &[f32],
        examples: &[f32],
    ) -> Result<Option<Vec<f32>>> {
        let (_, n) = self.check(network, examples)?;
        let Some(at) = self.layers.iter().position(|number| *number == layer) else {
            return Ok(None);
        };
        let mut out = vec![0.0; self.steps[at].inputs * n];
        self.lend(|space| {
            for chunk in self.chunks(n) {
                space.enter(Rows::All(examples), self.inputs(), chunk.clone());
                self.run(0, network, chunk.len(), space);
                let rows = space.values[at].chunks_exact(chunk.len());
                for (row, out) in rows.zip(out.chunks_exact_mut(n)) {
                    out[chunk.clone()].copy_from_slice(row);
                }
            }
        });
        Ok(Some(out))
    }

    /// The steps from `first` on, whose inputs are in the workspace.
    fn run(&self, first: usize, network: &[f32], count: usize, space: &mut Workspace) {
        for (at, step) in self.steps.iter().enumerate().skip(first) {
            let (before, after) = space.values.split_at_mut(at + 1);
            let (input, out) = (&before[at], &mut after[0]);
            out.resize(step.outputs * count, 0.0);
            forward(step, network, input, count, &mut space.scratch, out);
        }
    }

    /// All steps of network `at` of a stack that multiplied what is in the workspace.
    fn run_stacked(
        &self,
        stack: &Stack,
        at: usize,
        network: &[f32],
        count: usize,
        space: &mut Workspace,
    ) {
        let is_done = stack.write(at, network, &mut space.values[1]);
        self.run(usize::from(is_done), network, count, space);
    }

    /// Does work that takes a workspace.
    fn lend<R>(&self, work: impl FnOnce(&mut Workspace) -> R) -> R {
        let taken = self.pool.0.lock().ok().and_then(|mut pool| pool.pop());
        let mut space = taken.unwrap_or_default();
        space.values.resize_with(self.steps.len() + 1, Vec::new);
        let result = work(&mut space);
        if let Ok(mut pool) = self.pool.0.lock() {
            pool.push(space);
        }
        result
    }

    /// What goes through at once of `n` examples.
    fn chunks(&self, n: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (0..n).step_by(self.chunk);
        starts.map(move |start| start..n.min(start + self.chunk))
    }

    /// How many networks and examples there are.
    fn check(&self, networks: &[f32], examples: &[f32]) -> Result<(usize, usize)> {
        let whole =
            |what: &str, numbers: &[f32], each: usize| match numbers.len().is_multiple_of(each) {
                true => Ok(numbers.len() / each),
                false => Err(Error::invalid(format!(
                    "{} numbers are no whole {what} of {each}; pass [{what}, {each}]",
                    numbers.len()
                ))),
            };
        Ok((
            whole("networks", networks, self.parameters)?,
            whole("examples", examples, self.inputs())?,
        ))
    }
}

fn fits(given: usize, needed: usize) -> Result<()> {
    match given == needed {
        true => Ok(()),
        false => Err(Error::BufferTooSmall {
            given: given.saturating_mul(4),
            needed: needed.saturating_mul(4),
        }),
    }
}

/// Does the parts on several threads; the first error ends the work.
pub(crate) fn spread<T: Send>(
    mut parts: impl Iterator<Item = T> + Send,
    threads: usize,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    // No more than there are parts for.
    let threads = threads.min(parts.size_hint().1.unwrap_or(threads));
    if threads <= 1 {
        return parts.try_for_each(work);
    }
    let parts = Mutex::new(Some(parts));
    let next = || {
        parts
            .lock()
            .map_or(None, |mut parts| parts.as_mut()?.next())
    };
    std::thread::scope(|scope| {
        let run = || -> Result<()> {
            while let Some(part) = next() {
                work(part).inspect_err(|_| {
                    if let Ok(mut parts) = parts.lock() {
                        *parts = None;
                    }
                })?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().try_for_each(|worker| {
            let panicked = || Error::Internal("a thread that runs a chain panicked".into());
            worker.join().unwrap_or_else(|_| Err(panicked()))
        })
    })
}
