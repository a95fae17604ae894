//! The denoiser that samples, and whole samples, against the same in libtorch.

use std::sync::Arc;

use super::super::arena::{copy_out, tensor};
use super::super::device::cuda_or_skip;
use super::super::graph::Recorder;
use super::cuda::{OnDevice, RECORDED};
use super::module::FlowModule;
use super::{lookup, named};
use crate::denoiser::{Architecture, Flow, Guided, time_features};
use crate::diffusion::Denoiser;
use crate::generator::{
    Batch, Cancel, DefaultEngine, Engine, GeneratorFile, SampleOptions, Sampler,
};
use crate::noise::{Noise, Purpose};
use crate::tensor::Tensor;

const ARCHITECTURE: Architecture = Architecture {
    width: 32,
    hidden: 128,
    blocks: 2,
    conditions: 2,
};
const ROWS: usize = 33;

fn normal(count: usize, sample: usize, deviation: f32) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Noise::new(1).normal(Purpose::Initialization, sample as u64, 0, &mut values);
    values.iter_mut().for_each(|x| *x *= deviation);
    values
}

/// The largest difference between the two, relative to one plus the number, over times and rows.
fn largest_difference(device: tch::Device) -> f32 {
    let mut stream = Noise::new(1).stream(Purpose::Initialization, 0, 0);
    let (module, mut arena) = FlowModule::new(ARCHITECTURE, &mut stream, device).unwrap();
    let mut tensors: Vec<Tensor> = Vec::new();
    for (i, declared) in arena.export("").unwrap().into_iter().enumerate() {
        let inputs = *declared.spec.shape.last().unwrap();
        let values = normal(declared.spec.count(), 1 + i, 1.0 / (inputs as f32).sqrt());
        tensors.push(Tensor::from_f32(declared.spec, &values));
    }
    arena.import(&tensors, "").unwrap();
    let width = ARCHITECTURE.width;
    tensors.push(named("denoiser.gain", &[width], &vec![1.0; width]));
    let flow = Flow::read(&lookup(&tensors), ARCHITECTURE).unwrap();
    let y = normal(ROWS * width, 0, 1.0);
    let condition = [0.5, -1.5];
    let guided = Guided::new(&flow, Some(&condition), 1.0);
    let (mut ours, mut theirs) = (vec![0.0; y.len()], vec![0.0; y.len()]);
    let mut largest = 0.0f32;
    for theta in [0.0, 0.3, 0.9, 1.5] {
        guided.predict(&y, theta, &mut ours).unwrap();
        let mut features = time_features(theta).to_vec();
        features.extend([condition[0], condition[1], 1.0]);
        let [rows, features] = [(&y, width), (&features, features.len())]
            .map(|(values, columns)| tensor(values, &[-1, columns as i64], device).unwrap());
        let velocity = module.velocity(&arena, &rows, &features).unwrap();
        copy_out(&velocity, &mut theirs).unwrap();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            largest = largest.max((ours - theirs).abs() / (1.0 + theirs.abs()));
        }
    }
    largest
}

/// The same between networks of the engine without libtorch and those of `device`, relative to one plus
/// the number, over the committed generators, samplers, conditions and guidance.
fn largest_difference_of_networks(device: tch::Device) -> f32 {
    // In the program, which benches/gpu-check takes to a machine without the repository.
    macro_rules! committed {
        ($name:literal) => {
            &include_bytes!(concat!("../../../tests/fixtures/generators/", $name))[..]
        };
    }
    let folder = tempfile::tempdir().unwrap();
    let mut largest = 0.0f32;
    for (number, (bytes, condition)) in [
        (committed!("gaussian.pdiff"), None),
        (committed!("flow.pdiff"), None),
        (committed!("behaviour.pdiff"), None),
        (committed!("flow.pdiff"), Some(vec![0.5, -1.0])),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{number}.pdiff"));
        std::fs::write(&path, bytes).unwrap();
        let file = Arc::new(GeneratorFile::open(&path).unwrap());
        let engine = DefaultEngine::open(file.clone()).unwrap();
        let mut there = OnDevice::new(&file, device).unwrap();
        let mut routes = 0;
        for sampler in [Sampler::AdamsBashforth, Sampler::Heun, Sampler::Euler] {
            for guidance in [1.0, 2.5] {
                let options = SampleOptions {
                    seed: 3,
                    sampler: Some(sampler),
                    guidance,
                    temperature: 0.75,
                    ..SampleOptions::default()
                };
                let cancel = Cancel::new();
                let batch = |first, condition: &Option<Vec<f32>>| Batch {
                    options: &options,
                    first,
                    count: ROWS,
                    condition: condition.clone(),
                    threads: 1,
                    cancel: &cancel,
                };
                let mut ours = vec![0.0; ROWS * file.about.layout.parameters()];
                let mut theirs = ours.clone();
                engine.sample(&batch(4, &condition), &mut ours).unwrap();
                // Guidance is nothing without a condition.
                if engine.latents.flow.is_some() && (guidance == 1.0 || condition.is_some()) {
                    routes += 1;
                }
                // Launched, and recorded on the side, for other samples and another condition; then replayed.
                let other = condition.as_ref().map(|_| vec![2.0, 1.0]);
                for batch in [batch(90, &other), batch(90, &other), batch(4, &condition)] {
                    there.sample(&engine, &file, &batch, &mut theirs).unwrap();
                }
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    largest = largest.max((ours - theirs).abs() / (1.0 + theirs.abs()));
                }
            }
        }
        if Recorder::open(device).is_some() {
            assert_eq!(there.recorded(), routes.min(RECORDED), "of {number}");
        }
    }
    largest
}

#[test]
fn networks_are_libtorch_s_on_the_cpu() {
    let largest = largest_difference_of_networks(tch::Device::Cpu);
    assert!(largest < 1e-5, "{largest}");
}

#[test]
fn networks_are_libtorch_s_on_cuda() {
    if let Some(device) = cuda_or_skip() {
        let largest = largest_difference_of_networks(device);
        assert!(largest < 1e-5, "{largest}");
    }
}

#[test]
fn the_denoiser_is_libtorch_s_on_the_cpu() {
    let largest = largest_difference(tch::Device::Cpu);
    assert!(largest < 1e-5, "{largest}");
}

/// cuBLAS may round inputs of its products to TF32 only where a host asks for it.
#[test]
fn the_denoiser_is_libtorch_s_on_cuda() {
    if let Some(device) = cuda_or_skip() {
        let largest = largest_difference(device);
        assert!(largest < 1e-5, "{largest}");
    }
}

/// A tensor that no device holds is a status, after which the device computes what it did.
fn overfill(device: tch::Device) {
    let asked = tch::Tensor::f_zeros([1i64 << 45], (tch::Kind::Float, device));
    let error = crate::Error::from(asked.unwrap_err());
    assert!(matches!(error, crate::Error::OutOfMemory(_)), "{error}");
    let largest = largest_difference(device);
    assert!(largest < 1e-5, "{largest}");
}

#[test]
fn too_much_memory_is_a_status_on_the_cpu() {
    overfill(tch::Device::Cpu);
}

#[test]
fn too_much_memory_is_a_status_on_cuda() {
    if let Some(device) = cuda_or_skip() {
        overfill(device);
    }
}
