//! `cargo xtask`: the project's own commands. `play` starts the whole, `test` is the gate that CI runs, `check`
//! its quick part, `size` and `bench` measure, `bless` renews snapshots. It knows no crate of the project, so
//! that it is built in seconds even when everything else is broken.

mod absence;
mod bench;
mod browser;
mod compare;
mod document;
mod gate;
mod live;
mod metadata;
mod play;
mod predict;
mod rules;
mod search;
mod serve;
mod shell;
mod size;
mod source;
mod stages;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Build, check, measure and start Cleave.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, build the page and the edge, start the edge and print one URL.
    Play(play::Options),
    /// Run the whole gate, or the stages that are named.
    Test(stages::Options),
    /// Run the quick part of the gate: format, rules, lints.
    Check,
    /// Compare the modules in dist/ with their limits, brotli-compressed.
    Size(size::Options),
    /// Measure; nothing is asserted.
    Bench(bench::Options),
    /// Renew the snapshots that tests compare with.
    Bless(stages::BlessOptions),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let shell = shell::Shell::at_workspace()?;
    match command {
        Command::Play(options) => play::run(&shell, &options),
        Command::Test(options) => stages::test(&shell, &options),
        Command::Check => stages::check(&shell),
        Command::Size(options) => size::run(&shell, &options),
        Command::Bench(options) => bench::run(&shell, &options),
        Command::Bless(options) => stages::bless(&shell, &options),
    }
}
