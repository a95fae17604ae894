//! Eight generated networks vote on ten images: vote GENERATOR IMAGES

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use pdiff::{Cancel, Generator, SampleOptions};

const IMAGES: usize = 10;
const PIXELS: usize = 49;
const HIDDEN: usize = 16;
const CLASSES: usize = 10;

/// A product of two float32 is exact in f64, so every compiler and machine gets the same sums.
fn dot(a: &[f32], b: &[f32], bias: f32) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.fold(f64::from(bias), |sum, product| sum + product)
}

/// The first of the highest.
fn highest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// Runs a network of fc1.weight [16, 49], fc1.bias [16], fc2.weight [10, 16] and fc2.bias [10].
fn class_of(network: &[f32], image: &[f32]) -> usize {
    let (weight1, rest) = network.split_at(HIDDEN * PIXELS);
    let (bias1, rest) = rest.split_at(HIDDEN);
    let (weight2, bias2) = rest.split_at(CLASSES * HIDDEN);
    let features: Vec<f32> = weight1
        .chunks_exact(PIXELS)
        .zip(bias1)
        .map(|(row, bias)| dot(row, image, *bias).max(0.0) as f32)
        .collect();
    let logits: Vec<f64> = weight2
        .chunks_exact(HIDDEN)
        .zip(bias2)
        .map(|(row, bias)| dot(row, &features, *bias))
        .collect();
    highest(&logits)
}

fn vote(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [generator, images] = arguments else {
        return Err("give a generator and a file of ten images".into());
    };
    let bytes = std::fs::read(images)?;
    let shown: Vec<f32> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    if shown.len() != IMAGES * PIXELS {
        return Err(format!("{images}: not a file of ten images").into());
    }

    let generator = Generator::open(Path::new(generator))?;
    let options = SampleOptions {
        count: 8,
        seed: 1,
        ..Default::default()
    };
    let parameters = generator.layout().parameters();
    let mut networks = vec![0.0; options.count * parameters];
    generator.sample(&options, &Cancel::new(), &mut networks)?;
    let mut others = 0;
    for (i, image) in shown.chunks_exact(PIXELS).enumerate() {
        let mut votes = [0; CLASSES];
        for network in networks.chunks_exact(parameters) {
            votes[class_of(network, image)] += 1;
        }
        let winner = highest(&votes);
        let disagree = options.count - votes[winner];
        println!(
            "image {i}: class {winner}, {disagree} of {} networks disagree",
            options.count
        );
        others += disagree;
    }
    println!("disagreement: {others} of {} votes", options.count * IMAGES);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match vote(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vote: {error}");
            ExitCode::FAILURE
        }
    }
}
