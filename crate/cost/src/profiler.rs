//! Decides what to measure next, until a profile is good enough. It has no clock and no socket: whoever drives it runs
//! what it asks for and tells what came of it.
//!
//! Every row is run until the 95 % interval of its filtered mean is narrow enough, or its share of time is used up.
//! What has been measured is in [`Profiler::profile`] at every moment, so that an interruption loses only the row under
//! way, and a profile that was interrupted is continued from where it was.

use crate::link::{Direction, Echo, LinkFigures, dispersion, wire_ms};
use crate::profile::Profile;
use crate::stats::{Estimate, estimate};
use crate::table::Table;
use cleave_arch::{LinkCodec, Mapping, Op, Probe, Task, Tier};
use cleave_graph::Graph;
use std::sync::Arc;

/// How thoroughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Fewer sizes, wider intervals: a quarter of the time.
    Quick,
    /// Every size, narrow intervals.
    #[default]
    Full,
}

impl Effort {
    /// Half of an interval's width, as a part of the value, that is narrow enough.
    fn tolerance(self) -> f64 {
        if self == Self::Quick { 0.08 } else { 0.03 }
    }

    /// Milliseconds of running that a row may take.
    fn budget_ms(self) -> f64 {
        if self == Self::Quick { 30.0 } else { 90.0 }
    }

    /// Milliseconds that a train should last.
    fn train_ms(self) -> f64 {
        if self == Self::Quick { 120.0 } else { 250.0 }
    }
}

/// What is to be run next.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A probe so many times on a tier.
    Probe {
        /// Which tier's engine.
        tier: Tier,
        /// What.
        probe: Probe,
        /// How often, after one run that does not count.
        runs: usize,
    },
    /// Echoes sent at once; with a count of one, one after the answer to the other.
    Train {
        /// Bytes of each towards the edge.
        up: usize,
        /// Bytes of each answer.
        down: usize,
        /// How many.
        count: usize,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Milliseconds of every run, and the bytes that an encoding made.
    Times {
        /// One per run.
        ms: Vec<f64>,
        /// 0 but for encodings.
        bytes: u64,
    },
    /// The echoes of a train.
    Train(Vec<Echo>),
    /// It could not be run: the row stays out.
    Failed,
}

/// Runs of the first ask, and most in one row.
const FIRST: usize = 4;
const MOST: usize = 40;
/// Single empty echoes for the round trip.
const ROUND_TRIPS: usize = 15;
/// Payload of a train's messages: large beside their headers, small beside a train.
const TRAIN_BYTES: usize = 16 << 10;
/// Messages of the first train, and most in one.
const FIRST_TRAIN: usize = 9;
const LONGEST_TRAIN: usize = 129;
/// One large message, for what a message costs beyond rate and delay; smaller where the link needs longer than this
/// many milliseconds for it.
const LUMP_BYTES: usize = 1 << 20;
const LUMP_MS: f64 = 500.0;

#[derive(Clone, Debug, PartialEq)]
enum Job {
    Probe(Tier, Probe),
    RoundTrip,
    Rate(Direction),
    Lump(Direction),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Profiler {
    effort: Effort,
    profile: Profile,
    jobs: Vec<Job>,
    at: usize,
    runs: Vec<f64>,
    train: usize,
    link: LinkFigures,
}

impl Profiler {
    /// A profiler of what is to be priced. `device` and `edge` name machine and engine; without an edge the device alone is
    /// measured. Rows of `before` that belong to the same machines are kept; of a complete profile those of other subjects,
    /// for this one is measured anew.
    pub fn new(effort: Effort, subject: &Subject, before: Option<Profile>, device: Table, edge: Option<Table>) -> Self {
        let (with_edge, probes) = (edge.is_some(), subject.probes(effort));
        let before = before.unwrap_or_default();
        let continued = |old: Option<Table>, new: Table| match old {
            Some(mut old) if (&old.name, &old.engine) == (&new.name, &new.engine) => {
                old.rows.retain(|row| !before.complete || !probes.contains(&row.probe));
                old
            }
            _ => new,
        };
        let mut profile = Profile::default();
        profile.device = Some(continued(before.device.clone(), device));
        profile.edge = edge.map(|edge| continued(before.edge.clone(), edge));
        let mut jobs = Vec::new();
        if with_edge {
            jobs.extend([Job::RoundTrip, Job::Rate(Direction::Up), Job::Rate(Direction::Down)]);
            jobs.extend([Job::Lump(Direction::Up), Job::Lump(Direction::Down)]);
        }
        for probe in probes {
            jobs.push(Job::Probe(Tier::Device, probe.clone()));
            if with_edge {
                jobs.push(Job::Probe(Tier::Edge, probe));
            }
        }
        let mut profiler =
            Self { effort, profile, jobs, at: 0, runs: Vec::new(), train: FIRST_TRAIN, link: LinkFigures::default() };
        profiler.skip_known();
        profiler
    }

