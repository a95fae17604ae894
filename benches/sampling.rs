//! Sampling against the machine's limit: networks of the default engine at several sizes, batches and
//! thread counts, beside what the measured matrix-product rate and memory bandwidth allow.
//!
//! `cargo bench --bench sampling -- [--largest PARAMETERS] [-o FILE.json]` prints a table of medians and
//! writes every figure as JSON, the seconds of a whole job of the published code's size among them. What a call
//! holds is the process's peak while it runs, generator and result with it, without what the process had before.

mod job;
mod peak;
mod trained;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use job::collected;
use pdiff::{Cancel, Generator, Result, SampleOptions, train};
use serde_json::{Value, json};
use trained::trained;

/// Parameters, and the snapshots that the generator is made from.
const SIZES: [(usize, usize); 5] = [
    (2_048, 300),
    (26_506, 300),
    (262_144, 300),
    (5_000_000, 50),
    (25_000_000, 50),
];
const BATCHES: [usize; 3] = [1, 32, 1024];
const THREADS: [usize; 2] = [1, 2];
/// Numbers of one request at most: 4 GB.
const MOST: usize = 1 << 30;
/// Networks that are streamed, of how many parameters.
const STREAMED: (usize, usize) = (10_000, 26_506);
/// Runs of what takes seconds.
const REPEATED: usize = 3;
/// Seconds that one figure may take, and the runs it takes at least and at most.
const SECONDS: f64 = 2.0;
const RUNS: (usize, usize) = (5, 200);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    let largest = after("--largest").map_or(5_000_000, |n| n.parse().expect("a number"));
    let limits: Vec<Limit> = THREADS.into_iter().map(Limit::measured).collect();
    for limit in &limits {
        println!(
            "{} thread(s): {:.0} GFLOP/s of single-precision products, {:.1} GB/s of reading, {:.1} of writing",
            limit.threads, limit.products, limit.reading, limit.writing
        );
    }
    println!(
        "{:>10} {:>7} {:>7} {:>8} {:>11} {:>11} {:>11} {:>11} {:>6} {:>8}",
        "parameters",
        "latents",
        "batch",
        "threads",
        "median ms",
        "fastest",
        "slowest",
        "limit",
        "share",
        "peak MB"
    );
    let (mut rows, mut crates, mut stream) = (Vec::new(), Vec::new(), Value::Null);
    let mut settings = Value::Null;
    for (parameters, snapshots) in SIZES.into_iter().filter(|(n, _)| *n <= largest) {
        let (_folder, file) = trained(snapshots, parameters, 50)?;
        let before = peak::resident();
        let generator = Generator::open(&file)?;
        settings = generator.about().config.clone();
        let latents = settings["latents"].as_u64().unwrap_or(0) as usize;
        for batch in BATCHES.into_iter().filter(|n| n * parameters <= MOST) {
            for limit in &limits {
                peak::reset();
                let times = timed(&generator, batch, limit.threads)?;
                let held = peak::bytes().saturating_sub(before);
                rows.push(row(parameters, latents, batch, limit, &times, held));
            }
            if 4 * latents * parameters < CRATES {
                crates.push(of_crates(parameters, latents, batch));
            }
        }
        if parameters == STREAMED.1 {
            stream = streamed(&generator)?;
        }
    }
    if let Some(path) = after("-o") {
        let result = json!({
            "bench": "sampling",
            "version": env!("CARGO_PKG_VERSION"),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "flow": settings["flow"],
            "steps": settings["steps"],
            "whole_job": whole_job()?,
            "streamed": stream,
            "crates": crates,
            "limits": limits.iter().map(Limit::json).collect::<Vec<_>>(),
            "rows": rows,
        });
        let text = serde_json::to_string_pretty(&result).expect("JSON") + "\n";
        std::fs::write(PathBuf::from(path), text).expect("a file that can be written");
    }
    Ok(())
}

/// Bytes of a decoder whose product is made by crates of matrix products too.
const CRATES: usize = 1 << 29;

