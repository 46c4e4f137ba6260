//! The gate: which stages there are and what each runs. `cargo xtask test` runs them all, `check` the quick ones.
//! Everything is built with the release profile, so that no stage builds burn a second time for another profile.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::absence::package_name;
use crate::browser;
use crate::document::Platform;
use crate::gate::{self, Count, Stage, count_tests};
use crate::live;
use crate::metadata;
use crate::rules;
use crate::shell::{Shell, run};
use crate::size;
use crate::tools;

/// In this order: the quick ones first, then what shares build outputs.
const STAGES: [Stage; 10] = [
    Stage { name: "fmt", about: "rustfmt would change nothing", needs: &[], run: fmt },
    Stage {
        name: "rules",
        about: "the map, the absences and the file rules of ARCHITECTURE.md",
        needs: &[],
        run: rules::check,
    },
    Stage { name: "deny", about: "licences and sources of all dependencies", needs: &[], run: deny },
    Stage { name: "clippy", about: "lints of native code, warnings denied", needs: &[], run: clippy },
    Stage {
        name: "clippy-wasm",
        about: "every crate but the native ones compiles for wasm32, warnings denied",
        needs: &[],
        run: clippy_wasm,
    },
    Stage { name: "page", about: "trunk builds the page", needs: &[], run: page },
    Stage { name: "size", about: "modules within their limits", needs: &["page"], run: size },
    Stage { name: "native", about: "unit, case-folder and loopback tests", needs: &[], run: native },
    Stage { name: "wasm", about: "tests in headless Chromium, on WebGPU and wasm SIMD", needs: &[], run: wasm },
    Stage {
        name: "live",
        about: "the built worker in headless Chromium with a real edge, which is killed and started again",
        needs: &["page"],
        run: live,
    },
];

/// The crates with a `tests/web.rs`, in one invocation: another set of crates has other features, down to those of
/// web-sys, and would build burn a second time.
const BROWSER_SUITES: [&str; 5] =
    ["--package=cleave-device", "--package=cleave-model", "--features", "cleave-model/wgpu", "--no-fail-fast"];

/// Below the target folder.
const BENCH_FOLDER: &str = "bench-worker";
/// As `www/bench-worker.js` imports it.
const BENCH_MODULE: &str = "bench-module";

const CHECK: [&str; 5] = ["fmt", "rules", "deny", "clippy", "clippy-wasm"];

/// `cargo xtask test`
#[derive(clap::Args)]
pub struct Options {
    /// Run only these stages: fmt, rules, deny, clippy, clippy-wasm, page, size, native, wasm, live.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
}

/// `cargo xtask bless`
#[derive(clap::Args)]
pub struct BlessOptions {
    /// Tests whose name contains this.
    #[arg(default_value = "snapshot")]
    filter: String,
    /// Only this crate: `wire`, `tests`.
    #[arg(long = "crate", value_name = "NOUN")]
    noun: Option<String>,
}

/// The whole gate, or the named stages of it.
pub fn test(shell: &Shell, options: &Options) -> Result<()> {
    let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no stage {unknown:?}; there are {}", names.join(", "));
    }
    let wanted = |stage: &&Stage| options.only.is_empty() || options.only.iter().any(|name| name == stage.name);
    gate::run(shell, &STAGES.iter().filter(wanted).collect::<Vec<_>>())
}

/// The stages that build nothing to run.
pub fn check(shell: &Shell) -> Result<()> {
    gate::run(shell, &STAGES.iter().filter(|stage| CHECK.contains(&stage.name)).collect::<Vec<_>>())
}

/// Runs the snapshot tests with the variable that makes them write what they see.
pub fn bless(shell: &Shell, options: &BlessOptions) -> Result<()> {
    let mut command = match &options.noun {
        Some(noun) => shell.cargo(&format!("test --release --package {}", package_name(noun))),
        None => native_workspace(shell, "test --release")?,
    };
    run(command.env("CLEAVE_BLESS", "1").args(["--", &options.filter]))
}

fn fmt(shell: &Shell) -> Result<Count> {
    tools::components(shell)?;
    run(&mut shell.cargo("fmt --all --check"))?;
    Ok(Count::ONE)
}

