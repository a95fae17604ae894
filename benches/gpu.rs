//! The first CUDA device beside this machine's CPU: seconds of training and of sampling either engine, and
//! how far the devices' networks lie apart.
//!
//! `cargo bench --bench gpu -- [-o FILE.json]`; without a device it says so and does nothing. The name of
//! the device comes from nvidia-smi.

mod job;

use std::process::Command;
use std::time::Instant;

use job::collected;
use pdiff::{
    Cancel, Device, Dtype, EngineName, Error, Generator, Result, SampleOptions, TrainOptions, train,
};
use serde_json::{Value, json};

const SNAPSHOTS: usize = 300;
/// Of the networks of either engine.
const PAPER: usize = 2048;
const DEFAULT: usize = 26_506;
/// Steps of each training that warms a device: a graph is recorded by then, and replayed.
const WARM: u64 = 8;
/// Steps of each of the paper engine's trainings, and the steps and networks of its sampling.
const STEPS: u64 = 20;
const SAMPLER_STEPS: usize = 100;
const NETWORKS: usize = 8;
/// Networks of the default engine's sampling.
const MANY: usize = 10_000;
const DEVICES: [(&str, Device); 2] = [("cpu", Device::Cpu), ("cuda", Device::Cuda(0))];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let file = arguments
        .iter()
        .position(|argument| argument == "-o")
        .and_then(|at| arguments.get(at + 1));
    let (folder, narrow) = collected(SNAPSHOTS, PAPER)?;
    let (_wide_folder, wide) = collected(SNAPSHOTS, DEFAULT)?;
    // The first work on a device also loads it and its libraries, and says where there is none.
    for engine in [EngineName::Default, EngineName::Paper] {
        let warm = TrainOptions {
            engine,
            device: Device::Cuda(0),
            steps: Some(WARM),
            autoencoder_steps: (engine == EngineName::Paper).then_some(WARM),
            ..TrainOptions::default()
        };
        let generator = folder.path().join("warm");
        match train(&narrow, &generator, &warm, &Cancel::new(), &mut |_| Ok(())) {
            Err(Error::DeviceUnavailable(why)) => {
                println!("gpu: skipped: {why}");
                return Ok(());
            }
            other => drop(other?),
        }
        std::fs::remove_file(&generator).expect("a file that was just written");
    }
    let mut figures = json!({
        "bench": "gpu",
        "version": env!("CARGO_PKG_VERSION"),
        "device": name(),
    });
    for (device, on) in DEVICES {
        for engine in [EngineName::Default, EngineName::Paper] {
            let paper = engine == EngineName::Paper;
            let options = TrainOptions {
                engine,
                device: on,
                steps: paper.then_some(STEPS),
                autoencoder_steps: paper.then_some(STEPS),
                ..TrainOptions::default()
            };
            let (part, zoo) = if paper {
                ("paper", &narrow)
            } else {
                ("default", &wide)
            };
            let generator = folder.path().join(part);
            let start = Instant::now();
            train(zoo, &generator, &options, &Cancel::new(), &mut |_| Ok(()))?;
            figures[device][format!("train_{part}_seconds")] = json!(start.elapsed().as_secs_f64());
        }
        // A file of its own, from which nothing is sampled.
        let rounded = TrainOptions {
            engine: EngineName::Paper,
            device: on,
            steps: Some(STEPS),
            autoencoder_steps: Some(STEPS),
            precision: Dtype::Bf16,
            ..TrainOptions::default()
        };
        let generator = folder.path().join("rounded");
        let start = Instant::now();
        train(&narrow, &generator, &rounded, &Cancel::new(), &mut |_| {
            Ok(())
        })?;
        figures[device]["train_paper_bf16_seconds"] = json!(start.elapsed().as_secs_f64());
    }
    // One file of each engine, from which both devices sample.
    for (part, count, steps) in [
        ("default", MANY, None),
        ("paper", NETWORKS, Some(SAMPLER_STEPS)),
    ] {
        let generator = Generator::open(&folder.path().join(part))?;
        let mut networks = Vec::new();
        for (device, on) in DEVICES {
            let (network, seconds) = sampled(&generator, count, steps, on)?;
            figures[device][format!("sample_{part}_seconds")] = json!(seconds);
            networks.push(network);
        }
        let apart = networks[0].iter().zip(&networks[1]);
        let largest = apart
            .map(|(a, b)| (a - b).abs() / (1.0 + a.abs()))
            .fold(0.0, f32::max);
        figures[format!("largest_difference_{part}")] = json!(largest);
    }
    println!("{figures:#}");
    if let Some(file) = file {
        std::fs::write(file, format!("{figures:#}\n")).expect("a file that can be written");
    }
    Ok(())
}

/// Networks, and the seconds of sampling them once the device is warm.
fn sampled(
    generator: &Generator,
    count: usize,
    steps: Option<usize>,
    device: Device,
) -> Result<(Vec<f32>, f64)> {
    let options = SampleOptions {
        count,
        steps,
        device,
        ..SampleOptions::default()
    };
    let mut out = vec![0.0; count * generator.layout().parameters()];
    // On CUDA a batch of a new size is launched, the second time recorded too, and then replayed.
    for _ in 0..2 {
        generator.sample(&options, &Cancel::new(), &mut out)?;
    }
    let start = Instant::now();
    generator.sample(&options, &Cancel::new(), &mut out)?;
    Ok((out, start.elapsed().as_secs_f64()))
}

fn name() -> Value {
    let output = Command::new("nvidia-smi")
        .args(["--query-gpu=name", "--format=csv,noheader", "--id=0"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            json!(String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Value::Null,
    }
}
