//! A profile being measured: what the profiler asked for, and what of it has come.

use crate::browser::{now_millis, turn};
use crate::mailbox::Mailbox;
use crate::worker::Input;
use burn::tensor::Device;
use cleave_arch::{Probe, Task, Tier};
use cleave_cost::{Answer, Ask, Echo, Effort, Profile, Profiler, Table};
use cleave_session::{DeviceEvent, Measured, measure_codec};

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

    /// Begins with what is next: on this engine, told through the mailbox, or by events for the session. `None`: done.
    pub fn ask(&mut self, device: &Device, mailbox: &Mailbox<Input>) -> Option<Vec<DeviceEvent>> {
        self.first = self.next;
        Some(match self.profiler.next()? {
            Ask::Probe { tier: Tier::Device, probe, runs } => {
                let (id, device, mailbox) = (self.number(), device.clone(), mailbox.clone());
                wasm_bindgen_futures::spawn_local(async move {
                    // Between two probes the browser delivers what came in meanwhile: a stop.
                    turn().await;
                    mailbox.put(Input::Probed(id, measure(probe, runs, &device).await));
                });
                Vec::new()
            }
            Ask::Probe { tier: Tier::Edge, probe, runs } => {
                let id = self.number();
                vec![DeviceEvent::Measure { id, probe, runs: runs as u16 }]
            }
            Ask::Train { up, down, count } => {
                self.echoes.clear();
                let mut echo = || DeviceEvent::Echo { id: self.number(), bytes: up as u32, answer_bytes: down as u32 };
                (0..count).map(|_| echo()).collect()
            }
        })
    }

    fn number(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// A probe has ended. A probe that an engine cannot run stays out.
    pub fn probed(&mut self, result: Result<Measured, String>) {
        self.profiler.answer(match result {
            Ok(Measured { ms, bytes }) => Answer::Times { ms, bytes },
            Err(_) => Answer::Failed,
        });
    }

    /// Whether this number is of what was asked for last.
    pub fn expects(&self, id: u32) -> bool {
        id > self.first && id <= self.next
    }

    /// An echo has come; true if the train is complete.
    pub fn echoed(&mut self, echo: &cleave_session::Echo) -> bool {
        self.echoes.push(Echo {
            sent: echo.sent.0,
            edge_received: echo.edge_received,
            edge_sent: echo.edge_sent,
            arrived: echo.arrived.0,
        });
        let is_complete = self.echoes.len() as u32 == self.next - self.first;
        if is_complete {
            self.profiler.answer(Answer::Train(std::mem::take(&mut self.echoes)));
        }
        is_complete
    }
}

/// Times a probe on an engine of this tab.
pub async fn measure(probe: Probe, runs: usize, device: &Device) -> Result<Measured, String> {
    if let Some(measured) = measure_codec(probe, runs, now_millis).await {
        return measured.map_err(|why| why.to_string());
    }
    match cleave_model::measure(probe, device, runs, now_millis).await {
        Some(measured) => measured.map(|ms| Measured { ms, bytes: 0 }).map_err(|why| why.to_string()),
        None => Err(format!("nobody runs `{probe}` here")),
    }
}
