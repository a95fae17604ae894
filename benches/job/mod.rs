//! Collections to time work on, of any size. Their numbers are made up; times do not depend on
//! them.

use std::path::PathBuf;

use pdiff::{CollectOptions, Dtype, Result, Snapshot, SnapshotSource, Tensor, TensorSpec, collect};
use tempfile::TempDir;

/// Weights on a smooth curve with noise, as a training run's are.
struct Curve {
    snapshots: usize,
    parameters: usize,
}

impl SnapshotSource for Curve {
    fn len(&self) -> usize {
        self.snapshots
    }

    fn name(&self, index: usize) -> String {
        format!("step {index}")
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let t = index as f32 / self.snapshots as f32;
        let mut state = index as u32 + 1;
        let values: Vec<f32> = (0..self.parameters)
            .map(|d| {
                // A linear congruential generator (Numerical Recipes).
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
                (t * 3.0 + d as f32 * 0.37).sin() + 0.3 * noise
            })
            .collect();
        let spec = TensorSpec::new("fc.weight", &[self.parameters], Dtype::F32);
        Ok(Snapshot {
            tensors: vec![Tensor::from_f32(spec, &values)],
            ..Snapshot::default()
        })
    }
}

/// A collection, in a folder that goes with the returned guard.
pub fn collected(snapshots: usize, parameters: usize) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zoo = folder.path().join("zoo");
    let source = Curve {
        snapshots,
        parameters,
    };
    collect(&zoo, &source, &CollectOptions::default(), &mut |_| Ok(()))?;
    Ok((folder, zoo))
}
