//! What samples learn where there is no data: what the snapshots say on random inputs, moved to where they agree
//! (distillation, arXiv 1503.02531, on inputs made of the teachers, as arXiv 1905.08114 makes them of one).
//!
//! Networks that were trained on the same data agree where it lies, and hardly anywhere else. Samples that should do
//! what the snapshots do on plain noise would all have to be alike. So they would have to be if they all learned the
//! snapshots' mean: each has a target of its own, which lies about that mean as its latents lie about the snapshots'.

use std::slice::from_ref;

use xxhash_rust::xxh3::Xxh3Default;

use crate::chain::{Chain, Rows, Runner, Targets, spread};
use crate::collection::{Collection, evenly, split};
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose, Stream};
use crate::product::times_transposed;
use crate::refine::adamw::AdamW;
use crate::refine::inputs::draw;

/// Inputs that are drawn, and the most numbers that they, or what is said of them, may have (256 MB of float32).
const INPUTS: usize = 20_000;
const NUMBERS: usize = 1 << 26;
/// Snapshots that say what an input is: as many as a generator keeps latents.
const TEACHERS: usize = 1024;
/// Snapshots that an input is moved by, others at each step.
const MOVERS: usize = 8;
/// Steps of that, and their rate for inputs of a unit deviation.
const MOVES: u64 = 15;
const RATE: f64 = 0.05;
/// What the variance of the snapshots' logits costs, beside the cross-entropy of their mean.
const DISAGREEMENT: f32 = 0.1;
/// How far a sample's target lies from the snapshots' mean, as a share of how far the snapshots' logits do.
const OWN: f32 = 0.7;
/// Inputs that go through together.
const TOGETHER: usize = 500;

/// Inputs that the library drew, and what snapshots say of them.
pub struct Distillation {
    runner: Runner,
    /// [inputs, numbers of one]
    inputs: Vec<f32>,
    /// The teachers' centred logits, [inputs, classes, teachers].
    logits: Vec<f32>,
    /// Their places in the collection.
    teachers: Vec<usize>,
}

impl Distillation {
    /// Draws inputs and asks the snapshots that training with `collection` learns from, 1,024 at most, evenly over it.
    /// Outputs are taken for logits, and inputs for standardized: of mean 0 and deviation 1.
    ///
    /// Fails with [`Error::Mismatch`] where the chain does not fit the layout, and with
    /// [`Error::InvalidArgument`] where an example is too large, networks have one output, or a snapshot gives no
    /// number.
    pub fn new(
        collection: &Collection,
        chain: &Chain,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<Distillation> {
        let layout = collection.layout();
        let runner = Runner::new(chain, layout)?;
        let teachers = evenly(&split(collection.len()).0, TEACHERS);
        let (each, classes) = (runner.inputs(), runner.outputs());
        let said = classes * teachers.len();
        let count = INPUTS.min(NUMBERS / each.max(said));
        if count == 0 || classes < 2 {
            return Err(Error::invalid(format!(
                "networks of {each} inputs and {classes} outputs do not say on random inputs what they learned: at most {NUMBERS} and at least 2 of them; give a probe"
            )));
        }
        let asked = Teachers {
            networks: teachers.iter().map(|i| collection.weights(*i)).collect(),
            runner: &runner,
            cancel,
        };
        let (mut inputs, mut logits) = (vec![0.0; count * each], vec![0.0; count * said]);
        let parts = inputs
            .chunks_mut(TOGETHER * each)
            .zip(logits.chunks_mut(TOGETHER * said));
        spread(parts.zip(0u64..), 0, |((inputs, logits), number)| {
            let mut stream = Noise::new(seed).stream(Purpose::Distillation, number, 0);
            for input in inputs.chunks_exact_mut(each) {
                draw(&chain.input, &mut stream, input);
            }
            asked.agree(inputs, &mut stream)?;
            asked.say(inputs, logits)
        })?;
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(Error::invalid(format!(
                "{}: a snapshot gives no number for some input; leave out those that diverged",
                collection.path().display()
            )));
        }
        Ok(Distillation {
            runner,
            inputs,
            logits,
            teachers,
        })
    }

