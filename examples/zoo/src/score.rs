//! Test accuracy and predictions of network files, one JSON object per line.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::architecture::{self, Architecture};
use crate::data;
use crate::members;
use crate::parallel;
use crate::probe::judge;

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    architecture: architecture::Options,
    #[command(flatten)]
    data: data::Options,
    /// Score on the first of this many test images, and half as many of selection [default: all]
    #[arg(long, value_name = "COUNT")]
    images: Option<usize>,
    /// Print the probability of each class for every test image too, which ensembles are judged by
    #[arg(long)]
    probabilities: bool,
    /// Networks, one safetensors file each
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Accuracy on the test split.
    score: f64,
    /// Accuracy on the selection split.
    selection_score: f64,
    /// The class given to each test image.
    predictions: Vec<u8>,
    /// The true class of each test image.
    labels: &'a [u8],
    /// Of each class, image after image.
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Vec<f32>>,
}

pub fn run(options: &Options) -> Result<()> {
    let recipe = options.architecture.net.recipe();
    let mut splits = options.data.load(recipe.data)?;
    if let Some(images) = options.images {
        splits.test.truncate(images);
        splits.selection.truncate(images / 2);
    }
    let architecture = Architecture::new(&options.architecture, splits.shape())?;
    let runner = architecture.runner()?;
    let (selection, test) = (splits.images(|s| &s.selection), splits.images(|s| &s.test));
    let printed = parallel::map(options.files.iter().collect(), |file| {
        let weights = members::load(&architecture, file)?;
        let selected = judge(&runner, &weights, &selection, selection.len())?;
        let judged = judge(&runner, &weights, &test, test.len())?;
        let line = Line {
            score: judged.accuracy,
            selection_score: selected.accuracy,
            predictions: judged.predictions,
            labels: &test.labels,
            probabilities: options.probabilities.then_some(judged.probabilities),
        };
        Ok(serde_json::to_string(&line)?)
    })?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in printed {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}
