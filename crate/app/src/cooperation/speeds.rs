//! How fast the workers are: given, or measured as they will be used. A worker runs the network up to its first fully
//! connected layer alone, by the same messages as later, and the milliseconds that it computes are held against those of
//! the operators.

use std::sync::Arc;

use cleave_graph::{Graph, Op};
use cleave_partition::{PartitionError, Strategy};
use cleave_session::Micros;

use super::choice::{Chosen, Facts};
use super::crew::Candidate;
use super::request::Request;
use super::series::Answer;
use crate::partition::Shown;

/// What is known of the workers, by place.
#[derive(Debug, Default)]
pub(super) struct Speeds {
    /// Which network these are of, which slowdowns were given, and whether these are measured all the same.
    of: Option<(Arc<Graph>, Vec<Option<f64>>, bool)>,
    /// Whose engine is of the coordinator's kind.
    is_alike: Vec<bool>,
    slowdowns: Vec<Option<f64>>,
    /// So many times as slow engines of this kind are at the whole network as at its beginning, once that is known: fully
    /// connected layers wait for memory.
    whole: Option<f64>,
    /// What handing an operator to an engine of this kind takes beside computing it.
    handing_ms: f64,
    /// Of a message between the coordinator and each, without what is imposed.
    latencies_ms: Vec<f64>,
    /// The plan that was made last, and of what.
    planned: Option<(Planned, Chosen)>,
}

/// What makes a plan worth making again. Latencies change with every run, and do not.
#[derive(Debug, PartialEq)]
struct Planned {
    links: cleave_partition::Cluster,
    strategy: Strategy,
    places: Vec<usize>,
    shown: Shown,
}

impl Planned {
    fn of(request: &Request, places: &[usize]) -> Self {
        let (links, shown) = (request.workers.cluster.clone(), request.shown.clone());
        Self { links, strategy: request.strategy, places: places.to_vec(), shown }
    }
}

impl Speeds {
    /// For these members.
    pub(super) fn new(members: &[Candidate]) -> Self {
        let is_alike = std::iter::once(true).chain(members.iter().map(|member| member.is_alike)).collect();
        Self { is_alike, ..Self::default() }
    }

    /// Forgets what is not of this request.
    pub(super) fn begin(&mut self, request: &Request) {
        let Request { network, workers, learn, .. } = request;
        let of = (network.clone(), workers.slowdowns.clone(), *learn);
        if self.of.as_ref() != Some(&of) {
            let places = self.is_alike.len();
            let slowdowns = if *learn { vec![None; places] } else { workers.slowdowns.clone() };
            let is_alike = std::mem::take(&mut self.is_alike);
            *self = Self { of: Some(of), is_alike, slowdowns, latencies_ms: vec![0.0; places], ..Self::default() };
        }
    }

    /// The first of these places whose speed is not known.
    pub(super) fn unknown(&self, places: &[usize]) -> Option<usize> {
        places.iter().copied().find(|place| self.slowdowns.get(*place).is_some_and(Option::is_none))
    }

    /// Takes a place's runs of the beginning alone: the one of median time counts, of those of which it has told.
    pub(super) fn learn(&mut self, place: usize, answers: &[Answer], request: &Request) {
        let operators = beginning(&request.network).operators().len();
        let busy_ms = |answer: &Answer| answer.report.workers.last().map_or(0.0, |worker| worker.busy().as_millis());
        let told = answers.iter().filter(|answer| answer.report.missing.is_empty());
        let mut runs: Vec<[f64; 2]> = told.map(|answer| [busy_ms(answer), answer.report.took().as_millis()]).collect();
        runs.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let median = runs.get(runs.len() / 2);
        let slower = median.map(|[busy_ms, _]| busy_ms / request.times.whole_ms(operators));
        // Without a report, or too fast for the clock, it is as fast as was said.
        let slower = slower.filter(|slower| slower.is_finite() && *slower > 0.0);
        self.slowdowns[place] = Some(slower.unwrap_or_else(|| request.workers.slowdown(place)));
        if let (0, Some([busy_ms, all_ms])) = (place, median) {
            self.handing_ms = (all_ms - busy_ms).max(0.0) / operators as f64;
        }
    }

    /// Takes runs of the whole network in the coordinator's place.
    pub(super) fn learn_whole(&mut self, answers: &[Answer], request: &Request) {
        let all_ms = request.times.whole_ms(request.network.operators().len());
        let busy = answers.first().and_then(|answer| answer.report.workers.first()).map(|worker| worker.busy());
        let whole = busy.map_or(0.0, Micros::as_millis) / (all_ms * self.slowdown(0));
        let is_measured = request.learn || request.workers.slowdowns.first().is_some_and(Option::is_none);
        if is_measured && self.whole.is_none() && whole.is_finite() && whole > 0.0 {
            self.whole = Some(whole);
        }
    }

    /// Takes what a message takes to each of these places.
    pub(super) fn reach(&mut self, places: &[usize], latencies: &[Micros]) {
        for (place, latency) in places.iter().zip(latencies) {
            if let Some(ms) = self.latencies_ms.get_mut(*place) {
                *ms = latency.as_millis();
            }
        }
    }

    pub(super) fn latency_ms(&self, place: usize) -> f64 {
        self.latencies_ms.get(place).copied().unwrap_or_default()
    }

    /// How many times slower a place is; as fast as measured here until it is known.
    pub(super) fn slowdown(&self, place: usize) -> f64 {
        let whole = self.whole.filter(|_| self.is_alike(place)).unwrap_or(1.0);
        self.slowdowns.get(place).copied().flatten().unwrap_or(1.0) * whole
    }

    fn is_alike(&self, place: usize) -> bool {
        self.is_alike.get(place).copied().unwrap_or_default()
    }

    /// What is known of these places, for a plan over them; `relayed` are pairs of the plan's workers.
    ///
    /// # Errors
    /// As [`cleave_partition::Cluster::only`].
    pub(super) fn facts(
        &self,
        request: &Request,
        places: &[usize],
        relayed: &[(usize, usize)],
    ) -> Result<Facts, PartitionError> {
        let latencies: Vec<f64> = places.iter().map(|place| self.latency_ms(*place)).collect();
        let cluster = request.workers.cluster.only(places)?.with_relayed(relayed)?.with_latencies(&latencies)?;
        let handing_ms = |place: &usize| if self.is_alike(*place) { self.handing_ms } else { 0.0 };
        Ok(Facts {
            network: request.network.clone(),
            cluster,
            times: request.times.clone(),
            slowdowns: places.iter().map(|place| self.slowdown(*place)).collect(),
            handing_ms: places.iter().map(handing_ms).collect(),
        })
    }

    /// The plan for a request over these places, if it was made before.
    pub(super) fn planned(&self, request: &Request, places: &[usize]) -> Option<Chosen> {
        let (of, chosen) = self.planned.as_ref()?;
        (*of == Planned::of(request, places)).then(|| chosen.clone())
    }

    pub(super) fn keep(&mut self, request: &Request, places: &[usize], chosen: &Chosen) {
        self.planned = Some((Planned::of(request, places), chosen.clone()));
    }
}

/// The network up to its first fully connected layer, whose weights would take longer to be had than all its computing.
pub(super) fn beginning(network: &Graph) -> Graph {
    let linear = network.nodes().iter().position(|node| matches!(node.op, Op::Linear(_)));
    linear.and_then(|linear| network.first(linear).ok()).unwrap_or_else(|| network.clone())
}
