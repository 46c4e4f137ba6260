//! What a visitor downloads: the brotli size of each wasm module in dist/ against its limit.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::gate::Count;
use crate::shell::Shell;

/// The limits, in bytes of brotli. A module's file name tells which it is; the worker may come in several builds.
const LIMITS: [(&str, usize); 2] = [("device", 3_000_000), ("page", 440_000)];
/// What a server that compresses once uses: the best quality and a window of 16 MiB, which browsers accept.
const QUALITY: u32 = 11;
const WINDOW_BITS: u32 = 24;

/// `cargo xtask size`
#[derive(clap::Args)]
pub struct Options {
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
    /// The built page.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,
}

struct Module {
    file: String,
    raw_bytes: usize,
    brotli_bytes: usize,
    limit_bytes: usize,
}

/// Prints all sizes; an error if one is over its limit.
pub fn run(shell: &Shell, options: &Options) -> Result<()> {
    let modules = measure(&options.dist.clone().unwrap_or_else(|| shell.dist()))?;
    if options.json {
        println!("{}", json!({ "modules": modules.iter().map(as_json).collect::<Vec<_>>() }));
    } else {
        modules.iter().for_each(|module| println!("{}", as_line(module)));
    }
    match faults(&modules) {
        faults if faults.is_empty() => Ok(()),
        faults => bail!("{}", faults.join("\n")),
    }
}

/// The gate's stage: one check per module.
pub fn check(shell: &Shell) -> Result<Count> {
    let mut count = Count::default();
    for module in measure(&shell.dist())? {
        count.rule(&as_line(&module), &faults(&[module]));
    }
    Ok(count)
}

fn measure(dist: &Path) -> Result<Vec<Module>> {
    let files = modules_in(dist)?;
    let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
    if let Some((missing, _)) = LIMITS.iter().find(|(noun, _)| !names.iter().any(|name| name.contains(noun))) {
        bail!("{} has no {missing} module; build it with: trunk build --release", dist.display());
    }
    // Brotli at its best takes 2 to 3 s per megabyte, on one core.
    std::thread::scope(|scope| {
        let jobs: Vec<_> = files.iter().map(|file| scope.spawn(|| measure_one(file))).collect();
        jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| bail!("compression panicked"))).collect()
    })
}

fn modules_in(dist: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dist)
        .with_context(|| format!("{} is not there; build it with: trunk build --release", dist.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    Ok(files)
}

fn measure_one(file: &Path) -> Result<Module> {
    let name = file_name(file);
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Module { limit_bytes: limit_of(&name)?, file: name, raw_bytes: bytes.len(), brotli_bytes: brotli_len(&bytes)? })
}

fn limit_of(name: &str) -> Result<usize> {
    let limit = LIMITS.iter().find(|(noun, _)| name.contains(noun));
    limit.map(|(_, bytes)| *bytes).with_context(|| format!("dist has a module without a limit: {name}"))
}

fn brotli_len(bytes: &[u8]) -> Result<usize> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, QUALITY, WINDOW_BITS);
    writer.write_all(bytes)?;
    Ok(writer.into_inner().len())
}

fn faults(modules: &[Module]) -> Vec<String> {
    let over = modules.iter().filter(|module| module.brotli_bytes > module.limit_bytes);
    over.map(|module| {
        format!("{} is {} over its limit", module.file, kilobytes(module.brotli_bytes - module.limit_bytes))
    })
    .collect()
}

fn as_line(module: &Module) -> String {
    let Module { file, raw_bytes, brotli_bytes, limit_bytes } = module;
    format!(
        "{file}: {} brotli of at most {} ({} raw)",
        kilobytes(*brotli_bytes),
        kilobytes(*limit_bytes),
        kilobytes(*raw_bytes)
    )
}

fn as_json(module: &Module) -> serde_json::Value {
    let Module { file, raw_bytes, brotli_bytes, limit_bytes } = module;
    json!({ "file": file, "raw_bytes": raw_bytes, "brotli_bytes": brotli_bytes, "limit_bytes": limit_bytes })
}

/// Decimal kilobytes, as in the limits.
fn kilobytes(bytes: usize) -> String {
    format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100)
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_tells_the_limit() {
        assert_eq!(limit_of("device_bg.wasm").unwrap(), 3_000_000);
        assert_eq!(limit_of("cleave-page-1f2e_bg.wasm").unwrap(), 440_000);
        assert!(limit_of("other.wasm").is_err());
    }

    #[test]
    fn compression_is_real_and_the_limit_is_inclusive() {
        assert!(brotli_len(&[7; 10_000]).unwrap() < 100);
        let module =
            |brotli_bytes| Module { file: "page.wasm".into(), raw_bytes: 9, brotli_bytes, limit_bytes: 440_000 };
        assert!(faults(&[module(440_000)]).is_empty());
        assert_eq!(faults(&[module(441_500)]), ["page.wasm is 1.5 kB over its limit"]);
    }
}
