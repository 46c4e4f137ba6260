//! The command line of `cleave-edge`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use cleave_edge::{Bounds, Config, EdgeError, Token, read_validation};
use cleave_wire::{Limits, LinkShape};
use thiserror::Error;
use tracing::level_filters::LevelFilter;

/// Serves the Cleave page and computes the offloaded part of its networks.
///
/// Prints the URL to open, which holds the secret that lets a page use this edge, on one line of standard output.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Folder of the built page
    #[arg(long, value_name = "DIR", default_value = "dist")]
    page: PathBuf,
    /// Folder with ModelNet10, whose clouds kept aside from training judge searches of the page
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What this worker is called among those that share a network; each needs a name of its own
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Connect to other workers at addresses that a coordinator names; without it their values go through the coordinator
    #[arg(long)]
    peers: bool,
    /// Largest file of weights that is taken, in MB: AlexNet's has 244, VGG11's 531
    #[arg(long, value_name = "MB", default_value_t = Limits::MAX_MODEL_BYTES.div_ceil(1_000_000))]
    model_mb: u64,
    /// Threads that compute [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Send no faster than this, in megabits per second
    #[arg(long, value_name = "MBPS", value_parser = rate, allow_negative_numbers = true)]
    shape_mbps: Option<u64>,
    /// Send everything so much later, in milliseconds
    #[arg(long, value_name = "MS", value_parser = delay, allow_negative_numbers = true)]
    shape_delay_ms: Option<u32>,
    /// The secret that clients must know [default: a random one]
    #[arg(long)]
    token: Option<String>,
    /// Sessions at once
    #[arg(long, value_name = "N", default_value_t = Bounds::default().sessions)]
    max_connections: usize,
    /// Another host name by which this edge may be addressed, without port; may be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Another origin whose page may use this edge, such as http://localhost:8080; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,
    /// How much is told on standard error: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,
}

impl Args {
    /// The settings that these arguments mean.
    pub fn config(&self) -> Result<Config, EdgeError> {
        let token = self.token.as_deref().map_or_else(Token::random, Token::new)?;
        let mut config = Config::new(token);
        config.name = self.name.clone().unwrap_or(config.name);
        config.peers = self.peers;
        config.page = self.page.clone();
        config.validation = self.data.as_deref().map(read_validation).transpose()?;
        config.workers = self.workers.unwrap_or(config.workers);
        config.shape = LinkShape {
            bits_per_second: self.shape_mbps.unwrap_or(0),
            delay_micros: self.shape_delay_ms.unwrap_or(0),
            jitter_micros: 0,
        };
        config.bounds.sessions = self.max_connections;
        config.bounds.take_models(self.model_mb.saturating_mul(1_000_000));
        config.allow_hosts = self.allow_host.clone();
        config.allow_origins = self.allow_origin.clone();
        Ok(config)
    }
}

/// What an argument should have been.
#[derive(Debug, Error)]
enum ArgError {
    #[error("a number such as {0} is expected")]
    Number(u32),
    #[error("0.001 to 1000000 Mbps can be imposed; leave the option out for no limit")]
    Rate,
    #[error("0 to {MOST_DELAY_MS} ms can be imposed")]
    Delay,
    #[error("scheme, host and port are expected, such as http://localhost:8080")]
    Origin,
}

/// Longest delay that can be imposed, milliseconds.
const MOST_DELAY_MS: u32 = LinkShape::MAX_DELAY_MICROS / 1000;

/// Megabits per second as bits per second.
fn rate(text: &str) -> Result<u64, ArgError> {
    let mbps: f64 = text.parse().map_err(|_| ArgError::Number(40))?;
    if !(0.001..=1_000_000.0).contains(&mbps) {
        return Err(ArgError::Rate);
    }
    Ok((mbps * 1e6).round() as u64)
}

/// Milliseconds as microseconds.
fn delay(text: &str) -> Result<u32, ArgError> {
    let millis: f64 = text.parse().map_err(|_| ArgError::Number(5))?;
    if !(0.0..=f64::from(MOST_DELAY_MS)).contains(&millis) {
        return Err(ArgError::Delay);
    }
    Ok((millis * 1000.0).round() as u32)
}

fn origin(text: &str) -> Result<String, ArgError> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host.map(|host| host.trim_end_matches('/')) {
        Some(host) if !host.is_empty() && !host.contains('/') => Ok(text.to_owned()),
        _ => Err(ArgError::Origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_defaults_are_safe() {
        let args = parse("cleave-edge").unwrap();
        assert_eq!(args.listen, "127.0.0.1:8787".parse().unwrap());
        let (config, other) = (args.config().unwrap(), args.config().unwrap());
        assert_ne!(config.token.expose(), other.token.expose());
        assert_eq!((config.shape, config.bounds.sessions), (LinkShape::UNSHAPED, 16));
        assert!(config.allow_hosts.is_empty() && config.allow_origins.is_empty());
    }

    #[test]
    fn a_line_is_understood() {
        let args = parse(
            "cleave-edge --shape-mbps 2.5 --shape-delay-ms 1.5 --workers 3 --token abcdefgh --allow-origin http://a:1",
        )
        .unwrap();
        let config = args.config().unwrap();
        assert_eq!((config.shape.bits_per_second, config.shape.delay_micros), (2_500_000, 1_500));
        assert_eq!((config.workers, config.token.expose()), (3, "abcdefgh"));
        let bounds = parse("cleave-edge --model-mb 600").unwrap().config().unwrap().bounds;
        assert_eq!((bounds.wire.max_model_bytes, bounds.model_cache_bytes), (600_000_000, 600_000_000));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, says) in [
            ("cleave-edge --listen localhost", "invalid socket address"),
            ("cleave-edge --shape-mbps fast", "a number such as 40"),
            ("cleave-edge --shape-mbps -1", "0.001 to 1000000 Mbps"),
            ("cleave-edge --shape-delay-ms 99999", "0 to 10000 ms"),
            ("cleave-edge --allow-origin localhost", "such as http://localhost:8080"),
            ("cleave-edge --log loud", "--log"),
        ] {
            let why = parse(line).unwrap_err().to_string();
            assert!(why.contains(says), "{line}: {why}");
        }
        assert!(parse("cleave-edge --token a#b").unwrap().config().is_err());
        let why = parse("cleave-edge --data /nowhere").unwrap().config().unwrap_err().to_string();
        assert!(
            why.starts_with("/nowhere/modelnet10_1024_train.npz cannot be used") && why.contains("--data"),
            "{why}"
        );
    }
}
