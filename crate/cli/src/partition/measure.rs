//! Times the operators of a network on this machine, on one thread: `app` says which part is next, here it is run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use burn::tensor::Device;
use cleave_app::operators::{OperatorTimes, Probing, Workbench};
use cleave_graph::Graph;
use indicatif::ProgressBar;
use rayon::ThreadPoolBuilder;

use crate::file;
use crate::local::millis_since;

/// Measures this machine: some seconds.
pub(crate) fn measure(network: &Graph) -> Result<OperatorTimes> {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().context("no thread can be started")?;
    pool.install(|| {
        let (mut probing, mut bench) = (Probing::new(network), Workbench::new(network, &Device::flex()));
        let bar = ProgressBar::new(probing.progress().1 as u64);
        while let Some(step) = probing.next() {
            bar.set_position(probing.progress().0 as u64);
            if let Some(ms) = step.pause_ms {
                bench.disturb();
                std::thread::sleep(Duration::from_secs_f64(ms / 1e3));
            }
            let start = Instant::now();
            let value = bench.run(step.work)?.map(|value| value.into_data());
            probing.took(value.map(|_| millis_since(start)));
        }
        bar.finish_and_clear();
        probing.finish().ok_or_else(|| anyhow!("the operators could not be timed"))
    })
}

/// From a file that was kept for this network.
pub(crate) fn read(path: &Path, network: &Graph) -> Result<OperatorTimes> {
    let times = |text: &str| anyhow::Ok(OperatorTimes::from_json(&serde_json::from_str(text)?, network)?);
    file::parse_text("the times", path, times)
}
