//! `cargo xtask play`: from a fresh checkout to a page one can open, with one command.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell::{Shell, run as run_command, shown};
use crate::stages::build_page;
use crate::tools::say;

/// `cargo xtask play`
#[derive(clap::Args)]
pub struct Options {
    /// The port on 127.0.0.1.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Start what is built already.
    #[arg(long)]
    no_build: bool,
    /// Passed on to `cleave-edge`, after `--`.
    #[arg(last = true)]
    edge: Vec<String>,
}

/// Builds and starts; ends when the edge ends.
pub fn run(shell: &Shell, options: &Options) -> Result<()> {
    if !options.no_build {
        say("building the page (about 9 min the first time, under a minute later)");
        build_page(shell)?;
        say("building the edge (about 5 min the first time)");
    } else if !shell.dist().join("index.html").is_file() {
        bail!("dist/ holds no page; leave --no-build out");
    }
    run_command(&mut shell.cargo("build --release --package cleave-edge --bin cleave-edge"))?;
    say("starting the edge: open the URL below, stop it with Ctrl-C");
    become_edge(edge(shell, options)?)
}

fn edge(shell: &Shell, options: &Options) -> Result<Command> {
    let folder = crate::metadata::target_folder(shell)?.join("release");
    let mut command = shell.command(&folder.join("cleave-edge").to_string_lossy());
    command.args(["--listen", &format!("127.0.0.1:{}", options.port)]).args(&options.edge);
    Ok(command)
}

/// Takes this process's place, so that whoever stops it stops the edge.
#[cfg(unix)]
fn become_edge(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    bail!("cannot start {}: {error}", shown(&command))
}

#[cfg(not(unix))]
fn become_edge(mut command: Command) -> Result<()> {
    run_command(&mut command)
}
