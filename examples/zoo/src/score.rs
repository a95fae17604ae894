//! Test accuracy and predictions of network files, one JSON object per line: the one command that uses test images.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::architecture::{self, Architecture};
use crate::data::{self, Images};
use crate::members;
use crate::probe::judge;

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    architecture: architecture::Options,
    #[command(flatten)]
    data: data::Options,
    /// Score on this many test images at most, and on half as many of selection [default: all]
    #[arg(long, value_name = "COUNT")]
    images: Option<usize>,
    /// Leave out this many test images first, such as those that something was chosen on
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    skip: usize,
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
    let there = splits.test.len();
    ensure!(
        options.skip < there,
        "--skip {} leaves none of the {there} test images; leave out fewer",
        options.skip
    );
    splits.test.skip(options.skip);
    if let Some(images) = options.images {
        splits.test.truncate(images);
        splits.selection.truncate(images / 2);
    }
    let architecture = Architecture::new(&options.architecture, splits.shape())?;
    let runner = architecture.runner()?;
    let (selection, test) = (splits.images(|s| &s.selection), splits.images(|s| &s.test));
    let mut networks = Vec::new();
    for file in &options.files {
        networks.extend(members::load(&architecture, file)?);
    }
    let all = |images: &Images| judge(&runner, &networks, images, images.len(), 0);
    let judged = all(&selection)?.into_iter().zip(all(&test)?);
    let lines = judged.map(|(selected, judged)| Line {
        score: judged.accuracy,
        selection_score: selected.accuracy,
        predictions: judged.predictions,
        labels: &test.labels,
        probabilities: options.probabilities.then_some(judged.probabilities),
    });
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in lines {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
