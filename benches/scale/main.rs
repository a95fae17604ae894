//! What large networks cost: collecting 50 snapshots, training, and sampling, by the number of
//! parameters, with the exponent at which each cost grows.
//!
//! `cargo bench --bench scale -- --network FILE.safetensors [--sizes N,N,...] [--folder FOLDER] [-o FILE.json]`
//!
//! Snapshots are a real network's weights, cut or repeated to size and perturbed: along a smooth curve
//! and by noise, as a training run's are. Each stage is a process of its own, so that its peak memory is
//! its own, and leaves its figures in the folder, so that a stopped bench goes on where it was.

mod snapshots;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pdiff::{
    Cancel, CollectOptions, Dtype, Generator, SampleOptions, TrainOptions, collect, train,
};
use serde_json::{Map, Value, json};
use snapshots::Perturbed;

const SIZES: &str = "5000000,25000000,100000000";
const SNAPSHOTS: usize = 50;
const STAGES: [&str; 3] = ["collect", "train", "sample"];
/// Networks sampled one by one after the first.
const RUNS: usize = 3;
/// Costs that are fitted: stage, figure.
const COSTS: [(&str, &str); 6] = [
    ("collect", "seconds"),
    ("train", "statistics_seconds"),
    ("train", "seconds"),
    ("train", "peak_bytes"),
    ("sample", "median_seconds"),
    ("sample", "file_bytes"),
];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let network = after("--network").ok_or("name a network with --network FILE.safetensors")?;
    let folder = PathBuf::from(after("--folder").unwrap_or("build/scale"));
    if let Some(stage) = after("--stage") {
        let parameters = after("--parameters").ok_or("--parameters")?.parse()?;
        let figures = run(stage, parameters, Path::new(network), &folder)?;
        std::fs::write(done(&folder, parameters, stage), figures.to_string())?;
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    let mut rows = Vec::new();
    for size in after("--sizes").unwrap_or(SIZES).split(',') {
        let parameters: usize = size.parse()?;
        let mut row = Map::from_iter([("parameters".into(), json!(parameters))]);
        for stage in STAGES {
            let file = done(&folder, parameters, stage);
            if !file.exists() {
                let status = Command::new(std::env::current_exe()?)
                    .args(["--network", network, "--stage", stage, "--parameters", size])
                    .arg("--folder")
                    .arg(&folder)
                    .status()?;
                if !status.success() {
                    return Err(format!("{stage} of {size} parameters: {status}").into());
                }
            }
            let figures: Value = serde_json::from_slice(&std::fs::read(file)?)?;
            println!("{parameters:>12} {stage:<8} {figures}");
            row.insert(stage.into(), figures);
        }
        rows.push(Value::Object(row));
        // The next size needs their room.
        let _ = std::fs::remove_dir_all(zoo(&folder, parameters));
        let _ = std::fs::remove_file(generator(&folder, parameters));
    }
    let exponents: Map<String, Value> = COSTS
        .into_iter()
        .filter_map(|(stage, figure)| {
            Some((format!("{stage} {figure}"), exponent(&rows, stage, figure)?))
        })
        .map(|(name, exponent)| {
            println!("{name:<26} grows as parameters to the power of {exponent:.2}");
            (name, json!(exponent))
        })
        .collect();
    if let Some(file) = after("-o") {
        let result = json!({
            "bench": "scale",
            "version": env!("CARGO_PKG_VERSION"),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "snapshots": SNAPSHOTS,
            "made_from": Path::new(network).file_name().map(|name| name.to_string_lossy()),
            "decoder": "float16",
            "rows": rows,
            "exponents": exponents,
        });
        std::fs::write(file, serde_json::to_string_pretty(&result)? + "\n")?;
    }
    Ok(())
}

fn done(folder: &Path, parameters: usize, stage: &str) -> PathBuf {
    folder.join(format!("{parameters}-{stage}.json"))
}

fn zoo(folder: &Path, parameters: usize) -> PathBuf {
    folder.join(format!("{parameters}-zoo"))
}

fn generator(folder: &Path, parameters: usize) -> PathBuf {
    folder.join(format!("{parameters}.pdiff"))
}

/// Does a stage and returns its figures.
fn run(stage: &str, parameters: usize, network: &Path, folder: &Path) -> Outcome<Value> {
    let (zoo, file) = (zoo(folder, parameters), generator(folder, parameters));
    let start = Instant::now();
    let seconds = || start.elapsed().as_secs_f64();
    let figures = match stage {
        "collect" => {
            let _ = std::fs::remove_dir_all(&zoo);
            let source = Perturbed::new(network, SNAPSHOTS, parameters)?;
            collect(&zoo, &source, &CollectOptions::default(), &mut |_| Ok(()))?;
            json!({
                "seconds": seconds() - source.seconds(),
                "making_snapshots_seconds": source.seconds(),
            })
        }
        "train" => {
            let options = TrainOptions {
                precision: Dtype::F16,
                ..TrainOptions::default()
            };
            let (mut statistics, mut flow) = (0.0, 0.0);
            train(&zoo, &file, &options, &Cancel::new(), &mut |progress| {
                match progress.phase {
                    "codec" => statistics = seconds(),
                    "denoiser" => flow = seconds(),
                    _ => {}
                }
                Ok(())
            })?;
            json!({
                "seconds": seconds(),
                "statistics_seconds": statistics,
                "flow_seconds": flow - statistics,
            })
        }
        _ => sample(&file)?,
    };
    let mut figures = figures;
    figures["peak_bytes"] = json!(peak_bytes()?);
    Ok(figures)
}

fn sample(file: &Path) -> Outcome<Value> {
    let start = Instant::now();
    let generator = Generator::open(file)?;
    let opened = start.elapsed().as_secs_f64();
    let mut network = vec![0.0; generator.layout().parameters()];
    let mut times = Vec::new();
    for first in 0..=RUNS as u64 {
        let start = Instant::now();
        let options = SampleOptions {
            first,
            ..SampleOptions::default()
        };
        generator.sample(&options, &Cancel::new(), &mut network)?;
        times.push(start.elapsed().as_secs_f64());
    }
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "open_seconds": opened,
        "first_seconds": first,
        "median_seconds": times[RUNS / 2],
        "components": generator.about().config["latents"],
        "file_bytes": std::fs::metadata(file)?.len(),
    }))
}

/// The most memory that this process has held.
fn peak_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("no VmHWM")?.parse::<u64>()? << 10)
}

/// The slope of a figure's logarithm over that of the parameters, by least squares.
fn exponent(rows: &[Value], stage: &str, figure: &str) -> Option<f64> {
    let points: Option<Vec<(f64, f64)>> = rows
        .iter()
        .map(|row| {
            Some((
                row["parameters"].as_f64()?.ln(),
                row[stage][figure].as_f64()?.ln(),
            ))
        })
        .collect();
    let points = points.filter(|points| points.len() > 1)?;
    let n = points.len() as f64;
    let mean = |f: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let covariance = mean(&|p| (p.0 - x) * (p.1 - y));
    Some(covariance / mean(&|p| (p.0 - x).powi(2)))
}
