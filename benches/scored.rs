//! Teaches a generator by scores that are asked for in this process, as a host's callback is:
//! `scored COLLECTION PROBE.safetensors SPEC.json EXAMPLES STEPS GENERATOR`.
//!
//! A network's score is its accuracy on EXAMPLES of the probe, so nothing has a gradient: the same for all networks of a
//! step, whose scores are compared, and others at the next.

use std::path::Path;

use pdiff::chain::Runner;
use pdiff::evaluate::{Rows, Score, Scorer};
use pdiff::refine::{BehaviourLoss, Examples};
use pdiff::symmetry::Spec;
use pdiff::{Cancel, Collection, Error, Result, train_by};

/// The share of examples that a network gets right.
struct Accuracy {
    runner: Runner,
    /// Examples of a step, and the first of them.
    together: usize,
    next: usize,
    inputs: Vec<f32>,
    labels: Vec<i64>,
}

impl Scorer for Accuracy {
    fn score(
        &mut self,
        networks: &dyn Rows,
        each: &mut dyn FnMut(Score) -> Result<()>,
    ) -> Result<()> {
        let (width, classes) = (networks.width(), self.runner.outputs());
        let mut weights = vec![0.0; networks.len() * width];
        for (row, network) in weights.chunks_exact_mut(width).enumerate() {
            networks.read(row, network)?;
        }
        let (cancel, features) = (Cancel::new(), self.runner.inputs());
        let examples = self.next..self.next + self.together;
        let inputs = &self.inputs[examples.start * features..examples.end * features];
        let labels = &self.labels[examples];
        let mut said = vec![0.0; networks.len() * labels.len() * classes];
        self.runner
            .forward(&weights, inputs, 0, &cancel, &mut said)?;
        // What is left over at the end is not used.
        self.next =
            (self.next + self.together) % (self.labels.len() / self.together * self.together);
        for outputs in said.chunks_exact(labels.len() * classes) {
            let right = outputs.chunks_exact(classes).zip(labels);
            let right = right.filter(|(outputs, label)| largest(outputs) == **label as usize);
            each(Score {
                score: right.count() as f64 / labels.len() as f64,
                ..Score::default()
            })?;
        }
        Ok(())
    }
}

fn largest(outputs: &[f32]) -> usize {
    let numbered = outputs.iter().enumerate();
    numbered
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map_or(0, |(class, _)| class)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [collection, probe, spec, examples, steps, generator] = &arguments[..] else {
        return Err(Error::InvalidArgument(
            "scored COLLECTION PROBE.safetensors SPEC.json EXAMPLES STEPS GENERATOR".into(),
        ));
    };
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let opened = Collection::open(Path::new(collection))?;
    let chain = opened.chain(Some(&Spec::read(Path::new(spec))?))?;
    let runner = Runner::new(&chain, opened.layout())?;
    let Examples { inputs, labels } = Examples::read(Path::new(probe))?;
    let mut accuracy = Accuracy {
        runner,
        together: number(examples).clamp(1, labels.len()),
        next: 0,
        inputs,
        labels,
    };
    let mut loss = BehaviourLoss::scoring(&mut accuracy);
    loss.steps = number(steps) as u64;
    let (file, cancel) = (Path::new(generator), Cancel::new());
    let report = train_by(
        Path::new(collection),
        file,
        &Default::default(),
        Some(&mut loss),
        &cancel,
        &mut |_| Ok(()),
    )?;
    for gate in report.gates {
        println!("{} {:.3}: {}", gate.name, gate.value, gate.verdict);
    }
    Ok(())
}
