//! A profile being measured: what the profiler asked for, and what of it has come.

use cleave_arch::{Probe, Task, Tier};
use cleave_cost::{Answer, Ask, Echo, Effort, Profile, Profiler, Table};
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

/// An echo of the session as the profiler takes it.
pub fn echo(echo: &cleave_session::Echo) -> Echo {
    Echo { sent: echo.sent.0, edge_received: echo.edge_received, edge_sent: echo.edge_sent, arrived: echo.arrived.0 }
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
        task: &Task,
        before: Option<Profile>,
        device: Table,
        edge: Option<Table>,
        first: u32,
    ) -> Self {
        let effort = if quick { Effort::Quick } else { Effort::Full };
        let profiler = Profiler::new(effort, task, before, device, edge);
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
    pub fn echoed(&mut self, came: &cleave_session::Echo) -> bool {
        self.echoes.push(echo(came));
        let is_complete = self.echoes.len() as u32 == self.next - self.first;
        if is_complete {
            self.profiler.answer(Answer::Train(std::mem::take(&mut self.echoes)));
        }
        is_complete
    }
}
