//! What the project needs beside cargo, pinned, and how it is installed when it is missing. Everything here says
//! what it does and roughly how long that takes, because a silent minute reads as a hang.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::browser;
use crate::shell::{Shell, capture, run};

/// 0.22 needs a newer compiler than the one in `rust-toolchain.toml`.
const TRUNK: &str = "0.21.14";
const WASM: &str = "wasm32-unknown-unknown";

/// rustfmt and clippy, which a minimal installation lacks.
pub fn components(shell: &Shell) -> Result<()> {
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if capture(shell.cargo(program).arg("--version")).is_err() {
            say(&format!("adding {component} (a few seconds)"));
            run(shell.command("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// The standard library for the browser.
pub fn wasm_target(shell: &Shell) -> Result<()> {
    let sysroot = capture(shell.command("rustc").args(["--print", "sysroot"]))?;
    let library = std::path::Path::new(sysroot.trim()).join("lib/rustlib").join(WASM);
    if library.is_dir() {
        return Ok(());
    }
    say(&format!("adding the {WASM} target (about 10 s)"));
    run(shell.command("rustup").args(["target", "add", WASM]))
}

/// Trunk, which builds the page.
pub fn trunk(shell: &Shell) -> Result<()> {
    // It copies files and starts cargo: optimised it would take four times as long to build.
    let quickly = Quickly { opt_level: "0", features: &["--no-default-features", "--features", "rustls"] };
    pinned(shell, &Pinned { package: "trunk", program: "trunk", version: TRUNK, minutes: 3, quickly })
}

/// wasm-bindgen's command and test runner, which must have the very version of the crate.
pub fn wasm_bindgen(shell: &Shell) -> Result<()> {
    let lock = std::fs::read_to_string(shell.root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let version = locked_version(&lock, "wasm-bindgen").context("Cargo.lock does not name wasm-bindgen")?;
    for program in ["wasm-bindgen", "wasm-bindgen-test-runner"] {
        // It reads whole modules, which takes long without any optimisation.
        let quickly = Quickly { opt_level: "1", features: &[] };
        pinned(shell, &Pinned { package: "wasm-bindgen-cli", program, version, minutes: 2, quickly })?;
    }
    Ok(())
}

/// Chromium and its driver: Debian's, where we may install them; otherwise the person is told.
pub fn chromium(shell: &Shell) -> Result<()> {
    if browser::find(shell).is_some() && browser::driver(shell).is_some() {
        return Ok(());
    }
    if shell.which("apt-get").is_none() || !is_root(shell) {
        bail!(
            "the browser tests need Chromium or Chrome and its driver: install them (Debian: chromium and \
             chromium-driver), or name them in CHROME and CHROMEDRIVER"
        );
    }
    say("installing Debian's chromium and chromium-driver (about 1 min)");
    run(apt(shell).args(["update", "-qq"]))?;
    run(apt(shell).args(["install", "-y", "-qq", "--no-install-recommends", "chromium", "chromium-driver"]))
}

/// True where `cargo deny` is installed; it is not installed for anyone.
pub fn has_deny(shell: &Shell) -> bool {
    capture(&mut shell.cargo("deny --version")).is_ok()
}

struct Pinned<'a> {
    package: &'a str,
    program: &'a str,
    version: &'a str,
    minutes: u32,
    quickly: Quickly,
}

/// How a tool is built so that its build is short.
struct Quickly {
    opt_level: &'static str,
    features: &'static [&'static str],
}

fn pinned(shell: &Shell, tool: &Pinned) -> Result<()> {
    if version_of(shell, tool.program).as_deref() == Some(tool.version) {
        return Ok(());
    }
    say(&format!(
        "installing {} {} into {} (about {} min)",
        tool.package,
        tool.version,
        shell.tools().display(),
        tool.minutes
    ));
    // `--locked` is the reproducible way; a mirror that lacks one locked version makes it fail, so there is a second.
    if run(install(shell, tool).arg("--locked")).is_err() {
        say("that did not work with the tool's own lock file; once more without it");
        run(&mut install(shell, tool))?;
    }
    match version_of(shell, tool.program) {
        Some(version) if version == tool.version => Ok(()),
        other => bail!("{} should now be {}, but it answers {other:?}", tool.program, tool.version),
    }
}

fn install(shell: &Shell, tool: &Pinned) -> Command {
    let mut command = shell.cargo("install --force --no-track");
    command.args([tool.package, "--version", tool.version, "--root"]).arg(shell.tools()).args(tool.quickly.features);
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", tool.quickly.opt_level);
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256");
    command.env("CARGO_TARGET_DIR", shell.tools().join("build"));
    command
}

/// The second word of `PROGRAM --version`.
fn version_of(shell: &Shell, program: &str) -> Option<String> {
    let printed = capture(shell.command(program).arg("--version")).ok()?;
    printed.split_whitespace().nth(1).map(str::to_owned)
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let rest = &lock[lock.find(&entry)? + entry.len()..];
    rest.split('"').next()
}

fn apt(shell: &Shell) -> Command {
    let mut command = shell.command("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root(shell: &Shell) -> bool {
    capture(shell.command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// One line of narration, on standard error: standard output belongs to results.
pub fn say(line: &str) {
    eprintln!("xtask: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_named_package() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
