//! A profile being measured: what the profiler asked for, and what of it has come.

use cleave_arch::{Probe, Tier};
use cleave_cost::{Answer, Ask, Echo, Effort, Profile, Profiler, Subject, Table};
use cleave_session::{DeviceEvent, Measured};

/// What is to be measured next.
#[derive(Clone, Debug)]
pub enum Asked {
    /// On the device's engine, answered by [`Profiling::probed`].
    Device {
        /// Its number.
        id: u32,
        /// What.
        probe: Probe,
        /// How often.
        runs: usize,
    },
    /// By the edge: events for the session.
    Edge(Vec<DeviceEvent>),
}

/// The profiler and the train that is out.
pub struct Profiling {
    profiler: Profiler,
    /// Numbers of what was asked for start here.
    first: u32,
    next: u32,
    echoes: Vec<Echo>,
}

impl Profiling {
    /// Begins; `first` is a number above those of earlier profiles.
    pub fn new(
        quick: bool,
        subject: &Subject,
        before: Option<Profile>,
        device: Table,
        edge: Option<Table>,
        first: u32,
    ) -> Self {
        let effort = if quick { Effort::Quick } else { Effort::Full };
        let profiler = Profiler::new(effort, subject, before, device, edge);
        Self { profiler, first, next: first, echoes: Vec::new() }
    }

    /// What is known so far.
    pub fn profile(&self) -> &Profile {
        self.profiler.profile()
    }

    /// Done, and all.
    pub fn progress(&self) -> (usize, usize) {
        self.profiler.progress()
    }

    /// The first number that nobody uses.
    pub fn unused(&self) -> u32 {
        self.next
    }

    /// What is next; `None`: done.
    pub fn ask(&mut self) -> Option<Asked> {
        self.first = self.next;
        Some(match self.profiler.next()? {
            Ask::Probe { tier: Tier::Device, probe, runs } => Asked::Device { id: self.number(), probe, runs },
            Ask::Probe { tier: Tier::Edge, probe, runs } => {
                let id = self.number();
                Asked::Edge(vec![DeviceEvent::Measure { id, probe, runs: u16::try_from(runs).unwrap_or(u16::MAX) }])
            }
            Ask::Train { up, down, count } => {
                self.echoes.clear();
                let mut echo = || DeviceEvent::Echo { id: self.number(), bytes: up as u32, answer_bytes: down as u32 };
                Asked::Edge((0..count).map(|_| echo()).collect())
            }
        })
    }

    fn number(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// A probe has ended. A probe that an engine cannot run stays out.
    pub fn probed(&mut self, result: Option<Measured>) {
        self.profiler.answer(match result {
            Some(Measured { ms, bytes }) => Answer::Times { ms, bytes },
            None => Answer::Failed,
        });
    }

    /// Whether this number is of what was asked for last.
    pub fn expects(&self, id: u32) -> bool {
        id > self.first && id <= self.next
    }

    /// An echo has come; true if the train is complete.
    pub fn echoed(&mut self, echo: &cleave_session::Echo) -> bool {
        let cleave_session::Echo { sent, edge_received, edge_sent, arrived } = *echo;
        self.echoes.push(Echo { sent: sent.0, edge_received, edge_sent, arrived: arrived.0 });
        let is_complete = self.echoes.len() as u32 == self.next - self.first;
        if is_complete {
            self.profiler.answer(Answer::Train(std::mem::take(&mut self.echoes)));
        }
        is_complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_session::Micros;

    fn profiling(edge: Option<Table>, first: u32) -> Profiling {
        Profiling::new(true, &subject(), None, Table::new("device", "wasm"), edge, first)
    }

    fn subject() -> Subject {
        Subject::Task(cleave_arch::Task::modelnet10())
    }

    fn measured(runs: usize) -> Option<Measured> {
        Some(Measured { ms: vec![1.0; runs], bytes: 64 })
    }

    #[test]
    fn numbers_go_on_from_those_before_and_only_those_of_the_latest_question_are_expected() {
        let mut profiling = profiling(None, 40);
        let mut last = 40;
        while let Some(asked) = profiling.ask() {
            let Asked::Device { id, runs, .. } = asked else { panic!("there is no edge: {asked:?}") };
            assert_eq!((id, profiling.unused()), (last + 1, last + 1));
            assert!(profiling.expects(id) && !profiling.expects(id - 1) && !profiling.expects(id + 1));
            profiling.probed(measured(runs));
            last = id;
        }
        assert!(profiling.profile().complete && profiling.profile().edge.is_none());
        let (done, total) = profiling.progress();
        assert!(done == total && total > 20, "{done} of {total}");
    }

    /// Answers echoes over a link of 80 Mbit/s each way, half a millisecond away.
    fn answer(profiling: &mut Profiling, echoes: &[DeviceEvent], clock: &mut u64) {
        for (at, event) in echoes.iter().enumerate() {
            let DeviceEvent::Echo { id, bytes, answer_bytes } = event else { panic!("{event:?}") };
            assert!(profiling.expects(*id));
            let sent = Micros(*clock);
            *clock += 500 + u64::from(*bytes) / 10;
            let at_edge = *clock;
            *clock += 500 + u64::from(*answer_bytes) / 10;
            let arrived = Micros(*clock);
            let came = cleave_session::Echo { sent, edge_received: at_edge, edge_sent: at_edge, arrived };
            assert_eq!(profiling.echoed(&came), at + 1 == echoes.len());
        }
    }

    #[test]
    fn a_train_is_answered_when_all_of_its_echoes_have_come() {
        let mut profiling = profiling(Some(Table::new("edge", "CPU")), 0);
        let (mut clock, mut trains) = (0, 0);
        while let Some(asked) = profiling.ask() {
            match asked {
                Asked::Device { runs, .. } => profiling.probed(measured(runs)),
                Asked::Edge(events) => match &events[..] {
                    [DeviceEvent::Measure { runs, .. }] => profiling.probed(measured(usize::from(*runs))),
                    echoes => {
                        trains += 1;
                        answer(&mut profiling, echoes, &mut clock);
                    }
                },
            }
        }
        let profile = profiling.profile();
        assert!(trains > 2 && profile.complete && profile.edge.as_ref().is_some_and(|table| !table.rows.is_empty()));
        assert!(profile.link.is_some_and(|link| link.rtt_ms >= 1.0 && link.up_mbps > 0.0), "{:?}", profile.link);
    }

    #[test]
    fn a_probe_that_cannot_be_run_stays_out_and_a_profile_goes_on_from_the_one_before() {
        let mut first = profiling(None, 0);
        for at in 0..10 {
            let Some(Asked::Device { runs, .. }) = first.ask() else { panic!("there is more to measure") };
            first.probed(if at == 0 { None } else { measured(runs) });
        }
        let (rows, before) = (first.profile().n_rows(), first.profile().clone());
        assert!(rows > 0 && rows < 10 && !before.complete, "{rows} rows");
        let device = Table::new("device", "wasm");
        let second = Profiling::new(true, &subject(), Some(before), device, None, 9);
        assert_eq!(second.profile().n_rows(), rows);
    }
}