    /// How many there are.
    pub(super) fn inputs(&self) -> usize {
        self.inputs.len() / self.runner.inputs()
    }

    pub(super) fn teachers(&self) -> &[usize] {
        &self.teachers
    }

    /// Random inputs, `size` of them.
    pub(super) fn minibatch(&self, stream: &mut Stream, size: usize) -> Minibatch<'_> {
        let drawn = (0..size).map(|_| stream.below(self.inputs()) as u32);
        let places: Vec<u32> = drawn.collect();
        let said = self.runner.outputs() * self.teachers.len();
        let mut logits = Vec::with_capacity(size * said);
        for at in &places {
            logits.extend_from_slice(&self.logits[*at as usize * said..][..said]);
        }
        Minibatch {
            of: self,
            places,
            logits,
        }
    }

    /// Tells them apart.
    pub(super) fn digest(&self) -> String {
        let mut hash = Xxh3Default::new();
        hash.update(bytemuck::cast_slice(&self.inputs));
        hash.update(bytemuck::cast_slice(&self.logits));
        hash.update(format!("{:?}", self.runner).as_bytes());
        format!("{:032x}", hash.digest128())
    }
}

/// Some of the inputs.
pub(super) struct Minibatch<'a> {
    of: &'a Distillation,
    places: Vec<u32>,
    /// [inputs, classes, teachers]
    logits: Vec<f32>,
}

impl Minibatch<'_> {
    /// Writes the loss of each of `networks` [n, parameters] to `losses`, and its gradient to `gradients`: the mean
    /// cross-entropy with what a network should say, by its likeness to the teachers [n, teachers].
    pub fn gradients(
        &self,
        networks: &[f32],
        likeness: &[f32],
        cancel: &Cancel,
        gradients: &mut [f32],
        losses: &mut [f64],
    ) -> Result<()> {
        let runner = &self.of.runner;
        let each = self.places.len() * runner.outputs();
        let networks = networks.chunks_exact(runner.parameters());
        let gradients = gradients.chunks_exact_mut(runner.parameters());
        let wanted = self.wanted(likeness);
        let rows = networks.zip(gradients).zip(losses);
        for (((network, gradient), loss), wanted) in rows.zip(wanted.chunks_exact(each)) {
            let rows = Rows::At(&self.of.inputs, &self.places);
            let targets = Targets::Probabilities(wanted);
            *loss = runner.gradient(network, rows, targets, cancel, gradient)?;
        }
        Ok(())
    }

    /// Class probabilities [networks, inputs, classes] of the logits that the teachers' are fitted by: with z the
    /// network's latents, z_k those of the m teachers, of unit variance, and l_k their logits of mean l, least squares
    /// gives l + sum_k (z . z_k) (l_k - l) / m.
    fn wanted(&self, likeness: &[f32]) -> Vec<f32> {
        let m = self.of.teachers.len();
        let mut shares = likeness.to_vec();
        for shares in shares.chunks_exact_mut(m) {
            let mean = shares.iter().sum::<f32>() / m as f32;
            let own = |z: f32| (1.0 + OWN * (z - mean)) / m as f32;
            shares.iter_mut().for_each(|z| *z = own(*z));
        }
        let mut wanted = vec![0.0; shares.len() / m * (self.logits.len() / m)];
        times_transposed(&shares, &self.logits, m, &mut wanted);
        wanted
            .chunks_exact_mut(self.of.runner.outputs())
            .for_each(softmax);
        wanted
    }
}

/// Snapshots that are asked.
struct Teachers<'a> {
    /// Each [parameters].
    networks: Vec<&'a [f32]>,
    runner: &'a Runner,
    cancel: &'a Cancel,
}

