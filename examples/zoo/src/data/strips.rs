//! CIFAR-10 as lossless PNG strips.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Moments, Raw, Shape};

/// PNG strips of 32x32 RGB images, one image in each row of 1,024 pixels.
pub fn read(folder: &Path, names: &[&str], labels: &str, moments: Moments) -> Result<Raw> {
    const PIXELS: usize = 32 * 32;
    let mut pixels = Vec::new();
    for name in names {
        let path = folder.join(name);
        let unreadable = || format!("{}: cannot be read", path.display());
        let file = File::open(&path).with_context(unreadable)?;
        let mut reader = png::Decoder::new(BufReader::new(file))
            .read_info()
            .with_context(unreadable)?;
        let info = reader.info();
        ensure!(
            info.width as usize == PIXELS
                && info.color_type == png::ColorType::Rgb
                && info.bit_depth == png::BitDepth::Eight,
            "{}: not a strip of 32x32 RGB images",
            path.display()
        );
        while let Some(row) = reader.next_row().with_context(unreadable)? {
            let start = pixels.len();
            pixels.resize(start + 3 * PIXELS, 0);
            for (i, rgb) in row.data().chunks_exact(3).enumerate() {
                for channel in 0..3 {
                    pixels[start + channel * PIXELS + i] = rgb[channel];
                }
            }
        }
    }
    let path = folder.join(labels);
    let file = File::open(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let labels: Vec<u8> = serde_json::from_reader(BufReader::new(file))
        .with_context(|| format!("{}: not a list of classes", path.display()))?;
    ensure!(
        labels.len() * 3 * PIXELS == pixels.len(),
        "{}: {} labels for {} images",
        path.display(),
        labels.len(),
        pixels.len() / (3 * PIXELS)
    );
    Ok(Raw {
        shape: Shape {
            channels: 3,
            height: 32,
            width: 32,
        },
        moments,
        pixels,
        labels,
    })
}