/// Optional, because `cargo install cargo-deny` takes longer than all of `check`.
fn deny(shell: &Shell) -> Result<Count> {
    if !tools::has_deny(shell) {
        println!("skipped: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(Count::default());
    }
    run(&mut shell.cargo("deny check bans licenses sources"))?;
    Ok(Count::ONE)
}

fn clippy(shell: &Shell) -> Result<Count> {
    tools::components(shell)?;
    run(native_workspace(shell, "clippy --release --all-targets")?.args(["--", "-D", "warnings"]))?;
    Ok(Count::ONE)
}

fn clippy_wasm(shell: &Shell) -> Result<Count> {
    tools::components(shell)?;
    tools::wasm_target(shell)?;
    let document = rules::architecture(shell)?;
    let leaves = document.nouns(Platform::Wasm32);
    let all = [document.nouns(Platform::Both), leaves.clone()].concat();
    // Libraries' own tests run natively and may use what does not exist on wasm32; the leaves' run in the browser.
    run(&mut wasm_clippy(shell, &all, &["--lib", "--bins"]))?;
    run(&mut wasm_clippy(shell, &leaves, &["--all-targets"]))?;
    Ok(Count::ONE)
}

fn wasm_clippy(shell: &Shell, nouns: &[&str], targets: &[&str]) -> Command {
    let mut command = shell.cargo("clippy --release --target wasm32-unknown-unknown");
    command.args(packages(nouns)).args(targets).args(["--", "-D", "warnings"]);
    command
}

fn page(shell: &Shell) -> Result<Count> {
    build_page(shell)?;
    Ok(Count::ONE)
}

/// Builds dist/, with the tools that this needs.
pub fn build_page(shell: &Shell) -> Result<()> {
    tools::wasm_target(shell)?;
    tools::wasm_bindgen(shell)?;
    tools::trunk(shell)?;
    // Trunk works offline, so that it never downloads a tool of its own; what cargo needs is fetched before.
    run(&mut shell.cargo("fetch --locked"))?;
    let mut command = shell.command("trunk");
    run(command.args(["build", "--release"]).env("TRUNK_SKIP_VERSION_CHECK", "true").env_remove("NO_COLOR"))
}

fn size(shell: &Shell) -> Result<Count> {
    size::check(shell)
}

fn native(shell: &Shell) -> Result<Count> {
    count_tests(&mut native_workspace(shell, "test --release --no-fail-fast")?)
}

fn wasm(shell: &Shell) -> Result<Count> {
    tools::wasm_target(shell)?;
    tools::wasm_bindgen(shell)?;
    tools::chromium(shell)?;
    let mut command = browser_test(shell);
    let count = count_tests(command.args(["--test", "web", "--test", "peaks"]).args(BROWSER_SUITES))?;
    if count.passed + count.failed == 0 {
        bail!("no test ran in the browser");
    }
    Ok(count)
}

fn live(shell: &Shell) -> Result<Count> {
    tools::chromium(shell)?;
    build_native(shell)?;
    live::run(shell)
}

/// The programs, built with the whole workspace as the native stage does: a package alone has other features.
pub fn build_native(shell: &Shell) -> Result<()> {
    run(native_workspace(shell, "build --release")?.args(["--bin", "cleave-edge", "--bin", "cleave"]))
}

/// Builds the worker that measures, which is no part of the page.
pub fn build_bench_worker(shell: &Shell) -> Result<()> {
    tools::wasm_target(shell)?;
    tools::wasm_bindgen(shell)?;
    // Of the same package alone as trunk, for the same features of burn.
    run(&mut shell.cargo("build --release --target wasm32-unknown-unknown --package cleave-device --bin bench"))?;
    let target = metadata::target_folder(shell)?;
    let mut command = shell.command("wasm-bindgen");
    command.args(["--target", "web", "--no-typescript", "--out-name", BENCH_MODULE, "--out-dir"]);
    command.arg(target.join(BENCH_FOLDER)).arg(target.join("wasm32-unknown-unknown/release/bench.wasm"));
    run(&mut command)
}

/// The folder with the module of the worker that measures, to be served beside `www/bench-worker.js`.
pub fn bench_worker(shell: &Shell) -> Result<PathBuf> {
    let folder = metadata::target_folder(shell)?.join(BENCH_FOLDER);
    if !folder.join(format!("{BENCH_MODULE}_bg.wasm")).is_file() {
        bail!("{} holds no module; leave --no-build out", folder.display());
    }
    Ok(folder)
}

fn browser_test(shell: &Shell) -> Command {
    let mut command = shell.cargo("test --release --target wasm32-unknown-unknown");
    if let Some(driver) = browser::driver(shell) {
        command.env("CHROMEDRIVER", driver);
    }
    command.env("WASM_BINDGEN_TEST_TIMEOUT", "300");
    command
}

/// A cargo command on the whole workspace without the crates that only a browser runs.
fn native_workspace(shell: &Shell, arguments: &str) -> Result<Command> {
    let mut command = shell.cargo(&format!("{arguments} --workspace"));
    for noun in rules::architecture(shell)?.nouns(Platform::Wasm32) {
        command.args(["--exclude", &package_name(noun)]);
    }
    Ok(command)
}

fn packages(nouns: &[&str]) -> Vec<String> {
    nouns.iter().flat_map(|noun| ["--package".to_owned(), package_name(noun)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_that_measures_has_its_own_module_and_the_page_has_not() {
        let import = format!("from './{BENCH_MODULE}.js'");
        assert!(include_str!("../../../www/bench-worker.js").contains(&import));
        let page = include_str!("../../../index.html");
        assert!(page.contains("data-bin=\"device\"") && !page.contains("bench"));
    }

    #[test]
    fn check_and_needs_name_stages_that_exist() {
        let exists = |name: &str| STAGES.iter().any(|stage| stage.name == name);
        assert!(CHECK.iter().all(|name| exists(name)));
        assert!(STAGES.iter().flat_map(|stage| stage.needs).all(|name| exists(name)));
    }
}
