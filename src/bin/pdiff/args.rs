//! Every command and flag; help, man pages and completions come from here.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pdiff::{Device, Dtype, EngineName, Sampler};

use crate::condition::{Named, Wanted};
use crate::evaluate::Elsewhere;

/// Learn a generator of neural-network weights from checkpoints, and sample
/// ready-to-use networks from it
#[derive(Parser)]
#[command(
    name = "pdiff",
    version,
    max_term_width = 80,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
A session:
  pdiff collect zoo/ runs/*.safetensors         checkpoints of one architecture
  pdiff align zoo/ -o aligned/                  where they are of many seeds
  pdiff train zoo/ -o net.pdiff                 learn their generator
  pdiff sample net.pdiff -n 200 --seed 1 -o out/
                                                200 networks, one file each
  pdiff evaluate net.pdiff --score './score {file}'
                                                beside originals and baselines
  pdiff report net.pdiff -o report.html         one page with the pictures

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong usage."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// Print the result, or the error, as one JSON value on stdout
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Command {
    Collect(Collect),
    Align(Align),
    Train(Train),
    Sample(Sample),
    Evaluate(Evaluate),
    Report(Report),
    Inspect(Inspect),
    Completions(Completions),
    Man(Man),
}

/// Append checkpoints to a collection
///
/// Reads safetensors and PyTorch state dicts (.pt, .pth; no code in them is
/// run). All of a call's files are added or none. The first call makes the
/// folder and decides which tensors are generated; the others are kept once and
/// handed back with every sampled network.
#[derive(Args)]
#[command(after_help = "\
Example:
  pdiff collect zoo/ runs/*.safetensors --select 'head.*' --select '!*.bias'

A table gives each file its own condition and metrics:
  {\"conditions\": [\"speed\"],
   \"snapshots\": {\"runs/a.safetensors\": {\"condition\": [1.0],
                                        \"metrics\": {\"accuracy\": 0.9}}}}")]
pub struct Collect {
    /// The collection's folder; made when it is not there
    pub collection: PathBuf,
    /// Checkpoints of one architecture
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Generate only tensors whose name matches; * crosses dots, a leading !
    /// excludes [default: every floating-point tensor]
    #[arg(long, value_name = "GLOB")]
    pub select: Vec<String>,
    /// A number of the condition, for all files of this call; repeat in the
    /// same order in every call
    #[arg(long, value_name = "NAME=VALUE")]
    pub condition: Vec<Named>,
    /// Conditions and metrics per file, as JSON; files are named as on the
    /// command line
    #[arg(long, value_name = "FILE.json", conflicts_with = "condition")]
    pub table: Option<PathBuf>,
}

/// Write a copy of a collection whose hidden units are in one order
///
/// Networks of different seeds have their hidden units in different orders. Here
/// each snapshot's are brought into the order of their mean, by weight matching;
/// every network computes what it did. The symmetry comes from FILE.json, or from
/// the collection, or is read off names and shapes where these leave no doubt.
#[derive(Args)]
#[command(after_help = "\
Example:
  pdiff align zoo/ -o aligned/ && pdiff train aligned/ -o net.pdiff")]
pub struct Align {
    /// The collection's folder
    pub collection: PathBuf,
    /// The new folder
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Align to the snapshots of this collection, which is aligned already, and not
    /// to the collection's own
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["rounds", "activations"])]
    pub to: Option<PathBuf>,
    /// A symmetry spec, as pdiff inspect --symmetry prints one
    #[arg(long, value_name = "FILE.json")]
    pub spec: Option<PathBuf>,
    /// Attention heads of a vision transformer, which are then permuted too
    #[arg(long, value_name = "COUNT", conflicts_with = "spec")]
    pub heads: Option<usize>,
    /// Times that all snapshots are aligned to their mean to find the next
    #[arg(long, default_value_t = 4)]
    pub rounds: usize,
    /// Match units by what they do on the inputs in this file, one tensor
    /// [inputs, ...], and not by their weights; the spec needs a chain
    #[arg(long, value_name = "INPUTS", conflicts_with = "rounds")]
    pub activations: Option<PathBuf>,
    /// Bring rectified units to one scale too, where the spec has scalings or a
    /// chain
    #[arg(long, requires = "spec")]
    pub balance: bool,
    /// Keys the order in which groups of units are matched
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>, allow_negative_numbers = true)]
    pub seed: u64,
    /// Threads; 0 takes one per core
    #[arg(long, default_value_t = 0, value_parser = whole::<usize>, allow_negative_numbers = true)]
    pub threads: usize,
}

/// Learn a generator from a collection
///
/// Needs no tuning. A training that was stopped or killed resumes when the same
/// command runs again. Gates check for collapsed and for copying generators: one
/// that fails them is written all the same, and said to be not good.
#[derive(Args)]
pub struct Train {
    /// The collection's folder
    pub collection: PathBuf,
    /// The generator file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// default: flow over principal components; paper: p-diff as published
    #[arg(long, default_value = "default", value_parser = engine())]
    pub engine: EngineName,
    /// f16: the default engine's file keeps its matrices in half the size; bf16:
    /// the paper engine rounds the operands of its training's products, which
    /// is faster where the processor or the GPU multiplies bfloat16
    #[arg(long, default_value = "f32", value_parser = precision())]
    pub precision: Dtype,
    /// Principal components that the default engine keeps at most, for a
    /// smaller file without what is beyond them [default: as many as the
    /// collection spans, up to 1,024, and what is beyond as noise]
    #[arg(long, value_name = "COUNT")]
    pub components: Option<usize>,
    /// Bring the snapshots' hidden units into one order first, as pdiff align does
    #[arg(long)]
    pub align: bool,
    /// Teach the generator what its networks should do, by their loss on these
    /// examples: a safetensors file with inputs [n, ...] and labels [n]
    #[arg(long, value_name = "FILE", group = "taught")]
    pub probe: Option<PathBuf>,
    /// Teach it what the snapshots do on random inputs, which needs no data; for
    /// classifiers, and the spec needs a chain
    #[arg(long, group = "taught")]
    pub distill: bool,
    /// Teach nothing: without this, --distill is what training does by itself
    /// where the spec's chain says that outputs are logits, snapshots turn out
    /// to be of different runs, and there are no conditions
    #[arg(long, conflicts_with = "taught")]
    pub untaught: bool,
    /// Teach it what scores high by a scoring program, as pdiff evaluate has it,
    /// where nothing has a gradient; it is asked for 64 networks at each step.
    /// Let it print a selection_score, or score on other examples than there
    #[arg(long, value_name = "COMMAND", group = "taught")]
    pub score: Option<String>,
    /// Steps of that [default: 5000, or 2000 with --score]
    #[arg(long, value_name = "STEPS", requires = "taught", value_parser = positive::<u64>, allow_negative_numbers = true)]
    pub behaviour_steps: Option<u64>,
    /// Examples that each of the 32 networks of a step gets [default: 256, or all
    /// where there are fewer]
    #[arg(long, value_name = "COUNT", requires = "taught", conflicts_with = "score", value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub behaviour_batch: Option<usize>,
    /// The symmetry spec to align by, as pdiff inspect --symmetry prints one; its
    /// chain is how the networks compute, by which they are taught [default: the
    /// collection's]
    #[arg(long, value_name = "FILE.json")]
    pub spec: Option<PathBuf>,
    /// Times that all snapshots are aligned to their mean to find the next [default: 4]
    #[arg(long, requires = "align", value_parser = whole::<usize>, allow_negative_numbers = true)]
    pub rounds: Option<usize>,
    /// Bring rectified units to one scale too, where the spec has scalings or a
    /// chain
    #[arg(long, requires = "spec", requires = "align")]
    pub balance: bool,
    /// Keys every random number
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>, allow_negative_numbers = true)]
    pub seed: u64,
    /// Steps of the denoiser's training [default: the engine's own]
    #[arg(long, value_parser = positive::<u64>, allow_negative_numbers = true)]
    pub steps: Option<u64>,
    /// Steps of the autoencoder's training (paper engine) [default: as published]
    #[arg(long, value_name = "STEPS", value_parser = positive::<u64>, allow_negative_numbers = true)]
    pub autoencoder_steps: Option<u64>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: Device,
}

/// Sample networks from a generator
///
/// Writes one safetensors file per network, network-000000.safetensors and so
/// on, with the names, shapes and dtypes of the collected checkpoints. Network i
/// of a seed is the same whatever the number of networks or threads.
#[derive(Args)]
pub struct Sample {
    /// The generator file
    pub generator: PathBuf,
    /// The folder for the networks; made when it is not there
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Networks to sample
    #[arg(short = 'n', long, default_value_t = 1, value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub count: usize,
    /// Keys every random number
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>, allow_negative_numbers = true)]
    pub seed: u64,
    /// Number of the first network
    #[arg(long, default_value_t = 0, value_name = "NUMBER", value_parser = whole::<u64>, allow_negative_numbers = true)]
    pub first: u64,
    #[command(flatten)]
    pub sampling: Sampling,
    #[command(flatten)]
    pub refinement: Refinement,
}

/// What networks go through before they are written.
#[derive(Args)]
pub struct Refinement {
    /// Networks to sample for each one, of which the best by --score, or by
    /// the loss on --probe, is written; candidates of network i are the samples
    /// i times COUNT and on
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub candidates: usize,
    /// The scoring program, as pdiff evaluate has it
    #[arg(long, value_name = "COMMAND", requires = "candidates")]
    pub score: Option<String>,
    /// Train each network for so many steps before it is written
    #[arg(long, value_name = "STEPS", requires = "probe", value_parser = positive::<u64>, allow_negative_numbers = true)]
    pub polish: Option<u64>,
    /// The examples to train on, and to compare candidates by: a safetensors file
    /// with inputs [n, ...] and labels [n]
    #[arg(long, value_name = "FILE")]
    pub probe: Option<PathBuf>,
    /// How the networks compute: a symmetry spec with a chain [default: the one
    /// that the generator's training aligned by]
    #[arg(long, value_name = "FILE.json", requires = "probe")]
    pub spec: Option<PathBuf>,
    /// The highest learning rate of the polish [default: .001 where a behaviour
    /// loss taught the generator, else .01]
    #[arg(
        long,
        value_name = "RATE",
        requires = "polish",
        allow_negative_numbers = true
    )]
    pub polish_rate: Option<f64>,
    /// Examples of a step of the polish [default: 64, or all where there are
    /// fewer]
    #[arg(long, value_name = "COUNT", requires = "polish", value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub polish_batch: Option<usize>,
}

/// How networks are sampled.
#[derive(Args)]
pub struct Sampling {
    /// NAME=VALUE for each number of the condition, or all as 1.5,0
    /// [default: the collection as a whole]
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub condition: Vec<Wanted>,
    /// 1 follows the condition, more exaggerates it, 0 ignores it
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "SCALE",
        allow_negative_numbers = true
    )]
    pub guidance: f32,
    /// heun, ab2 and euler serve the default engine, the others the paper engine
    /// [default: the engine's own]
    #[arg(long, value_parser = sampler())]
    pub sampler: Option<Sampler>,
    /// Sampler steps [default: the engine's own]
    #[arg(long, value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub steps: Option<usize>,
    /// Scale of the noise; below 1 networks vary less
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "SCALE",
        allow_negative_numbers = true
    )]
    pub temperature: f32,
    /// Threads of the default engine; 0 takes one per core
    #[arg(long, default_value_t = 0, value_parser = whole::<usize>, allow_negative_numbers = true)]
    pub threads: usize,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: Device,
}

/// Score sampled networks beside originals and trivial baselines
///
/// The scoring program prints one JSON object per network, in order:
/// {"score": 0.97}, higher is better. With "predictions" and "labels" (lists of
/// classes, one per test example) the table also compares errors; with
/// "selection_score" baselines that choose do so on it and not on the score.
/// The evaluation is kept beside the generator, as net.evaluation.json.
#[derive(Args)]
pub struct Evaluate {
    /// The generator file
    pub generator: PathBuf,
    /// The scoring program: {file} stands for one network, {files} for up to 64
    #[arg(long, value_name = "COMMAND")]
    pub score: String,
    /// A program that samples and baselines go through before they are judged: it
    /// trains the network in {file}, or those in {files}, and writes them back
    #[arg(long, value_name = "COMMAND")]
    pub polish: Option<String>,
    /// Judge the best of so many candidates by selection_score, or by the score
    /// where there is none, as each sample and each network of a baseline
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub candidates: usize,
    /// Networks to sample
    #[arg(short = 'n', long, default_value_t = 200, value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub count: usize,
    #[command(flatten)]
    pub sampling: Sampling,
    /// Networks to make for each baseline [default: as many as are sampled]
    #[arg(long, value_name = "COUNT", value_parser = positive::<usize>, allow_negative_numbers = true)]
    pub baseline_count: Option<usize>,
    /// Only baselines whose name begins so; repeat for several [default: all]
    #[arg(long, value_name = "NAME")]
    pub baseline: Vec<String>,
    /// A folder of networks that another method made, judged as one more baseline
    /// of this name; repeat for several
    #[arg(long, value_name = "NAME=FOLDER")]
    pub beside: Vec<Elsewhere>,
    /// Keys the samples and the baselines
    #[arg(long, default_value_t = 1, value_parser = whole::<u64>, allow_negative_numbers = true)]
    pub seed: u64,
    /// The collection's folder, when it has moved since training
    #[arg(long, value_name = "FOLDER")]
    pub collection: Option<PathBuf>,
    /// A collection of more such snapshots, which training did not see at all, as
    /// the held-out ones [default: those that training chose by, of the collection]
    #[arg(long, value_name = "FOLDER")]
    pub held_out: Option<PathBuf>,
    /// Where the evaluation is kept [default: beside the generator]
    #[arg(short, long, value_name = "FILE.json")]
    pub output: Option<PathBuf>,
}

/// Write one HTML page about a generator
///
/// The page stands alone: no scripts, nothing loaded from elsewhere. It shows
/// the evaluation beside the generator when there is one.
#[derive(Args)]
pub struct Report {
    /// The generator file
    pub generator: PathBuf,
    /// The page to write
    #[arg(short, long, value_name = "FILE.html")]
    pub output: PathBuf,
    /// The evaluation [default: the one beside the generator]
    #[arg(long, value_name = "FILE.json")]
    pub evaluation: Option<PathBuf>,
}

/// Say what is in a file
///
/// Knows collections, generators, evaluations and any checkpoint that can be
/// collected.
#[derive(Args)]
pub struct Inspect {
    /// A file, or a collection's folder
    pub path: PathBuf,
    /// Print the symmetry spec of a collection or a checkpoint as JSON
    #[arg(long)]
    pub symmetry: bool,
    /// Attention heads of a vision transformer, for --symmetry
    #[arg(long, value_name = "COUNT", requires = "symmetry")]
    pub heads: Option<usize>,
}

/// Print a shell's completions of this command line
#[derive(Args)]
#[command(after_help = "\
Example:
  pdiff completions bash >~/.local/share/bash-completion/completions/pdiff")]
pub struct Completions {
    pub shell: Shell,
}

/// Print the man page, or write one for each command
#[derive(Args)]
pub struct Man {
    /// The folder for the pages; made when it is not there
    pub folder: Option<PathBuf>,
}

fn engine() -> impl TypedValueParser<Value = EngineName> {
    PossibleValuesParser::new(["default", "paper"]).map(|name| match name.as_str() {
        "paper" => EngineName::Paper,
        _ => EngineName::Default,
    })
}

fn precision() -> impl TypedValueParser<Value = Dtype> {
    PossibleValuesParser::new(["f32", "f16", "bf16"]).map(|name| match name.as_str() {
        "f16" => Dtype::F16,
        "bf16" => Dtype::Bf16,
        _ => Dtype::F32,
    })
}

fn sampler() -> impl TypedValueParser<Value = Sampler> {
    PossibleValuesParser::new(["heun", "ab2", "euler", "ddpm", "ddim", "dpm++2m"])
        .try_map(|name| name.parse::<Sampler>())
}

fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().and_then(|n| T::try_from(n).ok());
    number.ok_or_else(|| "give a whole number of 0 or more".into())
}

fn positive<T: TryFrom<u64> + PartialEq + From<u8>>(text: &str) -> Result<T, String> {
    let number = whole::<T>(text).ok().filter(|n| *n != T::from(0));
    number.ok_or_else(|| "give a whole number of 1 or more".into())
}
