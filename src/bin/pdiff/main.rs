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

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use args::{Arguments, Command};
use output::Answer;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    output::deliver(run(&arguments.command), arguments.json)
}

/// Help and the version are what was asked for; all else is wrong usage.
fn misused(error: &clap::Error) -> ExitCode {
    let asked = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if asked.contains(&error.kind()) {
        error.exit();
    }
    let known = Arguments::command();
    let named = std::env::args().find(|word| known.find_subcommand(word).is_some());
    let command = named.map_or("pdiff".into(), |name| format!("pdiff {name}"));
    output::say(&output::misused(error, &command));
    ExitCode::from(output::MISUSED)
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
