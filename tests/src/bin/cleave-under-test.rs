//! The `cleave` program under a name of its own, so that its tests find it built.

use std::process::ExitCode;

fn main() -> ExitCode {
    cleave_cli::command::main(std::env::args_os())
}
