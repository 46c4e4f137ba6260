//! The workers that share a network, as the page's form or the command's file names them: one reading of both, so
//! that the same workers are the same problem.

use cleave_contract::{MAX_PARTITION_WORKERS, PartitionRequest};
use cleave_partition::{Cluster, Link, Links, Medium, PartitionError, Worker};
use cleave_session::cooperate::{MemberSpec, Uplink};
use cleave_wire::LinkShape;
use serde_json::Value;
use thiserror::Error;

/// Workers with their links; the first has the image.
#[derive(Clone, Debug)]
pub struct Workers {
    /// Names, links, memory and power.
    pub cluster: Cluster,
    /// How many times slower each is than the operators are measured; none: nobody has said.
    pub slowdowns: Vec<Option<f64>>,
    /// Where each can be connected to; the first needs no address.
    pub reached: Vec<Option<Reach>>,
}

/// A worker's address, `ws://HOST:PORT`, and its token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Reach {
    pub address: String,
    pub token: String,
}

/// What is wrong with workers, and what would be right.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WorkersError {
    /// Too few or too many.
    #[error("{found} workers; choose 2 to {MAX_PARTITION_WORKERS}")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// No slowdown.
    #[error("worker {worker} is {slowdown} times slower; that must be above 0, or leave the worker out")]
    Slowdown {
        /// Its number or its name.
        worker: String,
        /// What was given.
        slowdown: f64,
    },
    /// Not what a file of workers holds.
    #[error("{what}")]
    Field {
        /// What is missing, or what it has to be.
        what: String,
    },
    /// A run is between workers with uplinks of their own.
    #[error("a shared medium can be predicted, not imposed on a run; choose an uplink for each worker")]
    SharedMedium,
    /// One uplink for each worker.
    #[error("a run imposes one link on all that a worker sends; give worker \"{name}\" the same link to all others")]
    UnevenLinks {
        /// Whose links differ.
        name: String,
    },
    /// Longer than a worker can wait.
    #[error("a set-up or a delay of more than {} ms cannot be imposed", LinkShape::MAX_DELAY_MICROS / 1000)]
    SlowLink,
    /// Nobody can connect to it.
    #[error("worker \"{name}\" has no address and token; a run needs both for all workers but the first")]
    NoAddress {
        /// Its name.
        name: String,
    },
    /// What makes no cluster.
    #[error(transparent)]
    Partition(#[from] PartitionError),
}

fn wrong(what: impl Into<String>) -> WorkersError {
    WorkersError::Field { what: what.into() }
}

impl Workers {
    /// So many workers as fast as the operators were measured, all links alike.
    ///
    /// # Errors
    /// [`WorkersError::Partition`]: too many, or no link.
    pub fn alike(count: usize, link: Link, medium: Medium) -> Result<Self, WorkersError> {
        let cluster = Cluster::uniform(count, link, medium)?;
        Ok(Self { cluster, slowdowns: vec![Some(1.0); count], reached: vec![None; count] })
    }

    /// As the page's form has them.
    ///
    /// # Errors
    /// [`WorkersError`]: too few or too many workers, a slowdown or a link that is none.
    pub fn of_request(request: &PartitionRequest) -> Result<Self, WorkersError> {
        let count = request.slower.len();
        if !(2..=MAX_PARTITION_WORKERS).contains(&count) {
            return Err(WorkersError::Count { found: count });
        }
        for (worker, slowdown) in request.slower.iter().enumerate() {
            check_slowdown(*slowdown, || (worker + 1).to_string())?;
        }
        let link = Link { setup_ms: request.setup_ms, mbps: request.mbps, delay_ms: request.delay_ms };
        let medium = if request.shared { Medium::Shared } else { Medium::Switched };
        let named = (1..=count).map(|worker| Worker::named(format!("worker {worker}"))).collect();
        let cluster = Cluster::new(named, Links::Uniform(link), medium)?;
        Ok(Self { cluster, slowdowns: request.slower.iter().copied().map(Some).collect(), reached: vec![None; count] })
    }