/// Milliseconds of the decoder's product alone on one thread, by crates that could make it.
fn of_crates(parameters: usize, latents: usize, batch: usize) -> Value {
    let a = vec![0.5f32; batch * latents];
    let b = vec![0.25f32; latents * parameters];
    let mut out = vec![0.0f32; batch * parameters];
    let median = |mut product: Box<dyn FnMut() + '_>| {
        let mut times: Vec<f64> = (0..RUNS.0)
            .map(|_| {
                let start = Instant::now();
                product();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[RUNS.0 / 2]
    };
    let (k, m) = (latents as isize, parameters as isize);
    let to = out.as_mut_ptr();
    // SAFETY: matrices [batch, latents], [latents, parameters] and [batch, parameters].
    let gemm = median(Box::new(|| unsafe {
        gemm::gemm(
            batch,
            parameters,
            latents,
            to,
            1,
            m,
            false,
            a.as_ptr(),
            1,
            k,
            b.as_ptr(),
            1,
            m,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }));
    // SAFETY: as above.
    let matrixmultiply = median(Box::new(|| unsafe {
        matrixmultiply::sgemm(
            batch,
            latents,
            parameters,
            1.0,
            a.as_ptr(),
            k,
            1,
            b.as_ptr(),
            m,
            1,
            0.0,
            to,
            m,
            1,
        );
    }));
    black_box(&mut out);
    json!({
        "parameters": parameters,
        "batch": batch,
        "gemm_ms": gemm,
        "matrixmultiply_ms": matrixmultiply,
    })
}

/// Seconds of many networks, one after another to a callback and to files, and what the process holds beside the
/// generator.
fn streamed(generator: &Generator) -> Result<Value> {
    let options = SampleOptions {
        count: STREAMED.0,
        ..SampleOptions::default()
    };
    let cancel = Cancel::new();
    let before = peak::resident();
    peak::reset();
    let callback = seconds(|| {
        generator.sample_each(&options, &cancel, &mut |_, network| {
            black_box(network);
            Ok(())
        })
    })?;
    let files = seconds(|| {
        let folder = tempfile::tempdir().expect("a folder for networks");
        generator.sample_files(&options, &cancel, folder.path())
    })?;
    let held = peak::bytes().saturating_sub(before);
    println!(
        "{} networks of {} parameters: {:.2} s to a callback, {:.2} s to files, {:.0} MB held",
        STREAMED.0,
        STREAMED.1,
        callback["median"].as_f64().unwrap_or(f64::NAN),
        files["median"].as_f64().unwrap_or(f64::NAN),
        held as f64 / 1e6
    );
    Ok(json!({
        "networks": STREAMED.0,
        "parameters": STREAMED.1,
        "callback_seconds": callback,
        "file_seconds": files,
        "peak_bytes": held,
    }))
}

/// The median, fastest and slowest of some runs.
fn seconds<T>(mut work: impl FnMut() -> Result<T>) -> Result<Value> {
    let mut times = Vec::new();
    for _ in 0..REPEATED {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "median": times[REPEATED / 2],
        "fastest": times[0],
        "slowest": times[REPEATED - 1],
    }))
}

/// Seconds of the job of the published code's example: 300 snapshots of 2,048 parameters, a generator
/// by the default settings, 200 networks as files; the median run of some, and the fastest and slowest.
fn whole_job() -> Result<Value> {
    let mut jobs = (0..REPEATED)
        .map(|_| one_job())
        .collect::<Result<Vec<_>>>()?;
    let all = |job: &Value| job["seconds"].as_f64().unwrap_or(f64::NAN);
    jobs.sort_by(|a, b| all(a).total_cmp(&all(b)));
    let mut median = jobs[REPEATED / 2].clone();
    median["fastest_seconds"] = jobs[0]["seconds"].clone();
    median["slowest_seconds"] = jobs[REPEATED - 1]["seconds"].clone();
    Ok(median)
}

fn one_job() -> Result<Value> {
    let start = Instant::now();
    let (folder, zoo) = collected(300, 2048)?;
    let collecting = start.elapsed().as_secs_f64();
    let file = folder.path().join("net.pdiff");
    train(
        &zoo,
        &file,
        &Default::default(),
        &Cancel::new(),
        &mut |_| Ok(()),
    )?;
    let training = start.elapsed().as_secs_f64() - collecting;
    let options = SampleOptions {
        count: 200,
        ..SampleOptions::default()
    };
    let networks = folder.path().join("networks");
    Generator::open(&file)?.sample_files(&options, &Cancel::new(), &networks)?;
    let all = start.elapsed().as_secs_f64();
    println!(
        "300 snapshots of 2,048 parameters, 200 networks as files: {all:.1} s, {training:.1} of them training"
    );
    Ok(json!({
        "collect_seconds": collecting,
        "train_seconds": training,
        "sample_seconds": all - training - collecting,
        "seconds": all,
    }))
}

