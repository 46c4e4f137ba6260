//! What a schedule will do, worker by worker and message by message: the discrete-event twin of the runtime.
//!
//! Each worker goes through the stages in order. Before a stage it waits for what is sent to it of the stage's input;
//! it computes; partial sums leave as soon as they are made, parts of the output as soon as the tail has run, the
//! image at 0 ms; received partial sums are added in the order of their arrival (to zeros where the worker has made
//! none). A message occupies its sender's uplink, or the one medium, for set-up and bytes, after all that became ready
//! before it, and arrives one delay later; what the coordinator relays then waits for its uplink. Sending so overlaps with computing, which closed forms do not know.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cleave_graph::{COORDINATOR, Schedule, Stage, Transfer};

use crate::cluster::Medium;
use crate::problem::Problem;

/// What a worker does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activity {
    /// Nothing: something has not arrived.
    Wait,
    /// The operator's layer.
    Layer,
    /// Adding received partial sums.
    Add,
    /// What follows the layer.
    Tail,
    /// Sending, beside all else; relaying, too.
    Send {
        /// To whom, over one link.
        to: usize,
        /// How much.
        bytes: u64,
    },
}

/// An activity with its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// What.
    pub activity: Activity,
    /// For which operator; of the answer, the number of operators.
    pub operator: usize,
    /// Since the image is there, milliseconds.
    pub from_ms: f64,
    /// Likewise.
    pub to_ms: f64,
}

/// One run of a network, predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// What each worker does, in the order in which it was decided.
    pub spans: Vec<Vec<Span>>,
    /// Until the coordinator has the answer, milliseconds.
    pub total_ms: f64,
    /// Messages of the schedule; one that is relayed is sent twice and counts once.
    pub messages: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// What each worker computes and adds, milliseconds.
    pub busy_ms: Vec<f64>,
    /// What each worker sends, milliseconds.
    pub sending_ms: Vec<f64>,
    /// Computing and sending by the powers of the workers, joules; waiting costs nothing (CoEdge's energy).
    pub energy_joules: f64,
}

/// One run of a schedule.
///
/// The schedule must be one of the problem's network and of as many workers.
pub fn simulate(problem: &Problem, schedule: &Schedule) -> Timeline {
    let mut spans = vec![Vec::new(); schedule.workers];
    let totals = run(problem, schedule, &mut |worker, span: Span| spans[worker].push(span));
    let energy = |(worker, power): (usize, &crate::Worker)| {
        let watt_ms = totals.busy_ms[worker] * power.compute_watts + totals.sending_ms[worker] * power.radio_watts;
        watt_ms / 1e3
    };
    Timeline {
        spans,
        total_ms: totals.total_ms,
        messages: schedule.transfers().count(),
        bytes: schedule.transfers().map(Transfer::bytes).sum(),
        energy_joules: problem.cluster.workers().iter().enumerate().map(energy).sum(),
        busy_ms: totals.busy_ms,
        sending_ms: totals.sending_ms,
    }
}

/// As [`simulate`], but the time alone: for planners that look at thousands.
pub(crate) fn simulated_ms(problem: &Problem, schedule: &Schedule) -> f64 {
    run(problem, schedule, &mut |_, _| {}).total_ms
}

struct Totals {
    total_ms: f64,
    busy_ms: Vec<f64>,
    sending_ms: Vec<f64>,
}

/// What one worker awaits at one phase: before an operator, or before its tail.
#[derive(Clone, Default)]
struct Inbox {
    missing: usize,
    arrivals_ms: Vec<f64>,
}

/// A message with the phase that awaits it, and who has it: its sender, or the coordinator that relays it.
struct Message<'a> {
    phase: usize,
    transfer: &'a Transfer,
    at: usize,
}

/// A message that is ready: by time (whose bits keep its order, as it is not negative), then sender, then number.
type Ready = Reverse<(u64, usize, usize)>;

struct Run<'a, R> {
    problem: &'a Problem<'a>,
    schedule: &'a Schedule,
    record: R,
    /// What is sent as soon as a phase is over, and at the start, with the phase that awaits it.
    posts: Vec<Vec<(usize, &'a Transfer)>>,
    /// The phase that each worker is at: twice the operator, and one more before its tail.
    phase: Vec<usize>,
    free_ms: Vec<f64>,
    inbox: Vec<Inbox>,
    messages: Vec<Message<'a>>,
    ready: BinaryHeap<Ready>,
    /// Until when each uplink is occupied; of a shared medium only the first counts.
    occupied_ms: Vec<f64>,
    totals: Totals,
}

fn run<'a>(problem: &'a Problem<'a>, schedule: &'a Schedule, record: &mut dyn FnMut(usize, Span)) -> Totals {
    let workers = schedule.workers;
    let mut run = Run {
        problem,
        schedule,
        record,
        posts: posts(problem, schedule),
        phase: vec![0; workers],
        free_ms: vec![0.0; workers],
        inbox: vec![Inbox::default(); (2 * schedule.stages.len() + 1) * workers],
        messages: Vec::new(),
        ready: BinaryHeap::new(),
        occupied_ms: vec![0.0; workers],
        totals: Totals { total_ms: 0.0, busy_ms: vec![0.0; workers], sending_ms: vec![0.0; workers] },
    };
    for (phase, transfer) in run.posts.iter().flatten() {
        run.inbox[phase * workers + transfer.to].missing += 1;
    }
    run.post(0, COORDINATOR);
    (0..workers).for_each(|worker| run.advance(worker));
    // All workers wait, so that nothing can become ready before the first that is.
    while let Some(Reverse((ready, _, number))) = run.ready.pop() {
        if let Some(receiver) = run.send(number, f64::from_bits(ready)) {
            run.advance(receiver);
        }
    }
    let answer = &run.inbox[2 * schedule.stages.len() * workers + COORDINATOR];
    run.totals.total_ms = answer.arrivals_ms.iter().copied().fold(run.free_ms[COORDINATOR], f64::max);
    run.totals
}

