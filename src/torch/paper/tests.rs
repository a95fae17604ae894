//! The networks and their training against PyTorch's own, and resuming against not stopping.

use safetensors::SafeTensors;
use tch::{Device, Reduction, Tensor};

use super::autoencoder::Autoencoder;
use super::denoiser::{Denoiser, time_features};
use super::train::{Phase, Rows};
use super::*;
use crate::diffusion::Denoiser as _;
use crate::diffusion::ddim;
use crate::layout::{Dtype, TensorSpec};
use crate::noise::{Noise, Purpose, Stream};
use crate::torch::adamw::{AdamW, annealed};
use crate::torch::arena::{Arena, copy_out, tensor};
use crate::torch::device::cuda_or_skip;
use crate::{Error, Result};

const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/paper.safetensors");

/// The sizes of tests/golden/paper.py.
fn reduced() -> PaperConfig {
    PaperConfig {
        latent: 12,
        autoencoder_channels: vec![4, 6, 5],
        denoiser_channels: vec![1, 3, 6, 8, 6, 3, 1],
        kernel: 5,
        batch: 6,
        autoencoder_steps: 5,
        diffusion_steps: 5,
        ..PaperConfig::default()
    }
}

fn stream() -> Stream {
    Noise::new(1).stream(Purpose::Initialization, 0, 0)
}

/// The golden tensors.
fn golden() -> Vec<crate::Tensor> {
    let file = SafeTensors::deserialize(GOLDEN).unwrap();
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let spec = TensorSpec::new(name, view.shape(), Dtype::F32);
            crate::Tensor::new(spec, view.data().to_vec()).unwrap()
        })
        .collect()
}

fn values(tensors: &[crate::Tensor], name: &str) -> Vec<f32> {
    let found = tensors.iter().find(|t| t.spec.name == name);
    let found = found.unwrap_or_else(|| panic!("{name} is missing"));
    let mut values = vec![0.0; found.spec.count()];
    found.to_f32(&mut values);
    values
}

fn load(tensors: &[crate::Tensor], name: &str) -> tch::Tensor {
    let found = tensors.iter().find(|t| t.spec.name == name).unwrap();
    let shape: Vec<i64> = found.spec.shape.iter().map(|&n| n as i64).collect();
    tensor(&values(tensors, name), &shape, Device::Cpu).unwrap()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let error = (a - b).abs();
        assert!(
            error <= tolerance * (1.0 + b.abs()),
            "{what}[{i}]: {a}, not {b}"
        );
    }
}

fn numbers(tensor: &tch::Tensor) -> Vec<f32> {
    let mut out = vec![0.0; tensor.numel()];
    copy_out(tensor, &mut out).unwrap();
    out
}

#[test]
fn the_default_sizes_are_the_papers() {
    let config = PaperConfig::default();
    let autoencoder = Autoencoder::new(&config, 2048, &mut stream(), Device::Cpu).unwrap();
    let denoiser = Denoiser::new(&config, &mut stream(), Device::Cpu).unwrap();
    let parameters = |arena: &Arena| {
        let tensors = arena.export("").unwrap();
        tensors.iter().map(|t| t.spec.count()).sum::<usize>()
    };
    assert_eq!(parameters(&autoencoder.arena), 2_199_201);
    assert_eq!(parameters(&denoiser.arena), 2_462_977);
}

#[test]
fn initial_values_fill_pytorchs_range() {
    let config = PaperConfig::default();
    let denoiser = Denoiser::new(&config, &mut stream(), Device::Cpu).unwrap();
    let tensors = denoiser.arena.export("").unwrap();
    for name in ["encoder_list.3.0.weight", "encoder_list.3.0.bias"] {
        let bound = 1.0 / (256.0f32 * 7.0).sqrt();
        let largest = values(&tensors, name)
            .iter()
            .fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(
            (0.97 * bound..=bound).contains(&largest),
            "{name}: {largest}, {bound}"
        );
    }
    assert!(
        values(&tensors, "encoder_list.3.1.0.weight")
            .iter()
            .all(|&v| v == 1.0)
    );
}

