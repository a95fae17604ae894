//! Schedules and samplers against golden values and against Gaussian data, for which the optimal
//! network and the exact solution are known.

use serde_json::Value;

use super::*;
use crate::noise::{Noise, Purpose};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/diffusion.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The network of tests/golden/diffusion.py.
struct Mixing;

impl Denoiser for Mixing {
    fn width(&self) -> usize {
        3
    }

    fn predict(&self, x: &[f32], time: f64, out: &mut [f32]) -> Result<()> {
        for (x, out) in x.chunks(3).zip(out.chunks_mut(3)) {
            for i in 0..3 {
                let mixed = 0.8 * f64::from(x[i]) + 0.3 * f64::from(x[(i + 2) % 3]);
                out[i] = (mixed.tanh() * (0.5 + time / 2000.0)) as f32;
            }
        }
        Ok(())
    }
}

/// The optimal noise prediction for data of N(mean, deviation²): E[ε | x_t].
struct Gaussian<'a> {
    schedule: &'a Schedule,
    mean: f64,
    deviation: f64,
}

impl Denoiser for Gaussian<'_> {
    fn width(&self) -> usize {
        1
    }

    fn predict(&self, x: &[f32], time: f64, out: &mut [f32]) -> Result<()> {
        let a = self.schedule.alpha_bar(time as usize);
        let variance = a * self.deviation.powi(2) + 1.0 - a;
        for (x, out) in x.iter().zip(out) {
            *out = ((1.0 - a).sqrt() * (f64::from(*x) - a.sqrt() * self.mean) / variance) as f32;
        }
        Ok(())
    }
}

const MEAN: f64 = 0.5;
const DEVIATION: f64 = 0.7;

fn never(_: usize) -> Result<()> {
    Ok(())
}

fn no_noise(_: usize, _: &mut [f32]) {
    panic!("a deterministic sampler asked for noise");
}

#[test]
fn the_schedule_equals_the_golden_values() {
    let golden = golden();
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    for (i, t) in numbers(&golden["at"]).into_iter().enumerate() {
        let expected = numbers(&golden["linear"])[i];
        let found = schedule.alpha_bar(t as usize);
        assert!((found / expected - 1.0).abs() < 1e-9, "{t}: {found}");
    }
}

#[test]
fn samplers_equal_the_golden_values() {
    let golden = golden();
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let start: Vec<f32> = numbers(&golden["start"])
        .iter()
        .map(|&v| v as f32)
        .collect();
    let mut waves = |i: usize, z: &mut [f32]| {
        for (j, z) in z.iter_mut().enumerate() {
            *z = (1.7 * i as f64 + j as f64).sin() as f32;
        }
    };
    for (key, expected) in golden["samples"].as_object().unwrap() {
        let (name, steps) = key.rsplit_once(' ').unwrap();
        let n = steps.parse().unwrap();
        let mut x = start.clone();
        let end = std::f64::consts::FRAC_PI_2;
        match name {
            "ddpm" => ddpm(&Mixing, &schedule, n, &mut x, &mut waves, &mut never),
            "ddim" => ddim(
                &Mixing,
                &schedule,
                n,
                0.0,
                &mut x,
                &mut no_noise,
                &mut never,
            ),
            "ddim eta 0.5" => ddim(&Mixing, &schedule, n, 0.5, &mut x, &mut waves, &mut never),
            "dpm-solver++" => dpm_solver_pp_2m(&Mixing, &schedule, n, &mut x, &mut never),
            "euler" => euler(&Mixing, 0.0, end, n, &mut x, &mut never),
            "heun" => heun(&Mixing, 0.0, end, n, &mut x, &mut never),
            "ab2" => adams_bashforth(&Mixing, 0.0, end, n, &mut x, &mut never),
            other => panic!("unknown sampler {other}"),
        }
        .unwrap();
        for (found, expected) in x.iter().zip(numbers(expected)) {
            let error = (f64::from(*found) - expected).abs();
            assert!(
                error < 2e-5 * (1.0 + expected.abs()),
                "{key}: {found} {expected}"
            );
        }
    }
}

/// With noise of its own for every step, DDIM at eta 1 and DDPM are the same chain.
#[test]
fn ddim_at_eta_one_is_ddpm() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let noise = Noise::new(5);
    let mut draw = |i: usize, z: &mut [f32]| noise.normal(Purpose::Sampling, 0, i as u64, z);
    let (mut a, mut b) = ([0.3, -1.0, 0.5], [0.3, -1.0, 0.5]);
    ddpm(&Mixing, &schedule, 100, &mut a, &mut draw, &mut never).unwrap();
    ddim(&Mixing, &schedule, 100, 1.0, &mut b, &mut draw, &mut never).unwrap();
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{a} {b}");
    }
}

