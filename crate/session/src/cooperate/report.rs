//! What a coordinator tells of its members and of a run that was answered.

use cleave_wire::cooperate::{Activity, Report, Span};

use super::error::MemberError;
use super::walk::Ended;
use crate::clock::ClockEstimate;
use crate::time::Micros;

/// State of a member, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberStatus {
    /// Its connection is being opened, or its welcome is awaited.
    Connecting,
    /// It is there.
    Welcomed {
        /// What it calls itself.
        name: String,
        /// Its program version.
        version: String,
        /// Its threads.
        threads: u16,
    },
    /// It is being sent the weights.
    Sending {
        /// Bytes that it has.
        sent: u64,
        /// Bytes of the file.
        total: u64,
    },
    /// It is ready for its part.
    Joined {
        /// Bytes of weights that it holds.
        weight_bytes: u64,
    },
    /// It is not among the workers any more.
    Gone(MemberError),
}

/// What went from one worker to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Parts sent; one that was relayed counts once.
    pub messages: u32,
    /// Bytes of their messages.
    pub bytes: u64,
}

/// What one worker did.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerReport {
    /// What it calls itself.
    pub name: String,
    /// What it did, on the coordinator's clock, by beginning; none if it had nothing to do or did not tell.
    pub spans: Vec<Span>,
    /// Most memory that its engine held at one time, bytes; 0: not measured.
    pub peak_bytes: u64,
    /// By how much its times may be off at most: half the round trip; 0 at the coordinator.
    pub clock_error: Micros,
}

/// A run that was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// The owner's number.
    pub run: u64,
    /// Which place each worker was at.
    pub places: Vec<usize>,
    /// How often it was begun anew, because a worker or a connection was lost.
    pub restarts: u32,
    /// When it was submitted.
    pub submitted: Micros,
    /// When the attempt that was answered began.
    pub started: Micros,
    /// When the answer was there.
    pub answered: Micros,
    /// What each worker did in that attempt.
    pub workers: Vec<WorkerReport>,
    /// `[from][to]`, as the senders tell.
    pub traffic: Vec<Vec<Traffic>>,
    /// Workers that had a part of it and did not tell.
    pub missing: Vec<usize>,
}

impl RunReport {
    /// From the beginning of the attempt that was answered to the answer.
    pub fn took(&self) -> Micros {
        self.answered - self.started
    }
}

impl WorkerReport {
    /// How long it did such things.
    pub fn spent(&self, is: impl Fn(&Activity) -> bool) -> Micros {
        let spans = self.spans.iter().filter(|span| is(&span.activity));
        Micros(spans.map(|span| span.end_micros.saturating_sub(span.start_micros)).sum())
    }

    /// How long it computed.
    pub fn busy(&self) -> Micros {
        self.spent(Activity::is_computing)
    }
}

/// What the coordinator did itself.
pub(super) fn own(name: &str, ended: Ended) -> WorkerReport {
    let (mut spans, peak_bytes) = (ended.spans, ended.peak_bytes);
    spans.sort_by_key(|span| span.start_micros);
    WorkerReport { name: name.to_owned(), spans, peak_bytes, clock_error: Micros(0) }
}

/// A member's report on the coordinator's clock; before its first part it waited.
pub(super) fn member(name: &str, report: &Report, clock: &ClockEstimate, started: Micros) -> WorkerReport {
    let offset = clock.offset_micros().unwrap_or_default();
    let here = |micros: u64| micros.saturating_add_signed(offset.saturating_neg());
    let translated = |span: &Span| {
        let (start_micros, end_micros) = (here(span.start_micros), here(span.end_micros));
        Span { start_micros, end_micros, ..*span }
    };
    let mut spans: Vec<Span> = report.spans.iter().map(translated).collect();
    spans.sort_by_key(|span| span.start_micros);
    if let Some(first) = spans.first().copied().filter(|first| first.start_micros > started.0) {
        let (start_micros, end_micros) = (started.0, first.start_micros);
        spans.insert(0, Span { stage: first.stage, activity: Activity::Wait, start_micros, end_micros });
    }
    let clock_error = Micros(clock.rtt().unwrap_or_default().0 / 2);
    WorkerReport { name: name.to_owned(), spans, peak_bytes: report.peak_bytes, clock_error }
}

/// Of a member that had nothing to do, or did not tell.
pub(super) fn none(name: &str) -> WorkerReport {
    WorkerReport { name: name.to_owned(), spans: Vec::new(), peak_bytes: 0, clock_error: Micros(0) }
}

/// What went between workers, by their spans.
pub(super) fn traffic(workers: &[WorkerReport]) -> Vec<Vec<Traffic>> {
    let mut traffic = vec![vec![Traffic::default(); workers.len()]; workers.len()];
    for (from, worker) in traffic.iter_mut().zip(workers) {
        for span in &worker.spans {
            if let Activity::Send { to, bytes } = span.activity
                && let Some(pair) = from.get_mut(usize::from(to))
            {
                pair.messages += 1;
                pair.bytes += u64::from(bytes);
            }
        }
    }
    traffic
}
