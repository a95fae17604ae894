//! Samples again and again for a profiler to look at: `profile PARAMETERS NETWORKS`, as `benches/sampling_profile.py`
//! runs it under perf. One thread, for five seconds.

mod job;
mod trained;

use std::time::{Duration, Instant};

use pdiff::{Cancel, Generator, Result, SampleOptions};
use trained::trained;

const SNAPSHOTS: usize = 300;
const LASTS: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = || {
        numbers
            .next()
            .expect("PARAMETERS NETWORKS")
            .expect("a number")
    };
    let (parameters, count) = (next(), next());
    let (_folder, file) = trained(SNAPSHOTS, parameters, 50)?;
    let generator = Generator::open(&file)?;
    let options = SampleOptions {
        count,
        threads: 1,
        ..SampleOptions::default()
    };
    let mut out = vec![0.0; count * parameters];
    let begun = Instant::now();
    while begun.elapsed() < LASTS {
        generator.sample(&options, &Cancel::new(), &mut out)?;
    }
    Ok(())
}