#[test]
fn the_autoencoder_and_its_training_equal_pytorchs() {
    let golden = golden();
    let mut network = Autoencoder::new(&reduced(), 64, &mut stream(), Device::Cpu).unwrap();
    network.arena.import(&golden, "autoencoder.").unwrap();
    let x = load(&golden, "autoencoder/x");
    let encoded = numbers(&network.encode(&x).unwrap());
    assert_close(
        &encoded,
        &values(&golden, "autoencoder/encoded"),
        1e-4,
        "encoded",
    );
    let decoded = network.decode(&load(&golden, "autoencoder/z")).unwrap();
    let expected = values(&golden, "autoencoder/decoded");
    assert_close(&numbers(&decoded), &expected, 1e-4, "decoded");

    let noise = load(&golden, "autoencoder/noise");
    network.arena.track(true).unwrap();
    let mut optimizer = AdamW::new(&network.arena, 0.1).unwrap();
    for (step, expected) in values(&golden, "autoencoder/losses").iter().enumerate() {
        let loss = network.loss(&x, &noise, 0.3).unwrap();
        assert_close(&numbers(&loss), &[*expected], 1e-4, "loss");
        let gradient = network.arena.gradients(&loss).unwrap();
        let rate = annealed(0.01, step, 3);
        optimizer
            .step(&mut network.arena, &gradient, step, rate)
            .unwrap();
    }
    for after in network.arena.export("after.autoencoder.").unwrap() {
        // A bias before a normalization has no gradient but rounding, of which Adam makes a step.
        let name = &after.spec.name;
        if !name.ends_with(".0.bias") {
            let found = values(std::slice::from_ref(&after), name);
            assert_close(&found, &values(&golden, name), 2e-4, name);
        }
    }
}

/// [times, FEATURES]
fn features(times: &[f32]) -> Tensor {
    let mut features = Vec::new();
    times.iter().for_each(|t| time_features(*t, &mut features));
    tensor(&features, &[times.len() as i64, -1], Device::Cpu).unwrap()
}

#[test]
fn the_folded_denoiser_equals_pytorchs_in_evaluation() {
    let golden = golden();
    let mut network = Denoiser::new(&reduced(), &mut stream(), Device::Cpu).unwrap();
    network.arena.import(&golden, "denoiser.").unwrap();
    network.statistics.import(&golden, "denoiser.").unwrap();
    network.fold().unwrap();
    let predicted = network.forward(&load(&golden, "denoiser/x"), &features(&[37.0]));
    let expected = values(&golden, "denoiser/predicted");
    assert_close(&numbers(&predicted.unwrap()), &expected, 1e-4, "predicted");
}

#[test]
fn the_denoiser_and_its_training_equal_pytorchs() {
    let golden = golden();
    let mut network = Denoiser::new(&reduced(), &mut stream(), Device::Cpu).unwrap();
    network.arena.import(&golden, "denoiser.").unwrap();
    network.statistics.import(&golden, "denoiser.").unwrap();
    let x = load(&golden, "denoiser/x");
    let times = features(&values(&golden, "denoiser/t"));
    let _ = network.forward(&x, &times).unwrap();
    for after in network.statistics.export("after.denoiser.").unwrap() {
        let name = &after.spec.name;
        let found = values(std::slice::from_ref(&after), name);
        assert_close(&found, &values(&golden, name), 1e-4, name);
    }

    let epsilon = load(&golden, "denoiser/epsilon");
    network.arena.track(true).unwrap();
    let mut optimizer = AdamW::new(&network.arena, 0.1).unwrap();
    for (step, expected) in values(&golden, "denoiser/losses").iter().enumerate() {
        let predicted = network.forward(&x, &times).unwrap();
        let loss = predicted.f_mse_loss(&epsilon, Reduction::Mean).unwrap();
        assert_close(&numbers(&loss), &[*expected], 1e-4, "loss");
        let gradient = network.arena.gradients(&loss).unwrap();
        let rate = annealed(0.01, step, 3);
        optimizer
            .step(&mut network.arena, &gradient, step, rate)
            .unwrap();
    }
    for after in network.arena.export("after.denoiser.").unwrap() {
        let name = &after.spec.name;
        // The last convolution's bias is the only one that no normalization follows.
        let convolution = name.contains("coder_list") && name.matches('.').count() == 5;
        if !convolution || name.ends_with(".weight") || name.contains("decoder_list.1") {
            let found = values(std::slice::from_ref(&after), name);
            assert_close(&found, &values(&golden, name), 2e-4, name);
        }
    }
}

