//! `pdiff report`.

use std::path::Path;

use pdiff::evaluate::{Evaluation, Page};
use pdiff::{About, Error, Result};
use serde_json::json;

use crate::args::Report;
use crate::evaluate::beside;
use crate::inspect::facts;
use crate::output::Answer;

pub fn run(args: &Report) -> Result<Answer> {
    let about = About::open(&args.generator)?;
    let path = args
        .evaluation
        .clone()
        .unwrap_or_else(|| beside(&args.generator));
    let evaluation = match args.evaluation.is_some() || path.exists() {
        true => Some(evaluation(&path, &about)?),
        false => None,
    };
    let name = args
        .generator
        .file_name()
        .unwrap_or(args.generator.as_os_str());
    let facts = facts(&about);
    Page {
        title: &name.to_string_lossy(),
        facts: &facts,
        training: Some(&about.report),
        evaluation: evaluation.as_ref(),
    }
    .write(&args.output)?;
    Ok(Answer {
        text: format!(
            "{}: {}\n",
            args.output.display(),
            match &evaluation {
                Some(_) => "the training and its evaluation".to_owned(),
                None => format!(
                    "the training only; for the rest run pdiff evaluate {} --score './score {{file}}'",
                    args.generator.display()
                ),
            }
        ),
        json: json!({
            "report": args.output,
            "evaluation": evaluation.is_some().then_some(&path),
            "good": about.report.is_good(),
        }),
    })
}

/// Reads an evaluation, and refuses that of another generator.
fn evaluation(path: &Path, about: &About) -> Result<Evaluation> {
    let evaluation = Evaluation::open(path)?;
    match &evaluation.generator {
        Some(provenance) if *provenance != about.provenance => Err(Error::Mismatch(format!(
            "{}: the evaluation of an earlier or another generator; run pdiff evaluate again",
            path.display()
        ))),
        _ => Ok(evaluation),
    }
}