    /// What to run next; `None`: the profile is complete.
    pub fn next(&self) -> Option<Ask> {
        Some(match self.jobs.get(self.at)?.clone() {
            Job::Probe(tier, probe) => Ask::Probe { tier, probe, runs: self.runs_wanted() },
            Job::RoundTrip => Ask::Train { up: 0, down: 0, count: 1 },
            Job::Rate(Direction::Up) => Ask::Train { up: TRAIN_BYTES, down: 0, count: self.train },
            Job::Rate(Direction::Down) => Ask::Train { up: 0, down: TRAIN_BYTES, count: self.train },
            Job::Lump(Direction::Up) => Ask::Train { up: lump_bytes(self.link.up_mbps), down: 0, count: 1 },
            Job::Lump(Direction::Down) => Ask::Train { up: 0, down: lump_bytes(self.link.down_mbps), count: 1 },
        })
    }

    /// Takes the answer to what [`Profiler::next`] said.
    pub fn answer(&mut self, answer: Answer) {
        let Some(job) = self.jobs.get(self.at).cloned() else { return };
        let is_done = match (job, answer) {
            (Job::Probe(tier, probe), Answer::Times { ms, bytes }) => self.timed(tier, probe, &ms, bytes),
            (Job::RoundTrip, Answer::Train(echoes)) => self.round_trip(&echoes),
            (Job::Rate(direction), Answer::Train(echoes)) => self.rate(direction, &echoes),
            (Job::Lump(direction), Answer::Train(echoes)) => {
                self.lump(direction, &echoes);
                true
            }
            _ => true,
        };
        if is_done {
            self.at += 1;
            self.runs.clear();
            self.skip_known();
        }
        if self.at >= self.jobs.len() {
            self.profile.complete = true;
        }
    }

    /// What is known so far.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Rows and figures that are done, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.at.min(self.jobs.len()), self.jobs.len())
    }

    /// Rows of the profile that is continued are not measured again; the link always is.
    fn skip_known(&mut self) {
        while let Some(Job::Probe(tier, probe)) = self.jobs.get(self.at) {
            let table = if *tier == Tier::Device { &self.profile.device } else { &self.profile.edge };
            if table.as_ref().and_then(|table| table.row(probe)).is_none() {
                break;
            }
            self.at += 1;
        }
        if self.at >= self.jobs.len() {
            self.profile.complete = true;
        }
    }

    fn runs_wanted(&self) -> usize {
        if self.runs.is_empty() {
            return FIRST;
        }
        let mean = self.runs.iter().sum::<f64>() / self.runs.len() as f64;
        let left = self.effort.budget_ms() - self.runs.iter().sum::<f64>();
        ((left / mean.max(1e-3)) as usize).clamp(1, MOST / 2)
    }

    fn timed(&mut self, tier: Tier, probe: Probe, ms: &[f64], bytes: u64) -> bool {
        self.runs.extend(ms);
        let Some(estimate) = estimate(&self.runs) else { return true };
        let spent: f64 = self.runs.iter().sum();
        let enough = estimate.relative() <= self.effort.tolerance();
        let is_done = ms.is_empty() || enough || spent >= self.effort.budget_ms() || self.runs.len() >= MOST;
        if is_done {
            self.put(tier, probe, estimate, bytes);
        }
        is_done
    }

