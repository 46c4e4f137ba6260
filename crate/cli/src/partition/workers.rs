//! The workers of `cleave partition`: from a file, or so many alike.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use cleave_partition::{Cluster, Link, Links, Medium, Worker};
use serde_json::Value;

/// Which workers share.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Workers")]
pub(super) struct WorkersArgs {
    /// Workers and links: {"medium": "switched", "link": {"setup_ms": 1, "mbps": 100, "delay_ms": 0.2}, "workers":
    /// [{"name": "a", "slower": 1.0, "memory_mb": 512}]}; the first has the image. Beside that, for --run, "address" and
    /// "token"
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["count", "setup_ms", "mbps", "delay_ms", "shared"])]
    workers: Option<PathBuf>,
    /// So many workers like this machine
    #[arg(long, value_name = "N", default_value_t = 3)]
    count: usize,
    /// Set-up of a message, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1.0)]
    setup_ms: f64,
    /// Rate of every link
    #[arg(long, value_name = "MBPS", default_value_t = 100.0)]
    mbps: f64,
    /// One-way delay, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0.2)]
    delay_ms: f64,
    /// One message at a time over all workers, as on one radio channel
    #[arg(long)]
    shared: bool,
}

/// Workers with their links, and how many times slower than this machine each is.
pub(super) struct Workers {
    pub(super) cluster: Cluster,
    pub(super) slower: Vec<f64>,
    /// Address and token of each that can be connected to.
    pub(super) reached: Vec<Option<(String, String)>>,
}

impl WorkersArgs {
    /// From the file, or so many: `local` of them if given.
    pub(super) fn read(&self, local: Option<usize>) -> Result<Workers> {
        let Some(path) = &self.workers else {
            let link = Link { setup_ms: self.setup_ms, mbps: self.mbps, delay_ms: self.delay_ms };
            let medium = if self.shared { Medium::Shared } else { Medium::Switched };
            let count = local.unwrap_or(self.count);
            let cluster = Cluster::uniform(count, link, medium)?;
            return Ok(Workers { cluster, slower: vec![1.0; count], reached: vec![None; count] });
        };
        let within = || format!("the workers {}", path.display());
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", within()))?;
        parse(&serde_json::from_str(&text).with_context(within)?).with_context(within)
    }
}

fn parse(json: &Value) -> Result<Workers> {
    let medium = match json["medium"].as_str() {
        None | Some("switched") => Medium::Switched,
        Some("shared") => Medium::Shared,
        Some(other) => bail!("medium \"{other}\"; it is \"switched\" or \"shared\""),
    };
    let links = match json.get("links") {
        None => Links::Uniform(link(&json["link"])?),
        Some(rows) => {
            let rows = rows.as_array().ok_or_else(|| anyhow!("links must be rows of links, from × to"))?;
            let row = |row: &Value| row.as_array().into_iter().flatten().map(link).collect::<Result<Vec<_>>>();
            Links::Pairs(rows.iter().map(row).collect::<Result<_>>()?)
        }
    };
    let workers = json["workers"].as_array().ok_or_else(|| anyhow!("workers must be a list"))?;
    let reached = workers.iter().map(reached).collect::<Result<Vec<_>>>()?;
    let named = workers.iter().map(worker).collect::<Result<Vec<_>>>()?;
    let (workers, slower) = named.into_iter().unzip();
    Ok(Workers { cluster: Cluster::new(workers, links, medium)?, slower, reached })
}

fn link(json: &Value) -> Result<Link> {
    let number = |key: &str| json[key].as_f64().ok_or_else(|| anyhow!("a link needs {key}, a number"));
    // The link of a worker to itself may be null.
    if json.is_null() {
        return Ok(Link::FREE);
    }
    Ok(Link { setup_ms: number("setup_ms")?, mbps: number("mbps")?, delay_ms: number("delay_ms")? })
}

fn reached(json: &Value) -> Result<Option<(String, String)>> {
    match (json["address"].as_str(), json["token"].as_str()) {
        (Some(address), Some(token)) => Ok(Some((address.to_owned(), token.to_owned()))),
        (None, None) => Ok(None),
        _ => bail!("worker {} needs both an address and a token, or none of them", json["name"]),
    }
}

fn worker(json: &Value) -> Result<(Worker, f64)> {
    let name = json["name"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| anyhow!("each worker needs a name"))?;
    let number = |key: &str, otherwise: f64| match json.get(key) {
        None => Ok(otherwise),
        Some(value) => value.as_f64().ok_or_else(|| anyhow!("worker \"{name}\": {key} must be a number")),
    };
    let slower = number("slower", 1.0)?;
    if !(slower.is_finite() && slower > 0.0) {
        bail!("worker \"{name}\" is {slower} times slower; that must be above 0, or leave the worker out");
    }
    let default = Worker::named(name);
    let memory_bytes = match json.get("memory_mb") {
        None => None,
        Some(_) => Some((number("memory_mb", 0.0)? * 1e6) as u64),
    };
    let compute_watts = number("compute_watts", default.compute_watts)?;
    let radio_watts = number("radio_watts", default.radio_watts)?;
    Ok((Worker { memory_bytes, compute_watts, radio_watts, ..default }, slower))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_says_who_and_over_what() {
        let link = json!({ "setup_ms": 1, "mbps": 10, "delay_ms": 0 });
        let json = json!({
            "medium": "shared",
            "links": [[null, link], [link, null]],
            "workers": [{ "name": "a" }, { "name": "b", "slower": 2.5, "memory_mb": 64 }],
        });
        let workers = parse(&json).unwrap();
        assert_eq!((workers.cluster.len(), workers.slower), (2, vec![1.0, 2.5]));
        assert_eq!(workers.cluster.workers()[1].memory_bytes, Some(64_000_000));
        assert_eq!(workers.cluster.link(0, 1).mbps, 10.0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |workers: Value| {
            let link = json!({ "setup_ms": 1, "mbps": 10, "delay_ms": 0 });
            parse(&json!({ "link": link, "workers": workers })).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(
            why(json!([{ "name": "a", "slower": 0 }])),
            "worker \"a\" is 0 times slower; that must be above 0, or leave the worker out"
        );
        assert_eq!(why(json!([{ "name": "" }])), "each worker needs a name");
        assert!(why(json!([{ "name": "a" }, { "name": "a" }])).contains("are both named \"a\""));
        let why = parse(&json!({ "workers": [], "medium": "wire" })).map(|_| ()).unwrap_err().to_string();
        assert_eq!(why, "medium \"wire\"; it is \"switched\" or \"shared\"");
    }
}
