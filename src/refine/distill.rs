//! A probe that needs no data: random inputs, moved to where the snapshots agree, and what they say there
//! (distillation, arXiv 1503.02531, on inputs made of the teachers, as arXiv 1905.08114 makes them of one).
//!
//! Networks that were trained on the same data agree where it lies, and hardly anywhere else. Samples that should do
//! what the snapshots do on plain noise would all have to be alike.

use std::slice::from_ref;

use crate::chain::{Chain, Runner, spread};
use crate::collection::{Collection, split};
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose, Stream};
use crate::refine::adamw::AdamW;
use crate::refine::inputs::draw;
use crate::refine::probe::Probe;

/// Inputs that are drawn, and the most numbers that they may have together (256 MB of float32).
const INPUTS: usize = 20_000;
const NUMBERS: usize = 1 << 26;
/// Snapshots that say what an input is; more cost time and say little more.
const TEACHERS: usize = 64;
/// Snapshots that an input is moved by, others at each step.
const MOVERS: usize = 8;
/// Steps of that, and their rate for inputs of a unit deviation.
const MOVES: u64 = 15;
const RATE: f64 = 0.05;
/// What the variance of the snapshots' logits costs, beside the cross-entropy of their mean.
const DISAGREEMENT: f32 = 0.1;
/// Inputs that go through together.
const TOGETHER: usize = 500;

impl Probe<'static> {
    /// Inputs that the library draws, with the mean of the class probabilities that the collection's snapshots give
    /// for each: those that training with `collection` learns from, 64 at most, evenly over it. Outputs are taken for
    /// logits, and inputs for standardized: of mean 0 and deviation 1.
    ///
    /// Fails with [`Error::Mismatch`] where the chain does not fit the layout, and with [`Error::InvalidArgument`]
    /// where an example is too large, networks have one output, or a snapshot gives no number.
    pub fn of_snapshots(
        collection: &Collection,
        chain: &Chain,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<Probe<'static>> {
        let layout = collection.layout();
        let runner = Runner::new(chain, layout)?;
        let (each, classes) = (runner.inputs(), runner.outputs());
        let count = INPUTS.min(NUMBERS / each);
        if count == 0 || classes < 2 {
            return Err(Error::invalid(format!(
                "networks of {each} inputs and {classes} outputs do not say on random inputs what they learned: at most {NUMBERS} and at least 2 of them; give a probe"
            )));
        }
        let (train, _) = split(collection.len());
        let asked = TEACHERS.min(train.len());
        let teachers = Teachers {
            networks: (0..asked)
                .map(|i| collection.weights(train[i * train.len() / asked]))
                .collect(),
            runner: &runner,
            cancel,
        };
        let (mut inputs, mut wanted) = (vec![0.0; count * each], vec![0.0; count * classes]);
        let parts = inputs
            .chunks_mut(TOGETHER * each)
            .zip(wanted.chunks_mut(TOGETHER * classes));
        spread(parts.zip(0u64..), 0, |((inputs, wanted), number)| {
            let mut stream = Noise::new(seed).stream(Purpose::Distillation, number, 0);
            for input in inputs.chunks_exact_mut(each) {
                draw(&chain.input, &mut stream, input);
            }
            teachers.agree(inputs, &mut stream)?;
            teachers.say(inputs, wanted)
        })?;
        if wanted.iter().any(|share| !share.is_finite()) {
            return Err(Error::invalid(format!(
                "{}: a snapshot gives no number for some input; leave out those that diverged",
                collection.path().display()
            )));
        }
        Ok(Probe::of_probabilities(
            layout, chain, runner, inputs, wanted,
        ))
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

    /// Writes the mean of the teachers' class probabilities, [n, classes].
    fn say(&self, inputs: &[f32], mean: &mut [f32]) -> Result<()> {
        let mut said = vec![0.0; mean.len()];
        for network in &self.networks {
            self.runner
                .forward(network, inputs, 1, self.cancel, &mut said)?;
            said.chunks_exact_mut(self.runner.outputs())
                .for_each(softmax);
            let both = mean.iter_mut().zip(&said);
            both.for_each(|(mean, share)| *mean += share / self.networks.len() as f32);
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
    fn a_probe_has_what_snapshots_say_on_the_mean_and_is_the_same_again() {
        let folder = tempfile::tempdir().unwrap();
        let collection = collected(folder.path(), CLASSES);
        let probe =
            |seed| Probe::of_snapshots(&collection, &chain(), seed, &Cancel::new()).unwrap();
        let one = probe(1);
        assert!(one.is_distilled() && one.examples() == super::INPUTS);
        assert_eq!(one.digest(), probe(1).digest());
        assert_ne!(one.digest(), probe(2).digest());
        // What members say on average is nearer to what their mean says than to what one of them does.
        let networks: Vec<f32> = (0..2)
            .flat_map(|i| collection.weights(i).to_vec())
            .collect();
        let mut mean = vec![0.0; CLASSES * INPUTS];
        for i in 0..20 {
            let both = mean.iter_mut().zip(collection.weights(i));
            both.for_each(|(mean, w)| *mean += w / 20.0);
        }
        let losses = one
            .losses(&[mean, networks].concat(), 0, &Cancel::new())
            .unwrap();
        assert!(
            losses[0] > 0.0 && losses[0] < losses[1] && losses[0] < losses[2],
            "{losses:?}"
        );
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let collection = collected(folder.path(), 1);
        let error = Probe::of_snapshots(&collection, &chain(), 1, &Cancel::new()).unwrap_err();
        assert!(error.to_string().contains("at least 2 of them"), "{error}");
        let cancel = Cancel::new();
        cancel.cancel();
        let collection = collected(folder.path(), CLASSES);
        let error = Probe::of_snapshots(&collection, &chain(), 1, &cancel).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }
}