const WIDTH: usize = 70;
const SNAPSHOTS: usize = 9;

/// Two clusters of weights.
fn rows(indices: &[usize], out: &mut [f32]) -> Result<()> {
    for (&i, row) in indices.iter().zip(out.chunks_mut(WIDTH)) {
        for (j, value) in row.iter_mut().enumerate() {
            *value = ((i % 2) as f32 - 0.5) + 0.1 * ((i * WIDTH + j) as f32).sin();
        }
    }
    Ok(())
}

#[test]
fn a_resumed_run_ends_like_an_uninterrupted_one() {
    let new = || Trainer::new(reduced(), WIDTH, SNAPSHOTS, Device::Cpu).unwrap();
    let mut whole = new();
    let expected = train(&mut whole, &mut rows, &mut |_, _, _, _| Ok(())).unwrap();
    // Within the first phase, between the two, within the second.
    for stop in [3, 5, 8] {
        let mut first = new();
        for _ in 0..stop {
            first.step(&mut rows).unwrap();
        }
        let state = first.state().unwrap();
        assert_eq!(state.step, stop);
        let mut second = new();
        second.resume(&state).unwrap();
        let found = train(&mut second, &mut rows, &mut |_, _, _, _| Ok(())).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "stopped at {stop}: {}", found.spec.name);
        }
    }
}

/// In bfloat16 a training learns what it learns in float32, by other numbers.
#[test]
fn products_in_bfloat16_train_as_well() {
    let config = PaperConfig {
        autoencoder_steps: 60,
        diffusion_steps: 1,
        autoencoder_learning_rate: 5e-3,
        ..reduced()
    };
    let losses = |rounds: bool| -> Vec<f64> {
        let mut trainer = Trainer::new(config.clone(), WIDTH, SNAPSHOTS, Device::Cpu).unwrap();
        if rounds {
            trainer.round_products();
        }
        let losses = (0..60).map(|_| trainer.step(&mut rows).unwrap().unwrap().1);
        losses.collect()
    };
    let (full, rounded) = (losses(false), losses(true));
    let last = |losses: &[f64]| losses[50..].iter().sum::<f64>() / 10.0;
    assert!(last(&full) < 0.5 * full[0]);
    assert!(full != rounded, "nothing was rounded");
    assert!(
        (last(&rounded) / last(&full) - 1.0).abs() < 0.1,
        "{full:?} {rounded:?}"
    );
}

/// Over several blocks of steps that are put there together, broken off and gone on with between two of them.
#[test]
fn a_training_of_many_steps_on_cuda_is_the_cpu_s() {
    let Some(device) = cuda_or_skip() else {
        return;
    };
    let config = |steps| PaperConfig {
        autoencoder_steps: steps,
        diffusion_steps: steps,
        ..reduced()
    };
    let run = |device, steps| {
        let new = || Trainer::new(config(steps), WIDTH, SNAPSHOTS, device).unwrap();
        let mut trainer = new();
        let mut blocks = 0;
        while trainer.step(&mut rows).unwrap().is_some() {
            blocks += 1;
            if blocks % 2 == 0 {
                let state = trainer.state().unwrap();
                assert_eq!(trainer.note(), None);
                trainer = new();
                trainer.resume(&state).unwrap();
            }
        }
        let tensors = trainer.networks().unwrap();
        let numbers =
            |tensor: &crate::Tensor| values(std::slice::from_ref(tensor), &tensor.spec.name);
        (
            blocks,
            tensors.iter().flat_map(numbers).collect::<Vec<f32>>(),
        )
    };
    let ((_, cpu), (blocks, cuda), (_, earlier)) = (
        run(Device::Cpu, 230),
        run(device, 230),
        run(Device::Cpu, 180),
    );
    assert_eq!(blocks, 6);
    let apart = |other: &[f32]| -> f32 {
        let squares = cpu.iter().zip(other).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f32>().sqrt()
    };
    let (by_device, by_steps) = (apart(&cuda), apart(&earlier));
    assert!(by_device < 0.1 * by_steps, "{by_device} {by_steps}");
}

