//! What samples learn where there is no data: what the snapshots say on random inputs, moved to where they agree
//! (distillation, arXiv 1503.02531, on inputs made of the teachers, as arXiv 1905.08114 makes them of one).
//!
//! Networks that were trained on the same data agree where it lies, and hardly anywhere else. Samples that should do
//! what the snapshots do on plain noise would all have to be alike. So they would have to be if they all learned the
//! snapshots' mean: each has a target of its own, which lies about that mean as its latents lie about the snapshots'.

use std::borrow::Cow;
use std::slice::from_ref;

use crate::chain::{Chain, Rows, Runner, Targets, spread};
use crate::collection::{Collection, evenly, split};
use crate::error::{Error, Result};
use crate::generator::Cancel;
use crate::noise::{Noise, Purpose, Stream};
use crate::product::times_transposed;
use crate::progress::Meter;
use crate::refine::adamw::AdamW;
use crate::refine::inputs::draw;

/// Inputs that are drawn, and the fewest by which networks learn anything.
const INPUTS: usize = 20_000;
const FEWEST: usize = 1_000;
/// The most numbers that inputs, and what is said of them, may each have (256 MB of float32).
const NUMBERS: usize = 1 << 26;
/// Snapshots that say what an input is: as many as a generator keeps latents, or as many as leave room for so many
/// inputs.
const TEACHERS: usize = 1024;
const ROOM: usize = 5_000;
/// Snapshots that an input is moved by, others at each step.
const MOVERS: usize = 8;
/// Steps of that, and their rate for inputs of a unit deviation.
const MOVES: u64 = 15;
const RATE: f64 = 0.05;
/// What the variance of the snapshots' logits costs, beside the cross-entropy of their mean.
const DISAGREEMENT: f32 = 0.1;
/// How far a sample's target lies from the snapshots' mean, as a share of how far the snapshots' logits do.
const OWN: f32 = 0.7;
/// Snapshots that are asked together, which takes inputs in once for all, and the numbers that they may have (16 MB).
const ASKED: usize = 16;
const COPIED: usize = 1 << 22;
/// Inputs of a minibatch whose targets are one product: shares that are packed for each input anew take longer to pack
/// than to multiply.
const PLACES: usize = 16;
/// Inputs that go through together, and parts of so many between two reports of progress.
const TOGETHER: usize = 500;
const PARTS: usize = 8;

/// Bytes that inputs and what is said of them take, at most.
pub(super) const MEMORY: u64 = 2 * (NUMBERS * size_of::<f32>()) as u64;

/// How many inputs are drawn for networks of `snapshots`, and how many of those say what they are.
///
/// Fails with [`Error::InvalidArgument`] where an example or what is said of it is too large, or networks have one
/// output.
pub(super) fn sizes(runner: &Runner, snapshots: usize) -> Result<(usize, usize)> {
    let (each, classes) = (runner.inputs(), runner.outputs());
    let fit = (NUMBERS / (classes * ROOM)).max(MOVERS);
    let teachers = snapshots.min(TEACHERS).min(fit);
    let inputs = INPUTS.min(NUMBERS / each.max(classes * teachers));
    if inputs < FEWEST || classes < 2 {
        return Err(Error::invalid(format!(
            "networks of {each} inputs and {classes} classes: distilling wants 2 classes and {FEWEST} random inputs at least, and there is room for {inputs}; give a probe"
        )));
    }
    Ok((inputs, teachers))
}

/// Inputs that the library drew, and what snapshots say of them.
pub(super) struct Distillation {
    runner: Runner,
    /// [inputs, numbers of one]
    inputs: Vec<f32>,
    /// The teachers' centred logits, [inputs, classes, teachers].
    logits: Vec<f32>,
    teachers: usize,
    /// Their latents, [teachers, latents].
    known: Vec<f32>,
}

