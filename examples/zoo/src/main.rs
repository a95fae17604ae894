//! `zoo train` makes a collection of networks from one training run; `zoo score` tests networks on images.

mod collect;
mod data;
mod nets;
mod score;
mod train;

use clap::Parser;

#[derive(Parser)]
#[command(
    about = "Trains collections of small image classifiers, and scores networks of the same architectures"
)]
enum Command {
    /// Train a network and save consecutive steps, one safetensors file each
    Train(train::Options),
    /// Print one JSON object per network file: its accuracy and its predictions
    Score(score::Options),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Train(options) => train::run(&options),
        Command::Score(options) => score::run(&options),
    }
}