    /// As the command's file has them: `{"medium": "switched", "link": {"setup_ms": 1, "mbps": 100, "delay_ms": 0.2},
    /// "workers": [{"name": "a", "slower": 1.0, "memory_mb": 512}]}`.
    ///
    /// # Errors
    /// [`WorkersError`]: what is missing, or is not what it has to be.
    pub fn of_file(json: &Value) -> Result<Self, WorkersError> {
        let medium = match json["medium"].as_str() {
            None | Some("switched") => Medium::Switched,
            Some("shared") => Medium::Shared,
            Some(other) => return Err(wrong(format!("medium \"{other}\"; it is \"switched\" or \"shared\""))),
        };
        let links = match json.get("links") {
            None => Links::Uniform(link(&json["link"])?),
            Some(rows) => {
                let rows = rows.as_array().ok_or_else(|| wrong("links must be rows of links, from × to"))?;
                let row = |row: &Value| row.as_array().into_iter().flatten().map(link).collect::<Result<Vec<_>, _>>();
                Links::Pairs(rows.iter().map(row).collect::<Result<_, _>>()?)
            }
        };
        let workers = json["workers"].as_array().ok_or_else(|| wrong("workers must be a list"))?;
        let reached = workers.iter().map(reached).collect::<Result<Vec<_>, _>>()?;
        let named = workers.iter().map(worker).collect::<Result<Vec<_>, _>>()?;
        let (workers, slowdowns) = named.into_iter().unzip();
        Ok(Self { cluster: Cluster::new(workers, links, medium)?, slowdowns, reached })
    }

    /// How many times slower a worker is; as fast as measured if nobody has said.
    pub fn slowdown(&self, worker: usize) -> f64 {
        self.slowdowns.get(worker).copied().flatten().unwrap_or(1.0)
    }

    /// The same of all workers.
    pub fn all_slowdowns(&self) -> Vec<f64> {
        (0..self.cluster.len()).map(|worker| self.slowdown(worker)).collect()
    }

    /// The same workers over links with this set-up time, milliseconds.
    ///
    /// # Errors
    /// [`PartitionError::Link`]: it is none.
    pub fn with_setup(&self, setup_ms: f64) -> Result<Self, PartitionError> {
        let n = self.cluster.len();
        let link = |from: usize, to: usize| match from == to {
            true => Link::FREE,
            false => Link { setup_ms, ..self.cluster.link(from, to) },
        };
        let links = Links::Pairs((0..n).map(|from| (0..n).map(|to| link(from, to)).collect()).collect());
        let cluster = Cluster::new(self.cluster.workers().to_vec(), links, self.cluster.medium())?;
        Ok(Self { cluster, ..self.clone() })
    }

    /// What each worker imposes on all that it sends.
    ///
    /// # Errors
    /// [`WorkersError`]: links that can be predicted, not imposed.
    pub fn uplinks(&self) -> Result<Vec<Uplink>, WorkersError> {
        (0..self.cluster.len()).map(|worker| uplink(&self.cluster, worker)).collect()
    }

    /// All workers but the first, as they are connected to.
    ///
    /// # Errors
    /// [`WorkersError::NoAddress`]: one that cannot be.
    pub fn members(&self) -> Result<Vec<MemberSpec>, WorkersError> {
        let member = |(worker, reach): (&Worker, &Option<Reach>)| {
            let name = worker.name.clone();
            let Some(Reach { address, token }) = reach.clone() else { return Err(WorkersError::NoAddress { name }) };
            Ok(MemberSpec { name, token, address })
        };
        self.cluster.workers().iter().zip(&self.reached).skip(1).map(member).collect()
    }
}

fn check_slowdown(slowdown: f64, worker: impl FnOnce() -> String) -> Result<(), WorkersError> {
    match slowdown.is_finite() && slowdown > 0.0 {
        true => Ok(()),
        false => Err(WorkersError::Slowdown { worker: worker(), slowdown }),
    }
}

fn uplink(cluster: &Cluster, worker: usize) -> Result<Uplink, WorkersError> {
    if cluster.medium() == Medium::Shared {
        return Err(WorkersError::SharedMedium);
    }
    let mut links = (0..cluster.len()).filter(|to| *to != worker).map(|to| cluster.link(worker, to));
    let Some(link) = links.next() else { return Ok(Uplink::UNSHAPED) };
    if links.any(|other| other != link) {
        return Err(WorkersError::UnevenLinks { name: cluster.workers()[worker].name.clone() });
    }
    match (link.setup_ms.max(link.delay_ms) * 1e3).round() > LinkShape::MAX_DELAY_MICROS.into() {
        true => Err(WorkersError::SlowLink),
        false => Ok(Uplink::of(link.setup_ms, link.mbps, link.delay_ms)),
    }
}

fn link(json: &Value) -> Result<Link, WorkersError> {
    let number = |key: &str| json[key].as_f64().ok_or_else(|| wrong(format!("a link needs {key}, a number")));
    // The link of a worker to itself may be null.
    if json.is_null() {
        return Ok(Link::FREE);
    }
    Ok(Link { setup_ms: number("setup_ms")?, mbps: number("mbps")?, delay_ms: number("delay_ms")? })
}

fn reached(json: &Value) -> Result<Option<Reach>, WorkersError> {
    match (json["address"].as_str(), json["token"].as_str()) {
        (Some(address), Some(token)) => Ok(Some(Reach { address: address.to_owned(), token: token.to_owned() })),
        (None, None) => Ok(None),
        _ => Err(wrong(format!("worker {} needs both an address and a token, or none of them", json["name"]))),
    }
}