impl Distillation {
    /// Draws inputs and asks the snapshots that training with `collection` learns from, evenly over it, whose latents
    /// are among `encoded` [snapshots, latents]. Outputs are taken for logits, and inputs for standardized: of mean 0
    /// and deviation 1.
    ///
    /// Fails as [`sizes`] does, with [`Error::Mismatch`] where the chain does not fit the layout, and with
    /// [`Error::InvalidArgument`] where a snapshot gives no number.
    pub fn new(
        collection: &Collection,
        encoded: &[f32],
        chain: &Chain,
        seed: u64,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&Meter, u64) -> Result<()>,
    ) -> Result<Distillation> {
        let runner = Runner::new(chain, collection.layout())?;
        let train = split(collection.len()).0;
        let (count, teachers) = sizes(&runner, train.len())?;
        let chosen = evenly(&train, teachers);
        let (each, said) = (runner.inputs(), runner.outputs() * teachers);
        let asked = Teachers {
            networks: chosen.iter().map(|i| collection.weights(*i)).collect(),
            runner: &runner,
            cancel,
        };
        let (mut inputs, mut logits) = (vec![0.0; count * each], vec![0.0; count * said]);
        let mut parts = inputs
            .chunks_mut(TOGETHER * each)
            .zip(logits.chunks_mut(TOGETHER * said))
            .zip(0u64..);
        let meter = Meter::new("inputs", 0, count as u64);
        for done in (0..count).step_by(PARTS * TOGETHER) {
            spread(
                parts.by_ref().take(PARTS),
                0,
                |((inputs, logits), number)| {
                    let mut stream = Noise::new(seed).stream(Purpose::Distillation, number, 0);
                    for input in inputs.chunks_exact_mut(each) {
                        draw(&chain.input, &mut stream, input);
                    }
                    asked.agree(inputs, &mut stream)?;
                    asked.say(inputs, logits)
                },
            )?;
            progress(&meter, count.min(done + PARTS * TOGETHER) as u64)?;
        }
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(Error::invalid(format!(
                "{}: a snapshot gives no number for some input; leave out those that diverged",
                collection.path().display()
            )));
        }
        let latents = encoded.len() / collection.len();
        let known = chosen.iter().map(|i| &encoded[i * latents..][..latents]);
        Ok(Distillation {
            known: known.flatten().copied().collect(),
            runner,
            inputs,
            logits,
            teachers,
        })
    }

    /// Random inputs, `size` of them.
    pub fn minibatch(&self, stream: &mut Stream, size: usize) -> Minibatch<'_> {
        let count = self.inputs.len() / self.runner.inputs();
        Minibatch {
            of: self,
            places: (0..size).map(|_| stream.below(count) as u32).collect(),
        }
    }
}

/// Some of the inputs.
pub(super) struct Minibatch<'a> {
    of: &'a Distillation,
    places: Vec<u32>,
}

