//! Trainings and samplings on CUDA as a whole, beside the same on the CPU. Where there is no GPU they run on a device that
//! is the processor (tests/cuda), or are skipped.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use tch::{Kind, Tensor as Torch};

use super::device::cuda_or_skip;
use super::graph::{REPLAYS, Recorder};
use crate::collection::{CollectOptions, Snapshot, SnapshotSource, collect};
use crate::error::{Error, Result};
use crate::generator::{Cancel, Device, EngineName, Generator, SampleOptions, Sampler};
use crate::layout::{Dtype, TensorSpec};
use crate::noise::{Noise, Purpose};
use crate::refine::{At, BehaviourLoss, Objective};
use crate::tensor::Tensor;
use crate::train::TrainOptions;

const CPU: Device = Device::Cpu;
const CUDA: Device = Device::Cuda(0);

/// Snapshots that are noise about 0.
struct Scattered;

impl SnapshotSource for Scattered {
    fn len(&self) -> usize {
        60
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let mut values = vec![0.0; 50];
        Noise::new(1).normal(Purpose::Initialization, index as u64, 0, &mut values);
        let spec = TensorSpec::new("weight", &[values.len()], Dtype::F32);
        Ok(Snapshot {
            tensors: vec![Tensor::from_f32(spec, &values)],
            ..Snapshot::default()
        })
    }
}

/// A collection, and room for generators beside it.
struct Place {
    folder: tempfile::TempDir,
    zoo: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let zoo = folder.path().join("zoo");
        let options = CollectOptions::default();
        collect(&zoo, &Scattered, &options, &mut |_| Ok(())).unwrap();
        Place { folder, zoo }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trains in the file of a name, and cancels once the phase has done so many steps. Returns the first step of the
    /// denoiser that it did; steps must have been recorded where they can be.
    fn train(
        &self,
        name: &str,
        options: &TrainOptions,
        taught: Option<u64>,
        end: Option<(&str, u64)>,
    ) -> Result<u64> {
        let mut loss = taught.map(|steps| {
            let mut loss = BehaviourLoss::new(Objective::Host(Box::new(to_zero)));
            loss.steps = steps;
            loss
        });
        let (file, cancel) = (self.file(name), Cancel::new());
        let mut first = None;
        let mut progress = |at: &crate::progress::Progress| {
            if at.phase == "denoiser" {
                first.get_or_insert(at.step);
            }
            match end {
                Some((phase, step)) if at.phase == phase && at.step == step => {
                    Err(Error::Cancelled)
                }
                _ => Ok(()),
            }
        };
        let loss = loss.as_mut();
        let report = crate::train_by(&self.zoo, &file, options, loss, &cancel, &mut progress)?;
        let recorded = report.notes.iter().all(|note| !note.contains("recorded"));
        assert!(recorded, "{:?}", report.notes);
        Ok(first.unwrap_or(0))
    }

    fn network(&self, name: &str, options: &SampleOptions) -> Vec<f32> {
        sampled(&self.file(name), options).unwrap()
    }
}

/// Half the square of the distance from 0, and its gradient.
fn to_zero(_: At, network: &[f32], gradient: &mut [f32]) -> Result<f64> {
    gradient.copy_from_slice(network);
    Ok(network.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 2.0)
}

fn sampled(file: &Path, options: &SampleOptions) -> Result<Vec<f32>> {
    let generator = Generator::open(file)?;
    let mut networks = vec![0.0; options.count * generator.layout().parameters()];
    generator.sample(options, &Cancel::new(), &mut networks)?;
    Ok(networks)
}

fn on(device: Device, steps: u64) -> TrainOptions {
    TrainOptions {
        device,
        steps: Some(steps),
        checkpoint_seconds: 0,
        ..TrainOptions::default()
    }
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f32>().sqrt()
}

/// That a network is `expected` but for rounding, beside what some steps less of training make of it.
fn check_rounding(expected: &[f32], found: &[f32], earlier: &[f32]) {
    let (by_rounding, by_steps) = (apart(expected, found), apart(expected, earlier));
    assert!(by_rounding < 0.1 * by_steps, "{by_rounding} {by_steps}");
}

/// Recorded steps do what launched ones do; rounding alone tells the devices apart.
#[test]
fn a_training_on_cuda_is_the_cpu_s() {
    if cuda_or_skip().is_none() {
        return;
    }
    let place = Place::new();
    let [cpu, cuda, earlier] = [(CPU, 150), (CUDA, 150), (CPU, 20)].map(|(device, steps)| {
        place.train("net", &on(device, steps), None, None).unwrap();
        place.network("net", &SampleOptions::default())
    });
    check_rounding(&cpu, &cuda, &earlier);
}