/// 4,000 samples: the standard error of the mean is .011, of the deviation .008.
#[test]
fn every_sampler_reproduces_a_gaussian() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let network = Gaussian {
        schedule: &schedule,
        mean: MEAN,
        deviation: DEVIATION,
    };
    let noise = Noise::new(11);
    let mut draw = |i: usize, z: &mut [f32]| noise.normal(Purpose::Sampling, 1, i as u64, z);
    for name in ["ddpm", "ddim", "ddim eta 0.5", "dpm-solver++"] {
        let mut x = vec![0.0; 4000];
        noise.normal(Purpose::Sampling, 0, 0, &mut x);
        match name {
            "ddpm" => ddpm(&network, &schedule, 1000, &mut x, &mut draw, &mut never),
            "ddim" => ddim(
                &network,
                &schedule,
                200,
                0.0,
                &mut x,
                &mut no_noise,
                &mut never,
            ),
            "ddim eta 0.5" => ddim(&network, &schedule, 200, 0.5, &mut x, &mut draw, &mut never),
            _ => dpm_solver_pp_2m(&network, &schedule, 200, &mut x, &mut never),
        }
        .unwrap();
        let n = x.len() as f64;
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = x
            .iter()
            .map(|v| (f64::from(*v) - mean).powi(2))
            .sum::<f64>()
            / n;
        assert!((mean - MEAN).abs() < 0.04, "{name}: mean {mean}");
        assert!(
            (variance.sqrt() - DEVIATION).abs() < 0.03,
            "{name}: variance {variance}"
        );
    }
}

/// The probability-flow solution for Gaussian data keeps x's standard score at every time. The log-SNR
/// is even in time here, so that the order is not blurred by the schedule, and the last step, to
/// no noise, is the posterior mean.
#[test]
fn dpm_solver_pp_is_of_second_order_and_ddim_of_first() {
    const STEPS: usize = 320;
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let schedule = Schedule {
        alpha_bar: (0..=STEPS)
            .map(|t| sigmoid(8.0 - 16.0 * t as f64 / STEPS as f64))
            .collect(),
    };
    let network = Gaussian {
        schedule: &schedule,
        mean: MEAN,
        deviation: DEVIATION,
    };
    let start = 1.3f32;
    let deviation_at = |t: usize| {
        let a = schedule.alpha_bar(t);
        (a * DEVIATION.powi(2) + 1.0 - a).sqrt()
    };
    let score = (f64::from(start) - schedule.alpha_bar(STEPS).sqrt() * MEAN) / deviation_at(STEPS);
    let gain = schedule.alpha_bar(0).sqrt() * DEVIATION.powi(2) / deviation_at(0);
    let exact = MEAN + gain * score;
    let error = |second: bool, intervals: usize| {
        let mut x = [start];
        if second {
            dpm_solver_pp_2m(&network, &schedule, intervals + 1, &mut x, &mut never)
        } else {
            ddim(
                &network,
                &schedule,
                intervals + 1,
                0.0,
                &mut x,
                &mut no_noise,
                &mut never,
            )
        }
        .unwrap();
        (f64::from(x[0]) - exact).abs()
    };
    let first = error(false, 40) / error(false, 80);
    let second = error(true, 40) / error(true, 80);
    assert!((1.7..2.4).contains(&first), "DDIM {first}");
    assert!((3.4..4.8).contains(&second), "DPM-Solver++ {second}");
    assert!(error(true, 80) < 0.1 * error(false, 80));
}

/// dx/dt = -x t, whose solution is x_0 exp(-t²/2).
struct Decay;

impl Denoiser for Decay {
    fn width(&self) -> usize {
        1
    }

    fn predict(&self, x: &[f32], time: f64, out: &mut [f32]) -> Result<()> {
        out[0] = (-f64::from(x[0]) * time) as f32;
        Ok(())
    }
}

#[test]
fn halving_the_step_halves_the_error_of_first_order_and_quarters_that_of_second() {
    let exact = 2.0 * (-0.5f64 * 1.5 * 1.5).exp();
    type Solver = fn(&dyn Denoiser, f64, f64, usize, &mut [f32], Tick) -> Result<()>;
    for (solve, order) in [(euler as Solver, 1), (heun, 2), (adams_bashforth, 2)] {
        let error = |steps| {
            let mut x = [2.0];
            solve(&Decay, 0.0, 1.5, steps, &mut x, &mut never).unwrap();
            (f64::from(x[0]) - exact).abs()
        };
        let found = (error(20) / error(40)).log2();
        assert!(
            (found - f64::from(order)).abs() < 0.3,
            "order {order}: {found}"
        );
    }
}

#[test]
fn a_step_count_the_schedule_lacks_is_refused() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    for steps in [0, 1001] {
        assert!(dpm_solver_pp_2m(&Mixing, &schedule, steps, &mut [0.0; 3], &mut never).is_err());
    }
    assert!(heun(&Mixing, 0.0, 1.0, 0, &mut [0.0; 3], &mut never).is_err());
}

#[test]
fn cancelling_ends_the_sampling_at_the_next_step() {
    let schedule = Schedule::linear(1000, 1e-4, 0.02);
    let mut seen = 0;
    let mut tick = |i: usize| {
        seen = i;
        if i == 3 {
            Err(crate::Error::Cancelled)
        } else {
            Ok(())
        }
    };
    let result = dpm_solver_pp_2m(&Mixing, &schedule, 50, &mut [0.0; 3], &mut tick);
    assert!(matches!(result, Err(crate::Error::Cancelled)));
    assert_eq!(seen, 3);
}
