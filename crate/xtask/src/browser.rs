//! A headless Chromium of our own: found, started with a fresh profile, stopped, cleaned away.

use std::env;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{fs, process};

use anyhow::{Context, Result};

use crate::shell::Shell;

const BROWSERS: [&str; 5] = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome"];
/// The same as in every `webdriver.json`. WebGPU is off in headless Chromium without the unsafe flag; the others keep
/// it from talking to the network.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The browser named in `CHROME`, or the first that is installed.
pub fn find(shell: &Shell) -> Option<PathBuf> {
    let named = env::var_os("CHROME").map(PathBuf::from);
    named.or_else(|| BROWSERS.iter().find_map(|program| shell.which(program)))
}

/// The driver named in `CHROMEDRIVER`, or the installed one.
pub fn driver(shell: &Shell) -> Option<PathBuf> {
    env::var_os("CHROMEDRIVER").map(PathBuf::from).or_else(|| shell.which("chromedriver"))
}

/// A running browser; ends with its owner.
pub struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    /// Opens one page.
    pub fn open(shell: &Shell, url: &str) -> Result<Self> {
        let program = find(shell).context("no Chromium or Chrome is installed; name one in CHROME")?;
        let profile = env::temp_dir().join(format!("cleave-browser-{}", process::id()));
        let mut command = Command::new(program);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.display())).arg(url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("cannot start the browser")?;
        Ok(Self { child, profile })
    }

    /// True until it has ended by itself.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nothing is lost if either fails: the process has ended already, or the system empties its temporary folder.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
        let _removed = fs::remove_dir_all(&self.profile);
    }
}

#[cfg(test)]
mod tests {
    use super::FLAGS;

    #[test]
    fn the_driver_starts_the_browser_with_the_same_flags() {
        for json in [include_str!("../../device/webdriver.json"), include_str!("../../model/webdriver.json")] {
            let settings: serde_json::Value = serde_json::from_str(json).unwrap();
            let flags = settings["goog:chromeOptions"]["args"].as_array().unwrap();
            assert!(flags.iter().map(|flag| flag.as_str().unwrap()).eq(FLAGS), "{json}");
        }
    }
}