/// What is sent after so many phases, with the phase that awaits it: of an input at the start, of partial results before the
/// tail, of a result after it.
fn posts<'a>(problem: &Problem, schedule: &'a Schedule) -> Vec<Vec<(usize, &'a Transfer)>> {
    let (graph, end) = (problem.network, 2 * schedule.stages.len());
    let mut posts = vec![Vec::new(); end + 1];
    // After how many phases a value is there: inputs at once.
    let mut made_after = vec![0; graph.answer() + 1];
    for (at, operator) in graph.operators().iter().enumerate() {
        made_after[operator.result] = 2 * at + 2;
    }
    for (at, (operator, stage)) in graph.operators().iter().zip(&schedule.stages).enumerate() {
        for part in &stage.gather {
            posts[made_after[operator.inputs[part.input]]].push((2 * at, part));
        }
        posts[2 * at + 1].extend(stage.sums.iter().map(|sum| (2 * at + 1, sum)));
    }
    posts[made_after[graph.answer()]].extend(schedule.answer.iter().map(|part| (end, part)));
    posts
}

impl<R: FnMut(usize, Span)> Run<'_, R> {
    fn advance(&mut self, worker: usize) {
        while let Some(stage) = self.schedule.stages.get(self.phase[worker] / 2) {
            let phase = self.phase[worker];
            let inbox = &mut self.inbox[phase * self.schedule.workers + worker];
            if inbox.missing > 0 {
                return;
            }
            let arrivals_ms = std::mem::take(&mut inbox.arrivals_ms);
            if phase.is_multiple_of(2) {
                self.layer(worker, stage, &arrivals_ms);
            } else {
                self.finish(worker, stage, arrivals_ms);
            }
            self.post(phase + 1, worker);
            self.phase[worker] = phase + 1;
        }
    }

    fn layer(&mut self, worker: usize, stage: &Stage, arrivals_ms: &[f64]) {
        let Some(work) = &stage.work[worker] else { return };
        self.wait(worker, stage.operator, arrivals_ms.iter().copied().fold(0.0, f64::max));
        let inputs = self.problem.network.operators()[stage.operator].input_units(&work.inputs);
        let ms = self.problem.times.layer_ms(worker, stage.operator, inputs, &work.made);
        self.busy(worker, stage.operator, Activity::Layer, ms);
    }

    fn finish(&mut self, worker: usize, stage: &Stage, mut arrivals_ms: Vec<f64>) {
        let complete = &stage.complete[worker];
        if complete.is_empty() {
            return;
        }
        arrivals_ms.sort_by(f64::total_cmp);
        let made = self.problem.network.operators()[stage.operator].made.shape;
        let values = complete.shape(made.width).values();
        for arrival_ms in arrivals_ms {
            self.wait(worker, stage.operator, arrival_ms);
            let ms = self.problem.times.add_ms(worker, values);
            self.busy(worker, stage.operator, Activity::Add, ms);
        }
        let ms = self.problem.times.tail_ms(worker, stage.operator, complete);
        self.busy(worker, stage.operator, Activity::Tail, ms);
    }

    fn wait(&mut self, worker: usize, operator: usize, until_ms: f64) {
        let from_ms = self.free_ms[worker];
        if until_ms > from_ms {
            (self.record)(worker, Span { activity: Activity::Wait, operator, from_ms, to_ms: until_ms });
            self.free_ms[worker] = until_ms;
        }
    }

    fn busy(&mut self, worker: usize, operator: usize, activity: Activity, ms: f64) {
        if ms > 0.0 {
            let from_ms = self.free_ms[worker];
            (self.record)(worker, Span { activity, operator, from_ms, to_ms: from_ms + ms });
            self.free_ms[worker] += ms;
            self.totals.busy_ms[worker] += ms;
        }
    }

    /// Makes ready what a worker sends after so many phases.
    fn post(&mut self, phases: usize, from: usize) {
        let ready = self.free_ms[from].to_bits();
        for (phase, transfer) in self.posts[phases].iter().copied().filter(|(_, transfer)| transfer.from == from) {
            self.ready.push(Reverse((ready, from, self.messages.len())));
            self.messages.push(Message { phase, transfer, at: from });
        }
    }

    /// Sends a message over one link, and tells who has all of it, if that is whom it is for.
    fn send(&mut self, number: usize, ready_ms: f64) -> Option<usize> {
        let cluster = self.problem.cluster;
        let Message { phase, transfer, at } = self.messages[number];
        let to = cluster.next_hop(at, transfer.to);
        let (link, bytes) = (cluster.link(at, to), transfer.bytes());
        let uplink = if cluster.medium() == Medium::Shared { 0 } else { at };
        let from_ms = self.occupied_ms[uplink].max(ready_ms);
        let to_ms = from_ms + link.occupied_ms(bytes);
        (self.record)(at, Span { activity: Activity::Send { to, bytes }, operator: phase / 2, from_ms, to_ms });
        self.occupied_ms[uplink] = to_ms;
        self.totals.sending_ms[at] += to_ms - from_ms;
        let arrival_ms = to_ms + link.delay_ms;
        if to != transfer.to {
            self.messages[number].at = to;
            self.ready.push(Reverse((arrival_ms.to_bits(), to, number)));
            return None;
        }
        let inbox = &mut self.inbox[phase * self.schedule.workers + to];
        inbox.missing -= 1;
        inbox.arrivals_ms.push(arrival_ms);
        Some(to)
    }
}
