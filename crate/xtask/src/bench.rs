//! Measurements for people to read and compare; nothing here is asserted. `browser` runs a network in a
//! worker of headless Chromium; `native` and `loopback` are the `cleave` command's own.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::browser::Browser;
use crate::predict;
use crate::search;
use crate::serve::{self, Report};
use crate::shell::{Shell, run as run_command};
use crate::stages::{bench_worker, build_bench_worker, build_native, build_page};
use crate::tools::{self, say};

/// `cargo xtask bench`
#[derive(clap::Args)]
pub struct Options {
    /// What to measure; everything if it is left out.
    what: Option<What>,
    /// One JSON line per measurement.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    page: PageOptions,
    #[command(flatten)]
    predict: predict::PredictOptions,
    #[command(flatten)]
    search: search::SearchOptions,
}

/// How the browser's part is measured.
#[derive(clap::Args)]
#[command(next_help_heading = "browser")]
struct PageOptions {
    /// The network, as the worker knows it.
    #[arg(long, default_value = "dgcnn")]
    name: String,
    /// Only this engine.
    #[arg(long)]
    backend: Option<Backend>,
    /// Timed runs; 10 on wasm, 1 on WebGPU, which is software in most headless browsers.
    #[arg(long)]
    runs: Option<u32>,
    /// Runs before those; 3 on wasm, 1 on WebGPU.
    #[arg(long)]
    warm: Option<u32>,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Measure what is built already.
    #[arg(long)]
    no_build: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Browser,
    Loopback,
    Native,
    /// An image network's operators, by our kernels and by burn's; only when it is named.
    Images,
    /// Strategies that share an image network, for two minutes; only when it is named.
    Partition,
    /// Predictions against measurements, for some minutes; only when it is named.
    Predict,
    /// Shipped networks, searches and the dispatcher, for some minutes; only when it is named.
    Search,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    Wasm,
    #[value(name = "webgpu")]
    WebGpu,
}

/// Measures what is asked for.
pub fn run(shell: &Shell, options: &Options) -> Result<()> {
    let wanted = |what| options.what.is_none_or(|only| only == what);
    if wanted(What::Native) {
        command(shell, options, &[])?;
    }
    if wanted(What::Loopback) {
        command(shell, options, &["loopback"])?;
    }
    if wanted(What::Browser) {
        browser(shell, options)?;
    }
    if matches!(options.what, Some(What::Predict | What::Search)) && !options.page.no_build {
        say("building the page and the commands");
        build_page(shell)?;
        build_native(shell)?;
        if options.what == Some(What::Search) {
            build_bench_worker(shell)?;
        }
    }
    match options.what {
        Some(What::Images) => command(shell, options, &["images"]),
        Some(What::Partition) => command(shell, options, &["partition"]),
        Some(What::Predict) => predict::run(shell, &options.predict, options.json),
        Some(What::Search) => search::run(shell, &options.search, options.json),
        _ => Ok(()),
    }
}

fn command(shell: &Shell, options: &Options, words: &[&str]) -> Result<()> {
    let mut command = shell.cargo("run --quiet --release --package cleave-cli --bin cleave -- bench");
    command.args(words).args(options.json.then_some("--json"));
    run_command(&mut command)
}

fn browser(shell: &Shell, options: &Options) -> Result<()> {
    let page = &options.page;
    tools::chromium(shell)?;
    if !page.no_build {
        say("building the worker that measures (about 9 min the first time)");
        build_bench_worker(shell)?;
    }
    let roots = vec![bench_worker(shell)?, shell.root().join("www")];
    let both = [Backend::Wasm, Backend::WebGpu];
    for backend in both.into_iter().filter(|backend| page.backend.is_none_or(|only| only == *backend)) {
        measure(shell, options, &roots, &fragment(page, backend))
            .with_context(|| format!("no measurement of {} on {backend:?}", page.name))?;
    }
    if page.backend != Some(Backend::WebGpu) {
        measure(shell, options, &roots, "#candidates=200000").context("no measurement of a search's throughput")?;
    }
    Ok(())
}

/// Opens the benchmark's page for one measurement and prints what it reports.
fn measure(shell: &Shell, options: &Options, roots: &[PathBuf], fragment: &str) -> Result<()> {
    let (address, reports) = serve::start(roots.to_vec())?;
    let url = format!("http://{address}/bench.html{fragment}");
    let result = wait(&mut Browser::open(shell, &url)?, &reports, Duration::from_secs(options.page.timeout))?;
    print(&result, options.json)
}

/// What the page is to do, in its own address.
fn fragment(page: &PageOptions, backend: Backend) -> String {
    let (runs, warm) = match backend {
        Backend::Wasm => (10, 3),
        Backend::WebGpu => (1, 1),
    };
    let (runs, warm) = (page.runs.unwrap_or(runs), page.warm.unwrap_or(warm));
    format!("#name={}&backend={backend:?}&runs={runs}&warm={warm}", page.name)
}

fn wait(browser: &mut Browser, reports: &Receiver<Report>, limit: Duration) -> Result<String> {
    let started = Instant::now();
    while started.elapsed() < limit {
        match reports.recv_timeout(Duration::from_millis(500)) {
            Ok(Report::Result(json)) => return Ok(json),
            Ok(Report::Failure(why)) => bail!("the page said: {why}"),
            Ok(Report::Step(_) | Report::Compare(_)) => {}
            Err(RecvTimeoutError::Timeout) if browser.runs() => {}
            Err(RecvTimeoutError::Timeout) => bail!("the browser ended by itself"),
            Err(RecvTimeoutError::Disconnected) => bail!("the server ended"),
        }
    }
    bail!("nothing came within {} s; --timeout gives it longer", limit.as_secs())
}

/// One line for programs, one figure a line for people.
fn print(result: &str, json: bool) -> Result<()> {
    let value: serde_json::Value =
        serde_json::from_str(result).with_context(|| format!("the worker answered no JSON: {result}"))?;
    match value.as_object() {
        Some(figures) if !json => figures.iter().for_each(|(name, figure)| println!("{name:<20} {figure}")),
        _ => println!("{value}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_everything_in_its_address() {
        let page =
            PageOptions { name: "dgcnn".into(), backend: None, runs: None, warm: Some(2), timeout: 1, no_build: true };
        let wasm = fragment(&page, Backend::Wasm);
        assert_eq!(wasm, "#name=dgcnn&backend=Wasm&runs=10&warm=2");
        assert!(fragment(&page, Backend::WebGpu).contains("backend=WebGpu&runs=1&warm=2"));
    }
}
