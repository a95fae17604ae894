//! `pdiff train`.

use pdiff::evaluate::CommandScorer;
use pdiff::refine::{BehaviourLoss, Examples, Objective, Probe};
use pdiff::symmetry::{AlignOptions, Spec};
use pdiff::{Cancel, Collection, EngineName, Error, Report, Result, TrainOptions, train_by};
use serde_json::json;

use crate::args::Train;
use crate::output::{Answer, columns};
use crate::progress::{Meter, duration};

pub fn run(args: &Train) -> Result<Answer> {
    if args.autoencoder_steps.is_some() && args.engine == EngineName::Default {
        return Err(Error::InvalidArgument(
            "the default engine has no autoencoder; leave --autoencoder-steps out or add --engine paper"
                .into(),
        ));
    }
    let spec = args.spec.as_deref().map(Spec::read).transpose()?;
    let examples = args.probe.as_deref().map(Examples::read).transpose()?;
    let (probe, collection, write, mut scorer);
    let open = || Collection::open(&args.collection);
    let mut behaviour = match (&examples, args.distill, &args.score) {
        (None, false, None) => None,
        (_, _, Some(command)) => {
            collection = open()?;
            write = collection.network_writer()?;
            scorer = CommandScorer::new(command, &write)?;
            Some(BehaviourLoss::scoring(&mut scorer))
        }
        (examples, _, None) => {
            let collection = open()?;
            let chain = collection.chain(spec.as_ref())?;
            let batch = args.behaviour_batch;
            Some(match examples {
                Some(Examples { inputs, labels }) => {
                    probe = Probe::new(collection.layout(), &chain, inputs, labels)?;
                    BehaviourLoss::new(Objective::Probe(&probe, batch))
                }
                None => BehaviourLoss::distilling(chain, batch),
            })
        }
    };
    if let (Some(loss), Some(steps)) = (&mut behaviour, args.behaviour_steps) {
        loss.steps = steps;
    }
    let align = AlignOptions::default();
    let options = TrainOptions {
        align: args.align.then_some(AlignOptions {
            seed: args.seed,
            rounds: args.rounds.unwrap_or(align.rounds),
            balance: args.balance,
            ..align
        }),
        // A probe and distilling have taken its chain.
        symmetry: spec.filter(|_| args.align || (args.probe.is_none() && !args.distill)),
        untaught: args.untaught,
        engine: args.engine,
        seed: args.seed,
        device: args.device,
        steps: args.steps,
        autoencoder_steps: args.autoencoder_steps,
        precision: args.precision,
        components: args.components,
        ..TrainOptions::default()
    };
    let mut meter = Meter::new();
    let report = train_by(
        &args.collection,
        &args.output,
        &options,
        behaviour.as_mut(),
        &Cancel::new(),
        &mut |at| {
            meter.show(at.phase, at.step, at.total, || match at.loss.is_finite() {
                true => format!("loss {:.4}, {:.0} steps/s", at.loss, at.rate),
                false => String::new(),
            });
            Ok(())
        },
    )?;
    drop(meter);

    let file = args.output.display();
    Ok(Answer {
        text: format!(
            "{file}: written after {}\n{}{}",
            duration(report.seconds),
            gates(&report),
            match failed(&report) {
                Some(gates) => format!(
                    "{file} is NOT GOOD: it failed {gates}. It can be sampled; do not rely on it.\n"
                ),
                None => format!("{file} is good. Next: pdiff sample {file} -n 200 -o out/\n"),
            }
        ),
        json: json!({
            "generator": args.output,
            "engine": args.engine,
            "good": report.is_good(),
            "gates": report.gates,
            "notes": report.notes,
            "held_out_reconstruction": report.held_out_reconstruction,
            "held_out_denoising": report.held_out_denoising,
            "gaussian_denoising": report.gaussian_denoising,
            "seconds": report.seconds,
        }),
    })
}

/// The gates and the notes of a training.
pub fn gates(report: &Report) -> String {
    let row = |gate: &pdiff::Gate| {
        let bound = match (gate.low.abs() < 1e300, gate.high.abs() < 1e300) {
            (true, true) => format!("of {} to {}", gate.low, gate.high),
            (true, false) => format!("of {} or more", gate.low),
            _ => format!("of {} or less", gate.high),
        };
        let word = if gate.passed { "passed" } else { "FAILED" };
        vec![
            gate.name.clone(),
            format!("{:.3}", gate.value),
            bound,
            format!("{word}: {}", gate.verdict),
        ]
    };
    let rows: Vec<Vec<String>> = report.gates.iter().map(row).collect();
    let notes: String = report
        .notes
        .iter()
        .map(|note| format!("  {note}\n"))
        .collect();
    columns(&rows) + &notes
}

/// The names of the gates that a generator failed.
pub fn failed(report: &Report) -> Option<String> {
    let failed = report.gates.iter().filter(|gate| !gate.passed);
    let names: Vec<&str> = failed.map(|gate| gate.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("the gate {one}")),
        _ => Some(format!("the gates {}", names.join(" and "))),
    }
}