/// Milliseconds of each run.
fn timed(generator: &Generator, batch: usize, threads: usize) -> Result<Vec<f64>> {
    let options = SampleOptions {
        count: batch,
        threads,
        ..SampleOptions::default()
    };
    let mut out = vec![0.0; batch * generator.layout().parameters()];
    let mut run = || -> Result<f64> {
        let start = Instant::now();
        generator.sample(&options, &Cancel::new(), &mut out)?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    run()?;
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < RUNS.0 || times.len() < RUNS.1 && begin.elapsed().as_secs_f64() < SECONDS {
        times.push(run()?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn row(
    parameters: usize,
    latents: usize,
    batch: usize,
    limit: &Limit,
    times: &[f64],
    held: u64,
) -> Value {
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let least = limit.milliseconds(parameters, latents, batch);
    println!(
        "{parameters:>10} {latents:>7} {batch:>7} {:>8} {median:>11.3} {:>11.3} {slowest:>11.3} \
         {least:>11.3} {:>5.0}% {:>8.1}",
        limit.threads,
        times[0],
        100.0 * least / median,
        held as f64 / 1e6
    );
    json!({
        "parameters": parameters,
        "latents": latents,
        "batch": batch,
        "threads": limit.threads,
        "runs": times.len(),
        "median_ms": median,
        "fastest_ms": times[0],
        "slowest_ms": slowest,
        "limit_ms": least,
        "peak_bytes": held,
    })
}

/// What this machine can do with so many threads.
struct Limit {
    threads: usize,
    /// 10^9 floating-point operations a second in a matrix product.
    products: f64,
    /// 10^9 bytes a second read from memory.
    reading: f64,
    /// 10^9 bytes a second written to memory.
    writing: f64,
}

impl Limit {
    fn measured(threads: usize) -> Limit {
        const N: usize = 768;
        // More than a cache holds, that of a server's processor too: a gigabyte for each thread.
        const NUMBERS: usize = 1 << 27;
        let bytes = (threads * NUMBERS * size_of::<u64>()) as f64;
        let flops = 2.0 * (N * N * N) as f64;
        let products = best(threads, || {
            let (a, b, mut c) = (
                vec![0.5f32; N * N],
                vec![0.25f32; N * N],
                vec![0.0f32; N * N],
            );
            move || {
                let stride = N as isize;
                // SAFETY: three N x N matrices.
                unsafe {
                    matrixmultiply::sgemm(
                        N,
                        N,
                        N,
                        1.0,
                        a.as_ptr(),
                        stride,
                        1,
                        b.as_ptr(),
                        stride,
                        1,
                        0.0,
                        c.as_mut_ptr(),
                        stride,
                        1,
                    );
                }
                black_box(&mut c);
            }
        });
        let reading = best(threads, || {
            let numbers = vec![1u64; NUMBERS];
            move || {
                // Few enough sums to stay in registers, and enough of them that none waits for the one before.
                let mut sums = [0u64; 16];
                for part in numbers.as_chunks::<16>().0 {
                    let sums = sums.iter_mut().zip(part);
                    sums.for_each(|(sum, x)| *sum = sum.wrapping_add(*x));
                }
                black_box(sums);
            }
        });
        let writing = best(threads, || {
            let mut numbers = vec![1u64; NUMBERS];
            move || {
                numbers.fill(black_box(2));
                black_box(&mut numbers);
            }
        });
        Limit {
            threads,
            products: threads as f64 * flops / products / 1e9,
            reading: bytes / reading / 1e9,
            writing: bytes / writing / 1e9,
        }
    }

    /// Of decoding, which is the work that grows with the network: its product, or reading the
    /// decoder and writing the networks once, whichever takes longer.
    fn milliseconds(&self, parameters: usize, latents: usize, batch: usize) -> f64 {
        let product = 2.0 * (parameters * latents * batch) as f64 / self.products;
        let read = 4.0 * (parameters * latents) as f64 / self.reading;
        let written = 4.0 * (parameters * batch) as f64 / self.writing;
        product.max(read + written) / 1e6
    }

    fn json(&self) -> Value {
        json!({
            "threads": self.threads,
            "gflops": self.products,
            "gigabytes_read_per_second": self.reading,
            "gigabytes_written_per_second": self.writing,
        })
    }
}

/// Seconds of the fastest of several rounds in which every thread does the work once.
fn best<W: FnMut() + Send>(threads: usize, prepare: impl Fn() -> W) -> f64 {
    let mut works: Vec<W> = (0..threads).map(|_| prepare()).collect();
    let mut fastest = f64::INFINITY;
    for _ in 0..12 {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for work in &mut works {
                scope.spawn(work);
            }
        });
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    fastest
}