    fn put(&mut self, tier: Tier, probe: Probe, estimate: Estimate, bytes: u64) {
        let table = if tier == Tier::Device { &mut self.profile.device } else { &mut self.profile.edge };
        if let Some(table) = table {
            table.put(probe, estimate, bytes);
        }
    }

    fn round_trip(&mut self, echoes: &[Echo]) -> bool {
        self.runs.extend(echoes.iter().map(Echo::round_trip_ms));
        self.link.rtt_ms = self.runs.iter().copied().fold(f64::INFINITY, f64::min).min(1e6);
        self.runs.len() >= ROUND_TRIPS || echoes.is_empty()
    }

    /// A train that was too short for its rate is sent again, longer.
    fn rate(&mut self, direction: Direction, echoes: &[Echo]) -> bool {
        let Some((ms, mbps)) = dispersion(echoes, TRAIN_BYTES, direction) else {
            self.train = FIRST_TRAIN;
            return true;
        };
        match direction {
            Direction::Up => self.link.up_mbps = mbps,
            Direction::Down => self.link.down_mbps = mbps,
        }
        let longer = 1 + (self.train as f64 * self.effort.train_ms() / ms) as usize;
        if self.train < LONGEST_TRAIN && ms < 0.7 * self.effort.train_ms() {
            self.train = longer.clamp(self.train + 1, LONGEST_TRAIN);
            return false;
        }
        self.train = FIRST_TRAIN;
        true
    }

    fn lump(&mut self, direction: Direction, echoes: &[Echo]) {
        let Some(echo) = echoes.first() else { return };
        let mbps = if direction == Direction::Up { self.link.up_mbps } else { self.link.down_mbps };
        let bytes = lump_bytes(mbps);
        let alone = self.link.rtt_ms + wire_ms(bytes, mbps);
        let beyond = ((echo.round_trip_ms() - alone) * 1e6 / bytes as f64).max(0.0);
        match direction {
            Direction::Up => self.link.up_ms_per_mb = beyond,
            Direction::Down => self.link.down_ms_per_mb = beyond,
        }
        self.profile.link = Some(self.link);
    }
}

fn lump_bytes(mbps: f64) -> usize {
    ((mbps * 1e3 / 8.0 * LUMP_MS) as usize).clamp(TRAIN_BYTES, LUMP_BYTES)
}

/// Widths at which operations on all nodes are measured.
fn widths(effort: Effort) -> &'static [usize] {
    match effort {
        Effort::Quick => &[3, 32, 256],
        Effort::Full => &[3, 16, 64, 256, 1024],
    }
}

/// What is to be priced.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Architectures of this task's size.
    Task(Task),
    /// This graph.
    Graph(Arc<Graph>),
}

impl Subject {
    /// What a mapping needs.
    pub fn of(mapping: &Mapping) -> Self {
        match (mapping.plan(), mapping.graph()) {
            (None, Some(graph)) => Self::Graph(graph.clone()),
            (Some((_, _, task)), _) => Self::Task(*task),
            (None, None) => Self::Task(Task::modelnet10()),
        }
    }

    /// Every probe.
    pub fn probes(&self, effort: Effort) -> Vec<Probe> {
        let mut probes = match self {
            Self::Task(task) => operations(effort, task),
            Self::Graph(graph) => {
                let alone = |operator| graph.operator_alone(operator).ok();
                let mut probes: Vec<Probe> = Vec::new();
                for operator in (0..graph.operators().len()).filter_map(alone) {
                    let probe = Probe::Graph(Arc::new(operator));
                    if !probes.contains(&probe) {
                        probes.push(probe);
                    }
                }
                probes
            }
        };
        for values in [1 << 10, 1 << 16, 1 << 18] {
            probes.push(Probe::Move { values });
            for codec in LinkCodec::ALL {
                probes.push(Probe::Encode { codec, values });
                probes.push(Probe::Decode { codec, values });
            }
        }
        probes
    }
}

