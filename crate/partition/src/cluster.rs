//! The workers and what lies between them: memory, power, links, and who may send while another sends.

use cleave_graph::{COORDINATOR, MAX_WORKERS, Memory, Transfer};

use crate::error::PartitionError;

/// One worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// What people call it.
    pub name: String,
    /// Most bytes that it may hold at one time, if there is a limit.
    pub memory_bytes: Option<u64>,
    /// Power while it computes, watts.
    pub compute_watts: f64,
    /// Power of its radio while it sends, watts.
    pub radio_watts: f64,
}

impl Worker {
    /// A worker without a limit, of 5 W while computing and 1 W while sending: a small board with a radio.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), memory_bytes: None, compute_watts: 5.0, radio_watts: 1.0 }
    }
}

/// One direction between two workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Before the bytes of each message, milliseconds.
    pub setup_ms: f64,
    /// Rate, megabits per second; infinity for a link whose rate does not count.
    pub mbps: f64,
    /// From the last byte sent to its arrival, milliseconds; others may be sent meanwhile.
    pub delay_ms: f64,
}

impl Link {
    /// A link that takes no time.
    pub const FREE: Self = Self { setup_ms: 0.0, mbps: f64::INFINITY, delay_ms: 0.0 };

    /// How long a message occupies it, milliseconds: set-up and bytes, without the delay.
    pub fn occupied_ms(&self, bytes: u64) -> f64 {
        self.setup_ms + bytes as f64 * 8.0 / (self.mbps * 1e3)
    }
}

/// The links of all ordered pairs.
#[derive(Clone, Debug, PartialEq)]
pub enum Links {
    /// All alike.
    Uniform(Link),
    /// `[from][to]`; a worker's link to itself does not count.
    Pairs(Vec<Vec<Link>>),
}

/// Who may send while another sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Every worker has its own uplink, on which its messages go one after another.
    Switched,
    /// One message at a time over all workers, as on one radio channel: IOP's m(m−1) serial sends.
    Shared,
}

/// Workers with their links. One that exists is valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    workers: Vec<Worker>,
    links: Links,
    medium: Medium,
    relayed: Vec<(usize, usize)>,
}

impl Cluster {
    /// These workers, the first of which has the image and gets the answer.
    ///
    /// # Errors
    /// [`PartitionError`]: no worker or too many, one name twice, a power or a link that is none.
    pub fn new(workers: Vec<Worker>, links: Links, medium: Medium) -> Result<Self, PartitionError> {
        if !(1..=MAX_WORKERS).contains(&workers.len()) {
            return Err(PartitionError::Workers { workers: workers.len() });
        }
        for (second, worker) in workers.iter().enumerate() {
            if let Some(first) = workers[..second].iter().position(|other| other.name == worker.name) {
                return Err(PartitionError::SameName { first, second, name: worker.name.clone() });
            }
            for value in [worker.compute_watts, worker.radio_watts] {
                not_negative(value).ok_or(PartitionError::Number {
                    worker: second,
                    what: "a power in watts",
                    value,
                    right: "a number from 0",
                })?;
            }
        }
        if let Links::Pairs(pairs) = &links {
            let odd = std::iter::once(pairs.len()).chain(pairs.iter().map(Vec::len)).find(|n| *n != workers.len());
            if let Some(found) = odd {
                return Err(PartitionError::Count { what: "rows or columns of links", found, workers: workers.len() });
            }
        }
        let cluster = Self { workers, links, medium, relayed: Vec::new() };
        let n = cluster.len();
        let pairs = (0..n).flat_map(|from| (0..n).map(move |to| (from, to))).filter(|(from, to)| from != to);
        pairs.into_iter().try_for_each(|(from, to)| check(from, to, cluster.link(from, to)))?;
        Ok(cluster)
    }

