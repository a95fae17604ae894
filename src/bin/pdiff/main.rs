//! The command line: a thin layer over the library's public interface.
//!
//! Every command returns an [`Answer`]; what it shows on the way is [`progress`]'s.

mod align;
mod args;
mod collect;
mod condition;
mod evaluate;
mod generate;
mod inspect;
mod output;
mod progress;
mod report;
mod sample;
mod sampling;
mod train;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use output::Answer;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    output::deliver(run(&arguments.command), arguments.json)
}

fn run(command: &Command) -> pdiff::Result<Answer> {
    match command {
        Command::Collect(options) => collect::run(options),
        Command::Align(options) => align::run(options),
        Command::Train(options) => train::run(options),
        Command::Sample(options) => sample::run(options),
        Command::Evaluate(options) => evaluate::run(options),
        Command::Report(options) => report::run(options),
        Command::Inspect(options) => inspect::run(options),
        Command::Completions(options) => generate::completions(options),
        Command::Man(options) => generate::man(options),
    }
}
