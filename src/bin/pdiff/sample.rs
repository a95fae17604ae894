//! `pdiff sample`.

use std::fs;
use std::path::Path;

use pdiff::evaluate::CommandScorer;
use pdiff::refine::{Examples, Judge, Objective, Polish, Probe, Refined, Selection};
use pdiff::symmetry::Spec;
use pdiff::{Cancel, Error, Generator, Result, SampleOptions};
use serde_json::json;

use crate::args::{Refinement, Sample};
use crate::output::{Answer, count, warn};
use crate::progress::Meter;
use crate::train::failed;

pub fn run(args: &Sample) -> Result<Answer> {
    let generator = Generator::open(&args.generator)?;
    let about = generator.about();
    if let Some(gates) = failed(&about.report) {
        warn(&format!(
            "{} is not good, it failed {gates}; pdiff inspect says more",
            args.generator.display()
        ));
    }
    let options = SampleOptions {
        count: args.count,
        first: args.first,
        seed: args.seed,
        ..args.sampling.options(&generator)?
    };
    let spec = args.refinement.spec.as_deref();
    let spec = spec.map(Spec::read).transpose()?;
    let probe = match &args.refinement.probe {
        Some(file) => Some((Examples::read(file)?, generator.chain(spec.as_ref())?)),
        None => None,
    };
    let probe = match &probe {
        Some((examples, chain)) => {
            let (inputs, labels) = (&examples.inputs, &examples.labels);
            Some(Probe::new(generator.layout(), chain, inputs, labels)?)
        }
        None => None,
    };
    let write = |weights: &[f32], path: &Path| generator.write_network(weights, path);
    let mut scorer = match &args.refinement.score {
        Some(command) => Some(CommandScorer::new(command, &write)?),
        None => None,
    };
    let mut refined = Refined::new(&generator);
    refined.selection = selection(&args.refinement, scorer.as_mut(), probe.as_ref())?;
    refined.polish = polish(&args.refinement, probe.as_ref());
    let made = !args.output.exists();
    if made {
        fs::create_dir_all(&args.output).map_err(|source| Error::Io {
            path: args.output.clone(),
            source,
        })?;
    }
    let mut meter = Meter::new();
    let mut files = Vec::new();
    let result = refined.sample_each(&options, &Cancel::new(), &mut |number, weights| {
        let name = format!("network-{number:06}.safetensors");
        generator.write_network(weights, &args.output.join(&name))?;
        files.push(name);
        meter.show("sample", files.len() as u64, args.count as u64, String::new);
        Ok(())
    });
    if result.is_err() && made && files.is_empty() {
        let _ = fs::remove_dir(&args.output);
    }
    result?;
    Ok(Answer {
        text: format!(
            "{}: {} of seed {}{}\n",
            args.output.display(),
            count(files.len(), "network"),
            args.seed,
            match files.as_slice() {
                [] => String::new(),
                [one] => format!(", {one}"),
                [first, .., last] => format!(", {first} to {last}"),
            }
        ),
        json: json!({
            "folder": args.output,
            "files": files,
            "seed": args.seed,
            "parameters": generator.layout().parameters(),
            "good": about.report.is_good(),
        }),
    })
}

fn selection<'a>(
    refinement: &Refinement,
    scorer: Option<&'a mut CommandScorer>,
    probe: Option<&'a Probe<'a>>,
) -> Result<Option<Selection<'a>>> {
    let candidates = refinement.candidates;
    let judge = match (scorer, probe) {
        _ if candidates == 1 => return Ok(None),
        (Some(scorer), _) => Judge::Scorer(scorer),
        (None, Some(probe)) => Judge::Probe(probe),
        (None, None) => {
            return Err(Error::InvalidArgument(format!(
                "--candidates {candidates} and nothing to choose by; give --score or --probe"
            )));
        }
    };
    Ok(Some(Selection { candidates, judge }))
}

fn polish<'a>(refinement: &Refinement, probe: Option<&'a Probe<'a>>) -> Option<Polish<'a>> {
    let objective = Objective::Probe(probe?, refinement.polish_batch);
    let mut polish = Polish::new(refinement.polish?, objective);
    polish.rate = refinement.polish_rate;
    Some(polish)
}