    /// So many workers without limits, all links alike.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn uniform(workers: usize, link: Link, medium: Medium) -> Result<Self, PartitionError> {
        let named = (0..workers).map(|worker| Worker::named(format!("worker {worker}"))).collect();
        Self::new(named, Links::Uniform(link), medium)
    }

    /// The same with messages of these pairs of workers, in both directions, relayed by the coordinator: browsers cannot
    /// be connected to. A relayed message takes the link to the coordinator and then the one from it.
    ///
    /// # Errors
    /// [`PartitionError::Relay`]: a pair that is not one of two workers beside the coordinator.
    pub fn with_relayed(self, pairs: &[(usize, usize)]) -> Result<Self, PartitionError> {
        let workers = COORDINATOR + 1..self.len();
        let both = |(a, b): &(usize, usize)| workers.contains(a) && workers.contains(b) && a != b;
        match pairs.iter().find(|pair| !both(pair)) {
            Some((from, to)) => Err(PartitionError::Relay { from: *from, to: *to }),
            None => Ok(Self { relayed: pairs.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect(), ..self }),
        }
    }

    /// The same over real links, on which a message takes so many milliseconds more between the coordinator and each
    /// worker: half of a round trip. Between two others it takes the mean of theirs, as if all met at one switch.
    ///
    /// # Errors
    /// [`PartitionError::Count`]: not one for each worker. [`PartitionError::Link`]: one that is none.
    pub fn with_latencies(self, ms: &[f64]) -> Result<Self, PartitionError> {
        let n = self.len();
        if ms.len() != n {
            return Err(PartitionError::Count { what: "latencies", found: ms.len(), workers: n });
        }
        let latency = |a: usize, b: usize| if a.min(b) == COORDINATOR { ms[a.max(b)] } else { (ms[a] + ms[b]) / 2.0 };
        let link = |from: usize, to: usize| match from == to {
            true => Link::FREE,
            false => {
                let link = self.link(from, to);
                Link { delay_ms: link.delay_ms + latency(from, to), ..link }
            }
        };
        let links = (0..n).map(|from| (0..n).map(|to| link(from, to)).collect()).collect();
        let cluster = Self::new(self.workers.clone(), Links::Pairs(links), self.medium)?;
        Ok(Self { relayed: self.relayed, ..cluster })
    }

    /// These of its workers, in this order, so that the first has the image.
    ///
    /// # Errors
    /// [`PartitionError::NoWorker`]: a worker that it has not. Else as [`Cluster::new`].
    pub fn only(&self, workers: &[usize]) -> Result<Self, PartitionError> {
        if let Some(worker) = workers.iter().find(|worker| **worker >= self.len()) {
            return Err(PartitionError::NoWorker { worker: *worker, workers: self.len() });
        }
        let link = |from: usize, to: usize| if from == to { Link::FREE } else { self.link(from, to) };
        let links = workers.iter().map(|from| workers.iter().map(|to| link(*from, *to)).collect()).collect();
        let kept = workers.iter().map(|worker| self.workers[*worker].clone()).collect();
        let cluster = Self::new(kept, Links::Pairs(links), self.medium)?;
        let place = |worker: usize| workers.iter().position(|kept| *kept == worker);
        let relayed: Vec<_> = self.relayed.iter().filter_map(|(a, b)| Some((place(*a)?, place(*b)?))).collect();
        cluster.with_relayed(&relayed)
    }

    /// The workers.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// How many workers; at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Who may send while another sends.
    pub fn medium(&self) -> Medium {
        self.medium
    }

    /// One direction between two of its workers.
    pub fn link(&self, from: usize, to: usize) -> Link {
        match &self.links {
            Links::Uniform(link) => *link,
            Links::Pairs(pairs) => pairs[from][to],
        }
    }

    /// Whether the coordinator relays what one worker sends to another.
    pub fn is_relayed(&self, from: usize, to: usize) -> bool {
        self.relayed.contains(&(from, to))
    }

    /// Who gets a message next that is to reach a worker: that worker, or the coordinator that relays it.
    pub(crate) fn next_hop(&self, from: usize, to: usize) -> usize {
        if self.is_relayed(from, to) { COORDINATOR } else { to }
    }

    /// The links that a message takes, one or two, each with its sender.
    fn hops(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, Link)> {
        let places = std::iter::successors(Some(from), move |at| (*at != to).then(|| self.next_hop(*at, to)));
        places.filter(move |at| *at != to).map(move |at| (at, self.link(at, self.next_hop(at, to))))
    }

    /// How long a message occupies links, milliseconds: that of [`Link::occupied_ms`], of both if it is relayed.
    pub fn message_ms(&self, from: usize, to: usize, bytes: u64) -> f64 {
        self.hops(from, to).map(|(_, link)| link.occupied_ms(bytes)).sum()
    }

    /// The same of its bytes alone, without set-up.
    pub(crate) fn moving_ms(&self, from: usize, to: usize, bytes: u64) -> f64 {
        self.hops(from, to).map(|(_, link)| Link { setup_ms: 0.0, ..link }.occupied_ms(bytes)).sum()
    }

    /// An exchange that nothing overlaps, milliseconds: IOP's G and R. Over a shared medium the sum of all messages, over
    /// switches that of the busiest sender; and the longest delay once (the paper has no delays and no switches).
    pub fn exchange_ms(&self, transfers: &[Transfer]) -> f64 {
        let mut sending_ms = vec![0.0; self.len()];
        let mut delay_ms = 0.0_f64;
        for transfer in transfers {
            let mut its_delay_ms = 0.0;
            for (sender, link) in self.hops(transfer.from, transfer.to) {
                let uplink = if self.medium == Medium::Shared { 0 } else { sender };
                sending_ms[uplink] += link.occupied_ms(transfer.bytes());
                its_delay_ms += link.delay_ms;
            }
            delay_ms = delay_ms.max(its_delay_ms);
        }
        sending_ms.into_iter().fold(0.0, f64::max) + delay_ms
    }

    /// Whether any worker has a limit of memory.
    pub(crate) fn has_limits(&self) -> bool {
        self.workers.iter().any(|worker| worker.memory_bytes.is_some())
    }

    /// The worker that exceeds its limit most, if any does, and by how many bytes.
    pub(crate) fn excess(&self, memory: &[Memory]) -> Option<Excess> {
        let over = |(worker, (w, memory)): (usize, (&Worker, &Memory))| {
            let (has_bytes, needs_bytes) = (w.memory_bytes?, memory.peak());
            (needs_bytes > has_bytes).then_some(Excess { worker, has_bytes, needs_bytes })
        };
        self.workers.iter().zip(memory).enumerate().filter_map(over).max_by_key(Excess::bytes)
    }
}

