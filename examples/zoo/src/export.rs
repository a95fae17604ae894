//! The images and the architecture as libpdiff's own polish takes them: a probe file and a symmetry spec.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use pdiff::symmetry::Spec;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::architecture::{self, Architecture};
use crate::data;

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    architecture: architecture::Options,
    #[command(flatten)]
    data: data::Options,
    /// The folder for probe.safetensors, the training images, and spec.json
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(options: &Options) -> Result<()> {
    let splits = options.data.load(options.architecture.net.recipe().data)?;
    let architecture = Architecture::new(&options.architecture, splits.shape())?;
    let train = splits.images(|s| &s.train);
    let inputs: Vec<u8> = train
        .pixels()
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let (count, size) = (train.len(), inputs.len() / 4 / train.len().max(1));
    let tensors = [
        (
            "inputs",
            TensorView::new(Dtype::F32, vec![count, size], &inputs)?,
        ),
        (
            "labels",
            TensorView::new(Dtype::U8, vec![count], &train.labels)?,
        ),
    ];
    let folder = &options.output;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot be created", folder.display()))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())
    };
    let none: Option<HashMap<String, String>> = None;
    write("probe.safetensors", &safetensors::serialize(tensors, none)?)?;
    let spec = Spec {
        chain: Some(architecture.chain()),
        ..Spec::default()
    };
    write("spec.json", serde_json::to_string_pretty(&spec)?.as_bytes())
}
