//! The suites, as one program, so that everything is linked once.

// A test that cannot go on panics, in its helpers too.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod cooperate;
mod determinism;
mod example;
mod formats;
mod killed;
mod split;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The command under test.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cleave-under-test"))
}

/// A path below the workspace.
fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Runs the command and reads the line of JSON that it prints.
fn json(args: &[&str]) -> serde_json::Value {
    let output = cleave_tests::case::output(Command::new(program()).args(args)).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cleave {args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("cleave {args:?} printed no JSON: {why}"))
}
