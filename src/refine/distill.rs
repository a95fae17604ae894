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
/// Deviations of the window that makes noise smooth: the least in pixels, which leaves it white, the largest as a share
/// of an image's side.
const LEAST_SCALE: f64 = 0.5;
const LARGEST_SCALE: f64 = 0.14;
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

/// An input of mean 0 and deviation 1: white noise, or for images [channels, height, width] smooth noise of one of many
/// scales that is cut into blobs, as images have edges.
fn draw(shape: &[usize], stream: &mut Stream, out: &mut [f32]) {
    let [_, height, width] = *shape else {
        return stream.normal(out);
    };
    let largest = LARGEST_SCALE * height.min(width) as f64;
    // As likely within each octave.
    let scale = LEAST_SCALE * (largest / LEAST_SCALE).max(1.0).powf(stream.uniform());
    for channel in out.chunks_exact_mut(height * width) {
        smooth(height, width, scale, stream, channel);
        standardize(channel);
    }
    let (level, sharpness) = (stream.uniform() * 2.0 - 1.0, (3.0 * stream.uniform()).exp());
    for x in out.iter_mut() {
        *x = 1.0 / (1.0 + ((level as f32 - *x) * sharpness as f32).exp());
    }
    standardize(out);
}

/// White noise under a Gaussian window of a deviation of `scale` pixels, [height, width].
fn smooth(height: usize, width: usize, scale: f64, stream: &mut Stream, out: &mut [f32]) {
    let reach = (3.0 * scale).ceil() as usize;
    let window: Vec<f32> = (0..=2 * reach)
        .map(|i| (-0.5 * ((i as f64 - reach as f64) / scale).powi(2)).exp() as f32)
        .collect();
    let wide = width + 2 * reach;
    let mut noise = vec![0.0; (height + 2 * reach) * wide];
    stream.normal(&mut noise);
    let mut down = vec![0.0; wide];
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        down.fill(0.0);
        for (from, weight) in noise[row * wide..].chunks_exact(wide).zip(&window) {
            let both = down.iter_mut().zip(from);
            both.for_each(|(down, x)| *down += weight * x);
        }
        for (column, out) in out.iter_mut().enumerate() {
            let across = down[column..].iter().zip(&window);
            *out = across.map(|(x, weight)| x * weight).sum();
        }
    }
}

/// To mean 0 and deviation 1.
fn standardize(values: &mut [f32]) {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
    let deviation = variance.sqrt().max(f32::MIN_POSITIVE);
    values.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
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
        // Two networks: the loss of their mean is lower than that of either, and no loss is lower than the entropy.
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

    #[test]
    fn images_are_standardized_and_smooth() {
        let mut stream = Noise::new(1).stream(Purpose::Distillation, 0, 0);
        let mut alike = 0.0;
        for _ in 0..100 {
            let mut image = vec![0.0; 2 * 12 * 14];
            draw(&[2, 12, 14], &mut stream, &mut image);
            let mean: f32 = image.iter().sum::<f32>() / image.len() as f32;
            let square: f32 = image.iter().map(|x| x * x).sum::<f32>() / image.len() as f32;
            assert!(
                mean.abs() < 1e-3 && (square - 1.0).abs() < 1e-3,
                "{mean} {square}"
            );
            let pairs = image.chunks_exact(14).flat_map(|row| row.windows(2));
            alike += pairs.map(|pair| pair[0] * pair[1]).sum::<f32>() / image.len() as f32;
        }
        assert!(alike / 100.0 > 0.3, "{alike}");
    }
}
