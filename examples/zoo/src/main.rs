//! `zoo train` and `zoo population` make collections of networks; `zoo score` tests networks on images, `zoo polish`
//! trains them on, and `zoo export` writes what libpdiff's own polish needs.

mod architecture;
mod collect;
mod data;
mod export;
mod members;
mod parallel;
mod polish;
mod population;
mod probe;
mod recipe;
mod score;
mod train;
mod training;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(
    about = "Trains collections of small image classifiers, and scores networks of the same architectures"
)]
enum Command {
    /// Train a network and save consecutive steps, one safetensors file each
    Train(train::Options),
    /// Train many networks, each by itself or all branched from one warm-up
    Population(population::Options),
    /// Print one JSON object per network file: its accuracy and its predictions
    Score(score::Options),
    /// Train networks on for a few steps, each in its file
    Polish(polish::Options),
    /// Write what `pdiff sample --polish` needs: the training images as a probe, and the architecture's spec
    Export(export::Options),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Train(options) => train::run(&options),
        Command::Population(options) => population::run(&options),
        Command::Score(options) => score::run(&options),
        Command::Polish(options) => polish::run(&options),
        Command::Export(options) => export::run(&options),
    };
    // One line, whatever RUST_BACKTRACE says: `pdiff evaluate` shows a program's last.
    if let Err(error) = done {
        eprintln!("zoo: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
