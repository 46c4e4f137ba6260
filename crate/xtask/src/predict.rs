//! `cargo xtask bench predict`: measures random networks on two pairs of machines and holds predictions against them. The
//! first pair is the built worker in Chromium with a native edge at 40 Mbps, the second two native processes at 10 Mbps.
//! What was measured is kept under the target folder, so that a predictor can be trained on it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::live::{Edge, TOKEN};
use crate::metadata;
use crate::serve;
use crate::shell::{Shell, capture, run as run_command};
use crate::tools::{self, say};

/// How much is measured.
#[derive(clap::Args)]
#[command(next_help_heading = "predict")]
pub struct PredictOptions {
    /// Random networks on each pair.
    #[arg(long, default_value_t = 320)]
    count: usize,
    /// Seed of the networks.
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// Frames of a network in a round.
    #[arg(long, default_value_t = 7)]
    frames: usize,
    /// Rounds over all networks.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Judge what an earlier run has measured.
    #[arg(long)]
    measured: bool,
    /// Only the browser's pair.
    #[arg(long)]
    browser_only: bool,
}

/// Measures and judges.
pub fn run(shell: &Shell, options: &PredictOptions, json: bool) -> Result<()> {
    let folder = metadata::target_folder(shell)?.join("predict");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let files = ["browser", "native"].map(|name| folder.join(format!("{name}-{}.json", options.seed)));
    let wanted = if options.browser_only { &files[..1] } else { &files[..] };
    if !options.measured {
        browser(shell, options, &folder, &files[0])?;
        if !options.browser_only {
            native(shell, options, &folder, &files[1])?;
        }
    }
    let mut command = cleave(shell)?;
    command.args(["bench", "predict"]).args(json.then_some("--json"));
    wanted.iter().for_each(|file| {
        command.arg("--pairs").arg(file);
    });
    let predictor = shell.root().join("www/model/predictor/gin.safetensors");
    if predictor.is_file() {
        command.arg("--predictor").arg(predictor);
    }
    run_command(&mut command)
}

/// The command as the native stage of the gate builds it.
fn cleave(shell: &Shell) -> Result<std::process::Command> {
    let program = metadata::target_folder(shell)?.join("release/cleave");
    Ok(shell.command(&program.to_string_lossy()))
}

fn browser(shell: &Shell, options: &PredictOptions, folder: &Path, out: &PathBuf) -> Result<()> {
    const MBPS: f64 = 40.0;
    tools::chromium(shell)?;
    let draw = ["train", "draw", "--count", &options.count.to_string(), "--seed", &options.seed.to_string()];
    fs::write(folder.join("plans.json"), capture(cleave(shell)?.args(draw))?)?;
    let (page, reports) = serve::start(vec![shell.dist(), shell.root().join("www"), folder.to_path_buf()])?;
    let edge = Edge::on_free_port(shell, &format!("http://{page}"))?;
    let _running = edge.start()?;
    say("measuring in the browser: a minute for the profile, then about a second for each network");
    let url = format!(
        "http://{page}/collect.html#edge=ws://{}/ws&token={TOKEN}&mbps={MBPS}&runs={}&rounds={}",
        edge.address(),
        options.frames,
        options.rounds
    );
    let _browser = Browser::open(shell, &url)?;
    let (mut profile, mut rows, mut skipped) = (Value::Null, Rows::default(), Vec::new());
    while let Some(mut found) = serve::next_figure(&reports)? {
        if let Some(measured) = found.get_mut("profile") {
            profile = measured.take();
            say("the profile is done");
        } else if let Some(row) = found.get_mut("row") {
            rows.put(row.take());
            if rows.reports % 50 == 0 {
                say(&format!("{} of {} networks and rounds", rows.reports, options.count * options.rounds));
            }
        } else {
            skipped.push(found);
        }
    }
    skipped.iter().for_each(|skipped| println!("left out: {skipped}"));
    let pairs = json!({
        "format": "cleave-pairs", "version": 1, "pair": "Chromium wasm, native edge", "mbps": MBPS, "delay_ms": 0.0,
        "seed": options.seed, "profile": profile, "rows": rows.rows,
    });
    fs::write(out, pairs.to_string()).with_context(|| format!("{} cannot be written", out.display()))
}

/// One row for each plan, with the frames of all its rounds.
#[derive(Default)]
struct Rows {
    rows: Vec<Value>,
    reports: usize,
}

impl Rows {
    fn put(&mut self, mut row: Value) {
        self.reports += 1;
        match self.rows.iter_mut().find(|known| known["plan"] == row["plan"]) {
            None => self.rows.push(row),
            Some(known) => {
                if let (Some(runs), Some(more)) = (known["runs"].as_array_mut(), row["runs"].as_array_mut()) {
                    runs.append(more);
                }
            }
        }
    }
}

fn native(shell: &Shell, options: &PredictOptions, folder: &Path, out: &Path) -> Result<()> {
    let edge = Edge::on_free_port(shell, "http://localhost")?;
    let _running = edge.start()?;
    let url = format!("http://{}/#token={TOKEN}", edge.address());
    let profile = folder.join("native-profile.json");
    // A profile of an earlier edge is none of this one's.
    let _absent = fs::remove_file(&profile);
    say("measuring natively");
    run_command(cleave(shell)?.args(["profile", "--edge", &url, "--out"]).arg(&profile))?;
    let (count, seed) = (options.count.to_string(), (options.seed + 1).to_string());
    let (runs, rounds) = (options.frames.to_string(), options.rounds.to_string());
    let mut command = cleave(shell)?;
    command.args(["train", "pairs", "--edge", &url, "--mbps", "10", "--count", &count, "--seed", &seed]);
    command.args(["--runs", &runs, "--rounds", &rounds, "--profile"]);
    run_command(command.arg(&profile).arg("--out").arg(out))
}