#[test]
fn cancelling_keeps_the_state_and_a_foreign_state_is_refused() {
    let mut trainer = Trainer::new(reduced(), WIDTH, SNAPSHOTS, Device::Cpu).unwrap();
    let mut stop = |phase, step, _, _| match (phase, step) {
        (Phase::Diffusion, 1) => Err(Error::Cancelled),
        _ => Ok(()),
    };
    let result = train(&mut trainer, &mut rows, &mut stop);
    assert!(matches!(result, Err(Error::Cancelled)));
    let state = trainer.state().unwrap();
    assert_eq!(state.step, 7);

    let mut config = reduced();
    config.latent = 13;
    let mut other = Trainer::new(config, WIDTH, SNAPSHOTS, Device::Cpu).unwrap();
    assert!(matches!(other.resume(&state), Err(Error::Mismatch(_))));
}

#[test]
fn the_loss_falls_and_samples_come_from_the_data() {
    let config = PaperConfig {
        autoencoder_steps: 80,
        diffusion_steps: 80,
        autoencoder_learning_rate: 5e-3,
        diffusion_learning_rate: 5e-3,
        batch: 16,
        ..reduced()
    };
    let mut trainer = Trainer::new(config.clone(), WIDTH, SNAPSHOTS, Device::Cpu).unwrap();
    let mut losses = Vec::new();
    let mut note = |_, _, _, loss| {
        losses.push(loss);
        Ok(())
    };
    let tensors = train(&mut trainer, &mut rows, &mut note).unwrap();
    let mean = |range: std::ops::Range<usize>| losses[range].iter().sum::<f64>() / 10.0;
    assert!(mean(70..80) < 0.5 * mean(0..10), "{losses:?}");
    assert!(mean(150..160) < 0.9 * mean(80..90), "{losses:?}");

    let sampler = Sampler::new(&config, WIDTH, &tensors, Device::Cpu).unwrap();
    let mut z = vec![0.0; 4 * sampler.width()];
    Noise::new(2).normal(Purpose::Sampling, 0, 0, &mut z);
    let schedule = config.schedule();
    let mut tick = |_| Ok(());
    ddim(
        &sampler,
        &schedule,
        50,
        0.0,
        &mut z,
        &mut |_, _| (),
        &mut tick,
    )
    .unwrap();
    let mut weights = vec![0.0; 4 * WIDTH];
    sampler.decode(&z, &mut weights).unwrap();
    // Decoding one network alone gives what decoding it among others gives.
    let mut alone = vec![0.0; WIDTH];
    sampler.decode(&z[..sampler.width()], &mut alone).unwrap();
    assert_close(&alone, &weights[..WIDTH], 1e-5, "decoded alone");
    for network in weights.chunks(WIDTH) {
        let mean = network.iter().sum::<f32>() / WIDTH as f32;
        assert!(mean.abs() < 1.0, "{mean}");
    }
}

#[test]
fn settings_without_meaning_are_refused() {
    for config in [
        PaperConfig {
            latent: 0,
            ..reduced()
        },
        PaperConfig {
            kernel: 4,
            ..reduced()
        },
        PaperConfig {
            batch: 1,
            ..reduced()
        },
        PaperConfig {
            autoencoder_channels: vec![8; 7],
            ..reduced()
        },
        PaperConfig {
            denoiser_channels: vec![1, 2, 3, 4, 1],
            ..reduced()
        },
        PaperConfig {
            last_beta: 1.0,
            ..reduced()
        },
        PaperConfig {
            input_noise: f64::NAN,
            ..reduced()
        },
    ] {
        assert!(Trainer::new(config, WIDTH, SNAPSHOTS, Device::Cpu).is_err());
    }
}

/// Trains to the end; an error of `progress` ends the training, and the trainer's state can still be
/// taken.
fn train(
    trainer: &mut Trainer,
    rows: Rows,
    progress: &mut dyn FnMut(Phase, usize, usize, f64) -> Result<()>,
) -> Result<Vec<crate::Tensor>> {
    while let Some((phase, step, steps)) = trainer.next() {
        if let Some((_, loss)) = trainer.step(rows)? {
            progress(phase, step, steps, loss)?;
        }
    }
    trainer.networks()
}
