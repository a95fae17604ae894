//! Test accuracy and predictions of network files, one JSON object per line.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tch::Tensor;

use crate::data::{DataSet, Images};
use crate::nets::{Net, Weights, classes};

/// Images per forward pass: their activations stay in the processor's cache.
const CHUNK: usize = 500;

#[derive(Args)]
pub struct Options {
    /// The architecture of every file
    #[arg(long, value_enum, default_value = "cnn")]
    net: Net,
    /// The images to score on
    #[arg(long, value_enum, default_value = "fashion-subset")]
    data: DataSet,
    /// Score on the first of this many test images, and half as many of selection [default: all]
    #[arg(long, value_name = "COUNT")]
    images: Option<usize>,
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
}

pub fn run(options: &Options) -> Result<()> {
    let mut splits = options.data.load()?;
    if let Some(images) = options.images {
        splits.test.truncate(images);
        splits.selection.truncate(images / 2);
    }
    let (selection, test) = (Probe::new(splits.selection)?, Probe::new(splits.test)?);
    let mut out = std::io::stdout().lock();
    for file in &options.files {
        let weights = Weights::load(options.net, file)?;
        let (score, predictions) = test.score(&weights)?;
        let line = Line {
            score,
            selection_score: selection.score(&weights)?.0,
            predictions,
            labels: &test.labels,
        };
        serde_json::to_writer(&mut out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}

/// A split ready for forward passes.
pub struct Probe {
    chunks: Vec<Tensor>,
    labels: Vec<u8>,
}

impl Probe {
    pub fn new(images: Images) -> Result<Self> {
        let indices: Vec<usize> = (0..images.len()).collect();
        let chunks = indices
            .chunks(CHUNK)
            .map(|chunk| Ok(images.batch(chunk)?.0))
            .collect::<Result<_>>()?;
        Ok(Probe {
            chunks,
            labels: images.labels,
        })
    }

    /// Accuracy, and the class given to each image.
    pub fn score(&self, weights: &Weights) -> Result<(f64, Vec<u8>)> {
        let _guard = tch::no_grad_guard();
        let mut predictions = Vec::with_capacity(self.labels.len());
        for chunk in &self.chunks {
            predictions.extend(classes(&weights.logits(chunk)?)?);
        }
        let right = predictions
            .iter()
            .zip(&self.labels)
            .filter(|(a, b)| a == b)
            .count();
        Ok((right as f64 / self.labels.len() as f64, predictions))
    }
}
