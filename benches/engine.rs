//! Times of the default engine on a job of the published code's size: 300 snapshots of 2,048
//! parameters, and networks of 2,048 and 26,506 parameters from it. `cargo bench --bench engine`.

mod job;
mod trained;

use divan::Bencher;
use job::collected;
use pdiff::{Cancel, Generator, SampleOptions, TrainOptions, train};
use trained::trained;

const SNAPSHOTS: usize = 300;

fn main() {
    divan::main();
}

/// A whole training with the default settings.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn train_2048(bencher: Bencher) {
    let (folder, zoo) = collected(SNAPSHOTS, 2048).expect("a collection");
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
    let (_folder, file) = trained(SNAPSHOTS, parameters, 50).expect("a generator");
    let generator = Generator::open(&file).expect("the generator opens");
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