#[test]
fn a_training_broken_off_on_cuda_goes_on_there() {
    if cuda_or_skip().is_none() {
        return;
    }
    let place = Place::new();
    let options = on(CUDA, 150);
    let broken = place.train("net", &options, None, Some(("denoiser", 120)));
    assert!(matches!(broken, Err(Error::Cancelled)), "{broken:?}");
    for (name, steps, expected) in [("net", 150, 101), ("fresh", 150, 1), ("earlier", 100, 1)] {
        let first = place.train(name, &on(CUDA, steps), None, None).unwrap();
        assert_eq!(first, expected, "{name}");
    }
    let [net, fresh, earlier] =
        ["net", "fresh", "earlier"].map(|name| place.network(name, &SampleOptions::default()));
    check_rounding(&fresh, &net, &earlier);
}

#[test]
fn what_is_taught_on_cuda_is_the_cpu_s() {
    if cuda_or_skip().is_none() {
        return;
    }
    let place = Place::new();
    let [cpu, cuda, earlier] = [(CPU, 20), (CUDA, 20), (CPU, 2)].map(|(device, taught)| {
        place
            .train("net", &on(device, 20), Some(taught), None)
            .unwrap();
        place.network("net", &SampleOptions::default())
    });
    check_rounding(&cpu, &cuda, &earlier);
}

/// Its convolutions are rounded more coarsely by cuDNN.
#[test]
fn the_paper_engine_on_cuda_is_the_cpu_s() {
    if cuda_or_skip().is_none() {
        return;
    }
    let place = Place::new();
    let [cpu, cuda, earlier] = [(CPU, 4), (CUDA, 4), (CPU, 1)].map(|(device, steps)| {
        let options = TrainOptions {
            engine: EngineName::Paper,
            autoencoder_steps: Some(steps),
            ..on(device, steps)
        };
        place.train("net", &options, None, None).unwrap();
        let before = REPLAYS.load(Ordering::Relaxed);
        let networks = [Sampler::Ddpm, Sampler::Ddim, Sampler::DpmSolver2m].map(|sampler| {
            let options = SampleOptions {
                count: 2,
                steps: Some(5),
                sampler: Some(sampler),
                device,
                ..SampleOptions::default()
            };
            place.network("net", &options)
        });
        // Predictions after the third of each request's five, where they can be recorded.
        let replays = REPLAYS.load(Ordering::Relaxed) - before;
        let recorded = Recorder::open(super::device::resolve(device).unwrap()).is_some();
        assert_eq!(replays > 0, recorded);
        networks
    });
    for ((cpu, cuda), earlier) in cpu.iter().zip(&cuda).zip(&earlier) {
        check_rounding(cpu, cuda, earlier);
    }
}

#[test]
fn a_full_device_is_a_status_on_cuda_and_the_next_call_works() {
    let Some(device) = cuda_or_skip() else {
        return;
    };
    let place = Place::new();
    place.train("net", &on(CUDA, 20), None, None).unwrap();
    let generator = Generator::open(&place.file("net")).unwrap();
    let options = SampleOptions {
        count: 3000,
        device: CUDA,
        ..SampleOptions::default()
    };
    let sample = || -> Result<Vec<f32>> {
        let mut networks = vec![0.0; 3000 * generator.layout().parameters()];
        generator.sample(&options, &Cancel::new(), &mut networks)?;
        Ok(networks)
    };
    // Launched, so that what the device keeps for this request is there.
    let before = sample().unwrap();
    let mut blocks = Vec::new();
    for bits in [28, 24, 20, 18, 14, 10, 7] {
        while let Ok(block) = Torch::f_empty([1i64 << bits], (Kind::Float, device)) {
            blocks.push(block);
        }
    }
    let failed = sample();
    assert!(matches!(failed, Err(Error::OutOfMemory(_))), "{failed:?}");
    let failed = place.train("other", &on(CUDA, 20), None, None);
    assert!(matches!(failed, Err(Error::OutOfMemory(_))), "{failed:?}");
    assert!(!place.file("other").exists());
    drop(blocks);
    // libtorch keeps them for itself, and gives them back to the driver, from which recordings take theirs, only when a
    // request fails.
    let _ = Torch::f_empty([1i64 << 45], (Kind::Float, device));
    assert!(apart(&before, &sample().unwrap()) < 1e-3);
    place.train("other", &on(CUDA, 20), None, None).unwrap();
}