fn worker(json: &Value) -> Result<(Worker, Option<f64>), WorkersError> {
    let name = json["name"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong("each worker needs a name"))?;
    let number = |key: &str| match json.get(key) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_f64();
            number.map(Some).ok_or_else(|| wrong(format!("worker \"{name}\": {key} must be a number")))
        }
    };
    let slowdown = number("slower")?;
    check_slowdown(slowdown.unwrap_or(1.0), || format!("\"{name}\""))?;
    let default = Worker::named(name);
    let memory_bytes = number("memory_mb")?.map(|mb| (mb * 1e6) as u64);
    let compute_watts = number("compute_watts")?.unwrap_or(default.compute_watts);
    let radio_watts = number("radio_watts")?.unwrap_or(default.radio_watts);
    Ok((Worker { memory_bytes, compute_watts, radio_watts, ..default }, slowdown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request() -> PartitionRequest {
        PartitionRequest {
            network: "lenet5".into(),
            slower: vec![1.0, 2.5],
            setup_ms: 1.0,
            mbps: 10.0,
            delay_ms: 0.5,
            shared: false,
        }
    }

    #[test]
    fn a_file_says_who_and_over_what() {
        let link = json!({ "setup_ms": 1, "mbps": 10, "delay_ms": 0 });
        let json = json!({
            "medium": "shared",
            "links": [[null, link], [link, null]],
            "workers": [{ "name": "a" }, { "name": "b", "slower": 2.5, "memory_mb": 64 }],
        });
        let workers = Workers::of_file(&json).unwrap();
        assert_eq!((workers.cluster.len(), &workers.slowdowns[..]), (2, &[None, Some(2.5)][..]));
        assert_eq!((workers.all_slowdowns(), workers.uplinks()), (vec![1.0, 2.5], Err(WorkersError::SharedMedium)));
        assert_eq!(workers.cluster.workers()[1].memory_bytes, Some(64_000_000));
        assert_eq!(workers.cluster.link(0, 1).mbps, 10.0);
        assert_eq!(workers.members(), Err(WorkersError::NoAddress { name: "b".into() }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let link = json!({ "setup_ms": 1, "mbps": 10, "delay_ms": 0 });
        let why = |workers: Value| {
            Workers::of_file(&json!({ "link": link, "workers": workers })).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(
            why(json!([{ "name": "a", "slower": 0 }])),
            "worker \"a\" is 0 times slower; that must be above 0, or leave the worker out"
        );
        assert_eq!(why(json!([{ "name": "" }])), "each worker needs a name");
        assert!(why(json!([{ "name": "a" }, { "name": "a" }])).contains("are both named \"a\""));
        assert!(why(json!([{ "name": "a", "token": "t" }])).contains("needs both an address and a token"));
        let why = Workers::of_file(&json!({ "workers": [], "medium": "wire" })).map(|_| ()).unwrap_err().to_string();
        assert_eq!(why, "medium \"wire\"; it is \"switched\" or \"shared\"");
        let wrong = [
            (PartitionRequest { slower: vec![1.0], ..request() }, "1 workers; choose 2 to 8"),
            (PartitionRequest { slower: vec![1.0, 0.0], ..request() }, "worker 2 is 0 times slower"),
            (PartitionRequest { mbps: 0.0, ..request() }, "Mbps"),
        ];
        for (request, says) in wrong {
            let why = Workers::of_request(&request).map(|_| ()).unwrap_err().to_string();
            assert!(why.contains(says), "{says}: {why}");
        }
    }

    #[test]
    fn links_that_cannot_be_imposed_are_refused() {
        let workers = Workers::of_request(&request()).unwrap();
        assert_eq!(workers.uplinks().unwrap(), [Uplink::of(1.0, 10.0, 0.5); 2]);
        assert_eq!(workers.with_setup(20.0).unwrap().uplinks().unwrap(), [Uplink::of(20.0, 10.0, 0.5); 2]);
        assert_eq!(workers.with_setup(1e6).unwrap().uplinks(), Err(WorkersError::SlowLink));
        let [fast, slow] = [100, 10].map(|mbps| json!({ "setup_ms": 1, "mbps": mbps, "delay_ms": 0 }));
        let json = json!({
            "links": [[null, fast, slow], [fast, null, fast], [fast, fast, null]],
            "workers": [{ "name": "a" }, { "name": "b" }, { "name": "c" }],
        });
        let why = Workers::of_file(&json).unwrap().uplinks().unwrap_err();
        assert_eq!(why, WorkersError::UnevenLinks { name: "a".into() });
    }
}
