//! Sampling much: memory holds a batch, whatever the number of networks. One test, as the peak of a
//! process's memory is read.

use std::path::Path;

use pdiff::{Cancel, Generator, SampleOptions};

/// The most memory that this process has held, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().next().unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

#[test]
fn two_hundred_thousand_networks_pass_through_a_callback_in_the_memory_of_a_batch() {
    const COUNT: usize = 200_000;
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/generators/gaussian.pdiff");
    let generator = Generator::open(&file).unwrap();
    let parameters = generator.layout().parameters();
    let options = |first: u64, count: usize| SampleOptions {
        first,
        count,
        seed: 3,
        ..SampleOptions::default()
    };
    let mut middle = vec![0.0; parameters];
    let mut visited = 0;
    // The first batch brings what every batch uses.
    generator
        .sample_each(&options(0, 1000), &Cancel::new(), &mut |_, _| Ok(()))
        .unwrap();
    let before = peak();
    generator
        .sample_each(
            &options(0, COUNT),
            &Cancel::new(),
            &mut |number, network| {
                assert_eq!(number, visited);
                visited += 1;
                if number == COUNT as u64 / 2 {
                    middle.copy_from_slice(network);
                }
                Ok(())
            },
        )
        .unwrap();
    let taken = peak() - before;
    assert_eq!(visited, COUNT as u64);
    // The networks together have 4.8 MB.
    assert!(taken < 1 << 20, "{taken} bytes");
    let mut alone = vec![0.0; parameters];
    generator
        .sample(&options(COUNT as u64 / 2, 1), &Cancel::new(), &mut alone)
        .unwrap();
    assert_eq!(alone, middle);
}