impl Minibatch<'_> {
    /// Writes the loss of each of `networks` [n, parameters] to `losses`, and its gradient to `gradients`: the mean
    /// cross-entropy with what a network of its latents, of `z` [n, latents], should say.
    pub fn gradients(
        &self,
        networks: &[f32],
        z: &[f32],
        cancel: &Cancel,
        gradients: &mut [f32],
        losses: &mut [f64],
    ) -> Result<()> {
        let runner = &self.of.runner;
        let each = self.places.len() * runner.outputs();
        let wanted = self.wanted(z);
        let targets: Vec<Targets> = wanted
            .chunks_exact(each)
            .map(Targets::Probabilities)
            .collect();
        let rows = Rows::At(&self.of.inputs, &self.places);
        runner.gradients_together(networks, rows, &targets, cancel, gradients, losses)
    }

    /// Class probabilities [n, inputs, classes] of the logits that the teachers' are fitted by: with z_k the latents
    /// of the m teachers, of unit variance, and l_k their logits of mean l, least squares gives
    /// l + sum_k (z . z_k) (l_k - l) / m. Fewer teachers than latents would scatter by the root of their share.
    fn wanted(&self, z: &[f32]) -> Vec<f32> {
        let Distillation {
            teachers: m, known, ..
        } = self.of;
        let latents = known.len() / m;
        let mut shares = vec![0.0; z.len() / latents * m];
        times_transposed(z, known, latents, &mut shares);
        let own = OWN * (*m as f32 / latents as f32).sqrt().min(1.0);
        for shares in shares.chunks_exact_mut(*m) {
            let mean = shares.iter().sum::<f32>() / *m as f32;
            let share = |likeness: f32| (1.0 + own * (likeness - mean)) / *m as f32;
            shares.iter_mut().for_each(|x| *x = share(*x));
        }
        let (n, classes) = (shares.len() / m, self.of.runner.outputs());
        let each = self.places.len() * classes;
        let mut wanted = vec![0.0; n * each];
        let (mut logits, mut targets) = (Vec::new(), Vec::new());
        for (block, places) in self.places.chunks(PLACES).enumerate() {
            logits.clear();
            for place in places {
                let of_input = &self.of.logits[*place as usize * classes * m..];
                logits.extend_from_slice(&of_input[..classes * m]);
            }
            let together = places.len() * classes;
            targets.resize(n * together, 0.0);
            times_transposed(&shares, &logits, *m, &mut targets);
            targets.chunks_exact_mut(classes).for_each(softmax);
            let rows = wanted.chunks_exact_mut(each);
            for (row, targets) in rows.zip(targets.chunks_exact(together)) {
                row[block * PLACES * classes..][..together].copy_from_slice(targets);
            }
        }
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
    /// How many are asked at once.
    fn together(&self) -> usize {
        let fit = COPIED / self.runner.parameters();
        fit.min(self.networks.len()).clamp(1, ASKED)
    }

    /// Moves inputs [n, inputs] towards places where the teachers' logits are alike, and say a class that is drawn for
    /// each.
    fn agree(&self, inputs: &mut [f32], stream: &mut Stream) -> Result<()> {
        let (each, classes) = (self.runner.inputs(), self.runner.outputs());
        let n = inputs.len() / each;
        let drawn: Vec<usize> = (0..n).map(|_| stream.below(classes)).collect();
        let movers = MOVERS.min(self.networks.len());
        let mut optimizer = AdamW::new(inputs.len());
        // [movers, inputs, classes]
        let mut logits = vec![0.0; movers * n * classes];
        let (mut mean, mut gradient) = (vec![0.0; n * classes], vec![0.0; inputs.len()]);
        let whole = 0..inputs.len();
        for _ in 0..MOVES {
            let chosen: Vec<&[f32]> = (0..movers)
                .map(|_| self.networks[stream.below(self.networks.len())])
                .collect();
            let together = self.together();
            let parts = chosen.chunks(together);
            for (networks, logits) in parts.zip(logits.chunks_mut(together * n * classes)) {
                self.runner
                    .forward(&beside(networks), inputs, 1, self.cancel, logits)?;
            }
            logits.chunks_exact_mut(classes).for_each(center);
            mean.fill(0.0);
            for logits in logits.chunks_exact(n * classes) {
                let both = mean.iter_mut().zip(logits);
                both.for_each(|(mean, x)| *mean += x / movers as f32);
            }
            // The gradient of the cross-entropy by the mean of the logits.
            let mut said = mean.clone();
            for (said, class) in said.chunks_exact_mut(classes).zip(&drawn) {
                softmax(said);
                said[*class] -= 1.0;
            }
            gradient.fill(0.0);
            for slopes in logits.chunks_exact_mut(n * classes) {
                for ((slope, mean), said) in slopes.iter_mut().zip(&mean).zip(&said) {
                    *slope = (2.0 * DISAGREEMENT * (*slope - mean) + said) / movers as f32;
                }
            }
            let parts = chosen.chunks(together);
            for (networks, slopes) in parts.zip(logits.chunks(together * n * classes)) {
                let networks = beside(networks);
                self.runner
                    .by_examples(&networks, inputs, slopes, self.cancel, &mut gradient)?;
            }
            optimizer.step(inputs, &gradient, from_ref(&whole), RATE);
        }
        Ok(())
    }

    /// Writes the teachers' centred logits, [n, classes, teachers].
    fn say(&self, inputs: &[f32], logits: &mut [f32]) -> Result<()> {
        let teachers = self.networks.len();
        let (each, together) = (logits.len() / teachers, self.together());
        let mut said = vec![0.0; together * each];
        for (part, networks) in self.networks.chunks(together).enumerate() {
            let said = &mut said[..networks.len() * each];
            self.runner
                .forward(&beside(networks), inputs, 1, self.cancel, said)?;
            said.chunks_exact_mut(self.runner.outputs())
                .for_each(center);
            for (at, logits) in logits.chunks_exact_mut(teachers).enumerate() {
                let places = logits[part * together..].iter_mut();
                let said = said[at..].iter().step_by(each);
                places.zip(said).for_each(|(place, x)| *place = *x);
            }
        }
        Ok(())
    }
}

