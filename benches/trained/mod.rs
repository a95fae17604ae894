//! Generators to time, of any size.

use std::path::PathBuf;

use pdiff::{Cancel, Result, TrainOptions, train};
use tempfile::TempDir;

use crate::job::collected;

/// A generator of a made-up collection, trained for as many steps.
pub fn trained(snapshots: usize, parameters: usize, steps: u64) -> Result<(TempDir, PathBuf)> {
    let (folder, zoo) = collected(snapshots, parameters)?;
    let file = folder.path().join("net.pdiff");
    let options = TrainOptions {
        steps: Some(steps),
        ..TrainOptions::default()
    };
    train(&zoo, &file, &options, &Cancel::new(), &mut |_| Ok(()))?;
    Ok((folder, file))
}
