//! The command line as a whole: which subcommands there are, and how an error is told.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{arch, bench, infer, partition, profile, search, train};

/// Splits a neural network between this machine and an edge, and tells what every choice costs.
#[derive(Parser)]
#[command(name = "cleave", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What a network takes, operation by operation, and what every cut sends
    Arch(arch::ArchArgs),
    /// Classify a point cloud, here or together with an edge
    Infer(Box<infer::InferArgs>),
    /// Measure this machine, an edge and the link between them, so that costs can be predicted
    Profile(profile::ProfileArgs),
    /// Search for a network and its mapping together, under limits
    Search(Box<search::SearchArgs>),
    /// How several workers share a network, and what that takes
    Partition(Box<partition::PartitionArgs>),
    /// Make weights from labelled samples, and tell what weights are worth
    Train(train::TrainArgs),
    /// Measure this machine: DGCNN on its cores, or the link to an edge in this process
    Bench(bench::BenchArgs),
}

/// Runs the command that `args` (program name first) say. Errors go to standard error in one line, with exit code 1;
/// a command line that cannot be understood has exit code 2.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(usage) => {
            // Nobody is left to tell if this cannot be printed.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let done = match cli.command {
        Command::Arch(args) => arch::run(&args),
        Command::Infer(args) => infer::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Partition(args) => partition::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