impl Teachers<'_> {
    /// Moves inputs [n, inputs] towards places where the teachers' logits are alike, and say a class that is drawn for
    /// each.
    fn agree(&self, inputs: &mut [f32], stream: &mut Stream) -> Result<()> {
        let (each, classes) = (self.runner.inputs(), self.runner.outputs());
        let n = inputs.len() / each;
        let drawn: Vec<usize> = (0..n).map(|_| stream.below(classes)).collect();
        let movers = MOVERS.min(self.networks.len());
        let mut optimizer = AdamW::new(inputs.len());
        let mut logits = vec![vec![0.0; n * classes]; movers];
        let (mut mean, mut gradient) = (vec![0.0; n * classes], vec![0.0; inputs.len()]);
        let whole = 0..inputs.len();
        for _ in 0..MOVES {
            let chosen: Vec<&[f32]> = (0..movers)
                .map(|_| self.networks[stream.below(self.networks.len())])
                .collect();
            mean.fill(0.0);
            for (network, logits) in chosen.iter().zip(&mut logits) {
                self.runner
                    .forward(network, inputs, 1, self.cancel, logits)?;
                logits.chunks_exact_mut(classes).for_each(center);
                let both = mean.iter_mut().zip(&*logits);
                both.for_each(|(mean, x)| *mean += x / movers as f32);
            }
            // The gradient of the cross-entropy by the mean of the logits.
            let mut said = mean.clone();
            for (said, class) in said.chunks_exact_mut(classes).zip(&drawn) {
                softmax(said);
                said[*class] -= 1.0;
            }
            gradient.fill(0.0);
            for (network, slopes) in chosen.iter().zip(&mut logits) {
                for ((slope, mean), said) in slopes.iter_mut().zip(&mean).zip(&said) {
                    *slope = (2.0 * DISAGREEMENT * (*slope - mean) + said) / movers as f32;
                }
                self.runner
                    .by_examples(network, inputs, slopes, self.cancel, &mut gradient)?;
            }
            optimizer.step(inputs, &gradient, from_ref(&whole), RATE);
        }
        Ok(())
    }

    /// Writes the teachers' centred logits, [n, classes, teachers].
    fn say(&self, inputs: &[f32], logits: &mut [f32]) -> Result<()> {
        let teachers = self.networks.len();
        let mut said = vec![0.0; logits.len() / teachers];
        for (teacher, network) in self.networks.iter().enumerate() {
            self.runner
                .forward(network, inputs, 1, self.cancel, &mut said)?;
            said.chunks_exact_mut(self.runner.outputs())
                .for_each(center);
            let places = logits[teacher..].iter_mut().step_by(teachers);
            places.zip(&said).for_each(|(place, x)| *place = *x);
        }
        Ok(())
    }
}

/// Logits of a network say the same whatever is added to all of them.
fn center(logits: &mut [f32]) {
    let mean = logits.iter().sum::<f32>() / logits.len() as f32;
    logits.iter_mut().for_each(|x| *x -= mean);
}

