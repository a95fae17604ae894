//! Times of the default engine on a job of the published code's size: 300 snapshots of 2,048
//! parameters, and networks of 2,048 and 26,506 parameters from it. `cargo bench --bench engine`.

use std::path::PathBuf;

use divan::Bencher;
use pdiff::{
    Cancel, CollectOptions, Dtype, Generator, Result, SampleOptions, Snapshot, SnapshotSource,
    Tensor, TensorSpec, TrainOptions, collect, train,
};
use tempfile::TempDir;

const SNAPSHOTS: usize = 300;

fn main() {
    divan::main();
}

/// Weights on a smooth curve with noise, as a training run's are; the time does not depend on them.
struct Curve {
    parameters: usize,
}

impl SnapshotSource for Curve {
    fn len(&self) -> usize {
        SNAPSHOTS
    }

    fn name(&self, index: usize) -> String {
        format!("step {index}")
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let t = index as f32 / SNAPSHOTS as f32;
        let values: Vec<f32> = (0..self.parameters)
            .map(|d| {
                let phase = d as f32 * 0.37;
                (t * 3.0 + phase).sin() + 0.1 * (index as f32 * 12.9898 + phase * 78.233).sin()
            })
            .collect();
        let spec = TensorSpec::new("fc.weight", &[self.parameters], Dtype::F32);
        Ok(Snapshot {
            tensors: vec![Tensor::from_f32(spec, &values)],
            ..Snapshot::default()
        })
    }
}

fn collected(parameters: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zoo = folder.path().join("zoo");
    collect(
        &zoo,
        &Curve { parameters },
        &CollectOptions::default(),
        &mut |_| Ok(()),
    )
    .expect("a collection");
    (folder, zoo)
}

fn trained(parameters: usize) -> (TempDir, Generator) {
    let (folder, zoo) = collected(parameters);
    let file = folder.path().join("net.pdiff");
    let options = TrainOptions {
        steps: Some(50),
        ..TrainOptions::default()
    };
    train(&zoo, &file, &options, &Cancel::new(), &mut |_| Ok(())).expect("a generator");
    let generator = Generator::open(&file).expect("the generator opens");
    (folder, generator)
}

/// A whole training with the default settings.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn train_2048(bencher: Bencher) {
    let (folder, zoo) = collected(2048);
    let file = folder.path().join("net.pdiff");
    bencher.bench_local(|| {
        train(
            &zoo,
            &file,
            &TrainOptions::default(),
            &Cancel::new(),
            &mut |_| Ok(()),
        )
    });
}

fn sample(bencher: Bencher, parameters: usize, count: usize, threads: usize) {
    let (_folder, generator) = trained(parameters);
    let options = SampleOptions {
        count,
        threads,
        ..SampleOptions::default()
    };
    let mut out = vec![0.0; count * parameters];
    bencher.bench_local(|| generator.sample(&options, &Cancel::new(), &mut out));
}

/// One network with the default steps on one thread.
#[divan::bench(args = [2048, 26_506], sample_count = 50)]
fn sample_one(bencher: Bencher, parameters: usize) {
    sample(bencher, parameters, 1, 1);
}

/// 200 networks on all cores.
#[divan::bench(args = [2048, 26_506], sample_count = 20)]
fn sample_200(bencher: Bencher, parameters: usize) {
    sample(bencher, parameters, 200, 0);
}
