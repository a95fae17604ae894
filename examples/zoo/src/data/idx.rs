//! The idx format of MNIST (yann.lecun.com/exdb/mnist): sizes as big-endian words, then bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use super::{Moments, Raw, Shape};

/// A pair of idx files, as published or compressed by gzip.
pub fn read(folder: &Path, prefix: &str, moments: Moments) -> Result<Raw> {
    let part = |kind: &str, magic: u32, header: usize| -> Result<(Vec<usize>, Vec<u8>)> {
        let mut path = folder.join(format!("{prefix}-{kind}-ubyte"));
        if !path.exists() {
            path.set_extension("gz");
        }
        let mut bytes = Vec::new();
        let mut file =
            File::open(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        match path.extension() {
            Some(_) => GzDecoder::new(file).read_to_end(&mut bytes),
            None => file.read_to_end(&mut bytes),
        }
        .with_context(|| format!("{}: cannot be read", path.display()))?;
        let words: Vec<usize> = bytes
            .as_chunks()
            .0
            .iter()
            .take(header)
            .map(|&word| u32::from_be_bytes(word) as usize)
            .collect();
        ensure!(
            words.len() == header
                && words[0] == magic as usize
                && bytes.len() - 4 * header == words[1..].iter().product::<usize>(),
            "{}: not a whole idx file",
            path.display()
        );
        Ok((words[1..].to_vec(), bytes.split_off(4 * header)))
    };
    let (sizes, pixels) = part("images-idx3", 0x803, 4)?;
    let (counts, labels) = part("labels-idx1", 0x801, 2)?;
    ensure!(
        sizes[0] == counts[0],
        "{prefix}: {} images, {} labels",
        sizes[0],
        counts[0]
    );
    Ok(Raw {
        shape: Shape {
            channels: 1,
            height: sizes[1],
            width: sizes[2],
        },
        moments,
        pixels,
        labels,
    })
}