fn softmax(logits: &mut [f32]) {
    let most = logits
        .iter()
        .fold(f32::NEG_INFINITY, |most, x| most.max(*x));
    logits.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|x| *x /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{CollectOptions, Snapshot, SnapshotSource, collect};
    use crate::layout::{Dtype, TensorSpec};
    use crate::tensor::Tensor;

    const INPUTS: usize = 8;
    const CLASSES: usize = 4;

    /// Linear classifiers that are alike in the first half of their inputs, and nowhere else.
    struct Alike(usize);

    impl SnapshotSource for Alike {
        fn len(&self) -> usize {
            20
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn read(&self, index: usize) -> Result<Snapshot> {
            let mut own = vec![0.0; self.0 * INPUTS];
            Noise::new(3).normal(Purpose::Baseline, index as u64, 0, &mut own);
            let weight = own.iter().enumerate().map(|(i, own)| match i % INPUTS {
                input if input < INPUTS / 2 => 2.0 * ((i * 7) as f32).sin(),
                _ => *own,
            });
            let spec = TensorSpec::new("fc.weight", &[self.0, INPUTS], Dtype::F32);
            Ok(Snapshot {
                tensors: vec![Tensor::new(
                    spec,
                    weight.flat_map(f32::to_le_bytes).collect(),
                )?],
                ..Default::default()
            })
        }
    }

    fn chain() -> Chain {
        let layers = r#"[{"op": "linear", "weight": "fc.weight"}]"#;
        serde_json::from_str(&format!(r#"{{"input": [{INPUTS}], "layers": {layers}}}"#)).unwrap()
    }

    fn collected(folder: &std::path::Path, outputs: usize) -> Collection {
        let zoo = folder.join(outputs.to_string());
        collect(
            &zoo,
            &Alike(outputs),
            &CollectOptions::default(),
            &mut |_| Ok(()),
        )
        .unwrap();
        Collection::open(&zoo).unwrap()
    }

    #[test]
    fn inputs_go_to_where_snapshots_agree() {
        let folder = tempfile::tempdir().unwrap();
        let collection = collected(folder.path(), CLASSES);
        let runner = Runner::new(&chain(), collection.layout()).unwrap();
        let teachers = Teachers {
            networks: (0..20).map(|i| collection.weights(i)).collect(),
            runner: &runner,
            cancel: &Cancel::new(),
        };
        let mut stream = Noise::new(1).stream(Purpose::Distillation, 0, 0);
        let mut inputs = vec![0.0; 200 * INPUTS];
        draw(&[INPUTS], &mut stream, &mut inputs);
        let halves = |inputs: &[f32]| {
            let mut squares = [0.0f32; 2];
            for (i, x) in inputs.iter().enumerate() {
                squares[usize::from(i % INPUTS >= INPUTS / 2)] += x * x;
            }
            squares
        };
        let before = halves(&inputs);
        teachers.agree(&mut inputs, &mut stream).unwrap();
        let after = halves(&inputs);
        assert!(
            after[0] > before[0] && after[1] < 0.8 * before[1],
            "{before:?} {after:?}"
        );
    }

    #[test]
    fn a_network_should_say_what_the_teachers_do_that_its_latents_are_like() {
        let folder = tempfile::tempdir().unwrap();
        let collection = collected(folder.path(), CLASSES);
        let made = |seed| Distillation::new(&collection, &chain(), seed, &Cancel::new()).unwrap();
        let one = made(1);
        assert_eq!(one.inputs(), super::INPUTS);
        assert_eq!(one.digest(), made(1).digest());
        assert_ne!(one.digest(), made(2).digest());
        let m = one.teachers().len();
        let networks: Vec<f32> = one.teachers()[..2]
            .iter()
            .flat_map(|i| collection.weights(*i).to_vec())
            .collect();
        let losses = |likeness: &[f32]| {
            let mut stream = Noise::new(1).stream(Purpose::Behaviour, 0, 0);
            let (mut gradients, mut losses) = (vec![0.0; networks.len()], [0.0; 2]);
            one.minibatch(&mut stream, 1000)
                .gradients(
                    &networks,
                    likeness,
                    &Cancel::new(),
                    &mut gradients,
                    &mut losses,
                )
                .unwrap();
            losses
        };
        let like = |teacher: [usize; 2]| {
            let mut likeness = vec![0.0; 2 * m];
            for (row, teacher) in likeness.chunks_exact_mut(m).zip(teacher) {
                row[teacher] = m as f32;
            }
            losses(&likeness)
        };
        let (plain, own, other) = (losses(&vec![0.0; 2 * m]), like([0, 1]), like([1, 0]));
        for network in 0..2 {
            assert!(
                own[network] < plain[network] && plain[network] < other[network],
                "{own:?} {plain:?} {other:?}"
            );
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let collection = collected(folder.path(), 1);
        let error = refused(&collection, &Cancel::new());
        assert!(error.to_string().contains("at least 2 of them"), "{error}");
        let cancel = Cancel::new();
        cancel.cancel();
        let error = refused(&collected(folder.path(), CLASSES), &cancel);
        assert!(matches!(error, Error::Cancelled), "{error}");
    }

    fn refused(collection: &Collection, cancel: &Cancel) -> Error {
        let made = Distillation::new(collection, &chain(), 1, cancel);
        made.err().unwrap()
    }
}
