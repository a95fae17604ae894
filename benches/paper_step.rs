//! Times the paper engine at the authors' sizes, 2,048 weights and a batch of 50, and prints seconds as
//! JSON: a training step of either phase, and one network sampled by 1,000 DDPM steps. The argument
//! is the number of repetitions; with `bf16` after it, training rounds the operands of its products.
//! `compare_paper.py` sets it beside PyTorch.

use std::time::Instant;

use pdiff::Result;
use pdiff::bench::{Denoiser, PaperConfig, Sampler, Trainer, ddpm};

const WIDTH: usize = 2048;
const SNAPSHOTS: usize = 300;
const WARM_UP: usize = 2;

fn main() -> Result<()> {
    // `cargo bench` adds --bench.
    let repeats = std::env::args()
        .skip(1)
        .find_map(|a| a.parse().ok())
        .unwrap_or(5);
    let zoo: Vec<f32> = (0..SNAPSHOTS * WIDTH)
        .map(|i| (i as f32 * 0.37).sin() * 1.4)
        .collect();
    let mut rows = |indices: &[usize], out: &mut [f32]| {
        for (&i, row) in indices.iter().zip(out.chunks_mut(WIDTH)) {
            row.copy_from_slice(&zoo[i * WIDTH..][..WIDTH]);
        }
        Ok(())
    };
    let config = PaperConfig {
        autoencoder_steps: repeats + WARM_UP,
        diffusion_steps: repeats + WARM_UP,
        ..PaperConfig::default()
    };
    let mut trainer = Trainer::new(config.clone(), WIDTH, SNAPSHOTS, tch::Device::Cpu)?;
    if std::env::args().any(|argument| argument == "bf16") {
        trainer.round_products();
    }
    let mut phases = [Vec::new(), Vec::new()];
    while let Some((phase, step, _)) = trainer.next() {
        let start = Instant::now();
        trainer.step(&mut rows)?;
        if step >= WARM_UP {
            phases[phase as usize].push(start.elapsed().as_secs_f64());
        }
    }
    let tensors = trainer.networks()?;
    let sampler = Sampler::new(&config, WIDTH, &tensors, tch::Device::Cpu)?;
    let schedule = config.schedule();
    let mut samples = Vec::new();
    let mut weights = vec![0.0; WIDTH];
    for _ in 0..repeats.div_ceil(5) {
        let start = Instant::now();
        let mut z: Vec<f32> = (0..sampler.width()).map(|i| (i as f32).sin()).collect();
        let mut noise = |i: usize, z: &mut [f32]| z.fill((i as f32).cos());
        ddpm(&sampler, &schedule, 1000, &mut z, &mut noise, &mut |_| {
            Ok(())
        })?;
        sampler.decode(&z, &mut weights)?;
        samples.push(start.elapsed().as_secs_f64());
    }
    let [autoencoder, diffusion] = phases;
    println!(
        "{}",
        serde_json::json!({"autoencoder": autoencoder, "diffusion": diffusion, "sample": samples})
    );
    Ok(())
}
