//! The `cleave` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cleave_cli::command::main(std::env::args_os())
}
