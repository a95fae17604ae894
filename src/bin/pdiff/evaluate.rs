//! `pdiff evaluate`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use pdiff::evaluate::{
    Beside, CommandPolisher, CommandScorer, Judged, Options, evaluate_generator, text,
};
use pdiff::{Cancel, Collection, Error, Generator, Result, SampleOptions};

use crate::args::Evaluate;
use crate::output::Answer;
use crate::progress::Meter;

pub fn run(args: &Evaluate) -> Result<Answer> {
    let generator = Generator::open(&args.generator)?;
    let write = |weights: &[f32], path: &Path| generator.write_network(weights, path);
    let mut scorer = CommandScorer::new(&args.score, &write)?;
    scorer.polisher = match &args.polish {
        Some(command) => Some(CommandPolisher::new(command, generator.layout(), &write)?),
        None => None,
    };
    let collection = match &args.collection {
        Some(folder) => Collection::open(folder)?,
        None => trained_on(&generator, &args.generator)?,
    };
    let held_out = args.held_out.as_deref().map(Collection::open).transpose()?;
    let samples = SampleOptions {
        count: args.count,
        seed: args.seed,
        ..args.sampling.options(&generator)?
    };
    let options = Options {
        seed: args.seed,
        count: args.baseline_count.unwrap_or(args.count),
        candidates: args.candidates,
        only: args.baseline.clone(),
        beside: args
            .beside
            .iter()
            .map(|set| Beside::open(&set.name, &set.folder, generator.layout()))
            .collect::<Result<_>>()?,
    };
    let mut meter = Meter::new();
    let judged = Judged {
        generator: &generator,
        collection: &collection,
        held_out: held_out.as_ref(),
        samples: &samples,
    };
    let evaluation =
        evaluate_generator(&judged, &mut scorer, &options, &Cancel::new(), &mut |at| {
            meter.show("evaluate", at.done as u64, at.total as u64, || {
                at.set.to_owned()
            });
            Ok(())
        })?;
    drop(meter);
    let path = args
        .output
        .clone()
        .unwrap_or_else(|| beside(&args.generator));
    evaluation.write(&path)?;
    Ok(Answer {
        text: format!("{}\nKept in {}\n", text(&evaluation), path.display()),
        json: serde_json::to_value(&evaluation)
            .map_err(|error| Error::Internal(error.to_string()))?,
    })
}

/// NAME=FOLDER: a set of networks from elsewhere.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    pub name: String,
    pub folder: PathBuf,
}

impl FromStr for Elsewhere {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Elsewhere, String> {
        match text.split_once('=') {
            Some((name, folder)) if !folder.is_empty() => Ok(Elsewhere {
                name: name.to_owned(),
                folder: folder.into(),
            }),
            _ => Err("write NAME=FOLDER, such as mine=networks/".into()),
        }
    }
}

/// Where a generator's evaluation is kept.
pub fn beside(generator: &Path) -> PathBuf {
    generator.with_extension("evaluation.json")
}

fn trained_on(generator: &Generator, path: &Path) -> Result<Collection> {
    let folder = Path::new(&generator.about().provenance.collection);
    if !folder.is_dir() {
        return Err(Error::InvalidArgument(format!(
            "{}: the collection that it was trained on ({}) is not there; name it with --collection",
            path.display(),
            folder.display()
        )));
    }
    Collection::open(folder)
}