/// More than a worker may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excess {
    pub worker: usize,
    pub has_bytes: u64,
    pub needs_bytes: u64,
}

impl Excess {
    pub fn bytes(&self) -> u64 {
        self.needs_bytes - self.has_bytes
    }

    /// The lesser of two.
    pub fn least(one: Option<Self>, other: Self) -> Option<Self> {
        Some(one.filter(|one| one.bytes() <= other.bytes()).unwrap_or(other))
    }

    pub fn error(self, cluster: &Cluster, by: &'static str) -> PartitionError {
        let Self { worker, has_bytes, needs_bytes } = self;
        PartitionError::Memory { worker, name: cluster.workers[worker].name.clone(), has_bytes, needs_bytes, by }
    }
}

fn not_negative(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite() && *value >= 0.0)
}

fn check(from: usize, to: usize, link: Link) -> Result<(), PartitionError> {
    let wrong = |what, value, right| Err(PartitionError::Link { from, to, what, value, right });
    if link.mbps.is_nan() || link.mbps <= 0.0 {
        return wrong("a rate in Mbps", link.mbps, "more than 0");
    }
    for (what, value) in [("a set-up time in ms", link.setup_ms), ("a delay in ms", link.delay_ms)] {
        if not_negative(value).is_none() {
            return wrong(what, value, "a number from 0");
        }
    }
    Ok(())
}