/// Operations of a task's size.
fn operations(effort: Effort, task: &Task) -> Vec<Probe> {
    let (rows, k) = (task.n_points, task.k);
    let op = |op, channels| Probe::Op { op, rows, channels, k };
    let on_row = |op, channels| Probe::Op { op, rows: 1, channels, k: 1 };
    let of = |id: usize, function: usize| Op::from_ids(id, function);
    let mut probes = Vec::new();
    let outputs: &[usize] = if effort == Effort::Quick { &[0, 6] } else { &[0, 3, 6] };
    for &c in widths(effort) {
        probes.extend(of(3, 0).map(|knn| op(knn, c)));
        for function in 0..28 {
            // A quick profile takes one reducer for all: they differ by little.
            let near = if effort == Effort::Quick && function % 4 != 0 { None } else { of(2, function) };
            probes.extend(near.map(|aggregate| op(aggregate, c)));
        }
        probes.extend((0..6).filter_map(|function| of(4, function)).map(|pool| op(pool, c)));
        probes.extend(outputs.iter().filter_map(|function| of(1, *function)).map(|combine| op(combine, c)));
    }
    if effort == Effort::Full {
        probes.extend([8, 32, 128, 512].into_iter().filter_map(|c| Some(op(of(3, 0)?, c))));
    }
    for c in [64, 512] {
        probes.extend(of(0, 1).map(|skip| op(skip, c)));
        probes.extend(of(7, 0).map(|join| op(join, c)));
        probes.extend(of(0, 1).map(|skip| on_row(skip, c)));
    }
    for (c, function) in [(3, 3), (64, 3), (64, 5), (128, 5)] {
        probes.extend(of(6, function).map(|convolution| op(convolution, c)));
    }
    probes.extend(of(3, 1).map(|random| op(random, 3)));
    for c in [64, 512, 4096] {
        probes.extend(outputs.iter().filter_map(|function| of(1, *function)).map(|combine| on_row(combine, c)));
        probes.push(Probe::Classifier { channels: c, n_classes: task.n_classes });
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;

    /// A machine whose every probe takes 1 ms, or 2 on the edge, give or take; a link of 40 and 10 Mbps, 3 ms each way.
    struct World {
        rng: SplitMix64,
        noise: f64,
        ran: usize,
    }

    impl World {
        fn run(&mut self, ask: Ask) -> Answer {
            match ask {
                Ask::Probe { tier, runs, .. } => {
                    self.ran += runs;
                    let ms = if tier == Tier::Device { 1.0 } else { 2.0 };
                    let mut noisy = || ms * (1.0 + self.noise * (f64::from(self.rng.unit_f32()) - 0.5));
                    Answer::Times { ms: (0..runs).map(|_| noisy()).collect(), bytes: 0 }
                }
                Ask::Train { up, down, count } => {
                    let (mut up_free, mut down_free) = (0.0f64, 0.0f64);
                    let echo = |_| {
                        up_free += up as f64 * 8.0 / 40.0;
                        let received = up_free + 3_000.0;
                        down_free = down_free.max(received) + down as f64 * 8.0 / 10.0;
                        let clock = 5_000_000.0;
                        Echo {
                            sent: 0,
                            edge_received: (clock + received) as u64,
                            edge_sent: (clock + received) as u64,
                            arrived: (down_free + 3_000.0) as u64,
                        }
                    };
                    Answer::Train((0..count).map(echo).collect())
                }
            }
        }

        fn finish(&mut self, profiler: &mut Profiler) {
            while let Some(ask) = profiler.next() {
                let answer = self.run(ask);
                profiler.answer(answer);
            }
        }
    }

    fn world(noise: f64) -> World {
        World { rng: SplitMix64::new(1), noise, ran: 0 }
    }

    fn profiler(effort: Effort, before: Option<Profile>) -> Profiler {
        Profiler::new(
            effort,
            &Subject::Task(Task::modelnet10()),
            before,
            Table::new("d", "e"),
            Some(Table::new("s", "f")),
        )
    }

    #[test]
    fn a_profile_of_another_subject_keeps_the_rows_of_the_first() {
        let mut first = profiler(Effort::Quick, None);
        world(0.02).finish(&mut first);
        let graph = Arc::new(cleave_graph::zoo::network("lenet5").unwrap());
        let subject = Subject::Graph(graph.clone());
        let tables = || (Table::new("d", "e"), Some(Table::new("s", "f")));
        let (device, edge) = tables();
        let mut second = Profiler::new(Effort::Quick, &subject, Some(first.profile().clone()), device, edge);
        world(0.02).finish(&mut second);
        assert_eq!(second.profile().n_rows(), first.profile().n_rows() + 2 * graph.operators().len());
        let lut = crate::Lut::new(second.profile().device.as_ref().unwrap(), crate::Roofline::default());
        assert!(lut.has_measured(&graph) && (lut.operator_ms(&graph, 0) - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_profile_has_every_row_and_the_link() {
        let mut profiler = profiler(Effort::Full, None);
        world(0.02).finish(&mut profiler);
        let profile = profiler.profile();
        assert!(profile.complete);
        assert_eq!(profile.n_rows(), 2 * Subject::Task(Task::modelnet10()).probes(Effort::Full).len());
        let link = profile.link.unwrap();
        assert!((link.rtt_ms - 6.0).abs() < 1e-9, "{link:?}");
        assert!((link.up_mbps / 40.0 - 1.0).abs() < 1e-3 && (link.down_mbps / 10.0 - 1.0).abs() < 1e-3, "{link:?}");
        assert!(link.up_ms_per_mb < 0.1 && link.down_ms_per_mb < 0.1, "{link:?}");
    }

    #[test]
    fn noise_is_met_with_more_runs() {
        let ran = |noise| {
            let mut world = world(noise);
            world.finish(&mut profiler(Effort::Full, None));
            world.ran
        };
        assert!(ran(1.0) > 3 * ran(0.001));
    }

    #[test]
    fn every_probe_is_one_that_may_be_asked_for_and_none_comes_twice() {
        for effort in [Effort::Quick, Effort::Full] {
            let mut all = Subject::Task(Task::modelnet10()).probes(effort);
            assert!(all.iter().all(|probe| probe.clone().checked().is_ok()));
            let n = all.len();
            all.sort_by_key(ToString::to_string);
            all.dedup();
            assert_eq!(all.len(), n);
        }
        assert!(
            2 * Subject::Task(Task::modelnet10()).probes(Effort::Quick).len()
                < Subject::Task(Task::modelnet10()).probes(Effort::Full).len()
        );
    }

    #[test]
    fn an_interrupted_profile_is_continued() {
        let (mut first, mut world) = (profiler(Effort::Quick, None), world(0.01));
        for _ in 0..60 {
            let answer = world.run(first.next().unwrap());
            first.answer(answer);
        }
        let interrupted = first.profile().clone();
        assert!(!interrupted.complete && interrupted.n_rows() > 5);
        let mut second = profiler(Effort::Quick, Some(interrupted.clone()));
        world.finish(&mut second);
        assert!(second.profile().complete);
        let kept = interrupted.device.as_ref().unwrap().rows[0].clone();
        assert_eq!(second.profile().device.as_ref().unwrap().row(&kept.probe), Some(&kept));
        let other = Profiler::new(
            Effort::Quick,
            &Subject::Task(Task::modelnet10()),
            Some(interrupted),
            Table::new("x", "e"),
            None,
        );
        assert_eq!(other.profile().n_rows(), 0, "another machine's rows are not kept");
    }

    #[test]
    fn what_cannot_be_run_stays_out() {
        let mut profiler = profiler(Effort::Quick, None);
        while profiler.next().is_some() {
            profiler.answer(Answer::Failed);
        }
        assert!(profiler.profile().complete);
        assert_eq!((profiler.profile().n_rows(), profiler.profile().link), (0, None));
    }
}