/// Networks, one behind the other.
fn beside<'a>(networks: &[&'a [f32]]) -> Cow<'a, [f32]> {
    match networks {
        [one] => Cow::Borrowed(one),
        several => Cow::Owned(several.concat()),
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
    use crate::codec::Fit;
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

    /// What the collection's snapshots say, and their latents.
    fn made(collection: &Collection, seed: u64) -> (Distillation, Fit) {
        let train = split(collection.len()).0;
        let fit = Fit::new(collection, &train, None, &mut |_, _| Ok(())).unwrap();
        let mut seen = Vec::new();
        let of = Distillation::new(
            collection,
            &fit.encoded,
            &chain(),
            seed,
            &Cancel::new(),
            &mut |_, done| {
                seen.push(done);
                Ok(())
            },
        );
        assert_eq!(seen, [4000, 8000, 12000, 16000, 20000]);
        (of.unwrap(), fit)
    }

    #[test]
    fn a_network_should_say_what_the_snapshots_do_that_its_latents_are_like() {
        let folder = tempfile::tempdir().unwrap();
        let collection = collected(folder.path(), CLASSES);
        let (one, fit) = made(&collection, 1);
        assert_eq!(one.inputs, made(&collection, 1).0.inputs);
        assert_ne!(one.inputs, made(&collection, 2).0.inputs);
        // On both sides of the first one that is held out.
        let pair = [3, 6];
        assert!(split(collection.len()).1.contains(&5));
        let of = |i: usize| collection.weights(i).to_vec();
        let networks = pair.map(of).concat();
        let losses = |z: &[f32]| {
            let mut stream = Noise::new(1).stream(Purpose::Behaviour, 0, 0);
            let (mut gradients, mut losses) = (vec![0.0; networks.len()], [0.0; 2]);
            one.minibatch(&mut stream, 1000)
                .gradients(&networks, z, &Cancel::new(), &mut gradients, &mut losses)
                .unwrap();
            losses
        };
        let latents = |i: usize| fit.encoded[i * fit.latents..][..fit.latents].to_vec();
        let plain = losses(&vec![0.0; 2 * fit.latents]);
        let own = losses(&pair.map(latents).concat());
        let mut turned = pair;
        turned.reverse();
        let other = losses(&turned.map(latents).concat());
        for network in 0..2 {
            assert!(
                own[network] < 0.8 * plain[network] && plain[network] < other[network],
                "{own:?} {plain:?} {other:?}"
            );
        }
    }

    #[test]
    fn targets_of_inputs_together_are_those_of_each_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (one, fit) = made(&collected(folder.path(), CLASSES), 1);
        let z = &fit.encoded[..3 * fit.latents];
        let mut stream = Noise::new(1).stream(Purpose::Behaviour, 0, 0);
        let all = one.minibatch(&mut stream, PLACES + 3);
        let together = all.wanted(z);
        let rows = || together.chunks_exact(all.places.len() * CLASSES);
        for (at, place) in all.places.iter().enumerate() {
            let places = vec![*place];
            let alone = Minibatch { of: &one, places }.wanted(z);
            for (row, alone) in rows().zip(alone.chunks_exact(CLASSES)) {
                assert_eq!(row[at * CLASSES..][..CLASSES], *alone);
            }
        }
    }

    #[test]
    fn teachers_make_room_for_inputs() {
        let folder = tempfile::tempdir().unwrap();
        for (outputs, snapshots, wanted) in [
            (CLASSES, 300, Some((20_000, 300))),
            (CLASSES, 5000, Some((16_384, 1024))),
            (1000, 300, Some((5162, 13))),
            (1000, 5, Some((13_421, 5))),
            (20_000, 300, None),
            (1, 300, None),
        ] {
            let collection = collected(folder.path(), outputs);
            let runner = Runner::new(&chain(), collection.layout()).unwrap();
            let found = sizes(&runner, snapshots);
            assert_eq!(found.ok(), wanted, "{outputs} {snapshots}");
            std::fs::remove_dir_all(collection.path()).unwrap();
        }
    }
}
