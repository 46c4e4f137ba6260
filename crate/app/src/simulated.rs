//! The edge half in this process: the machine that a native edge runs, behind a link that exists only as two delays. It
//! computes with the same engine as the device, so it shows what a link costs, not what a faster edge gains.

use cleave_arch::Segment;
use cleave_arch::array::Array;
use cleave_session::{
    EdgeConfig, EdgeEffect, EdgeEvent, EdgeSession, EngineError, Host, Micros, Stopwatch, TokenCheck,
};
use cleave_wire::WeightSource;
use std::collections::{HashMap, VecDeque};

/// Work that the simulated edge asks for.
#[derive(Clone, Debug)]
pub struct EdgeJob {
    /// Connection of the edge that asks.
    pub connection: u32,
    /// Weights to run with.
    pub weights: WeightSource,
    /// Number to answer with.
    pub job: u64,
    /// What to run.
    pub segment: Segment,
    /// On what.
    pub input: Vec<Array>,
}

/// Work of the simulated edge that is done.
#[derive(Clone, Debug)]
pub struct EdgeJobDone {
    /// Connection of the edge that asked.
    pub connection: u32,
    /// Its number.
    pub job: u64,
    /// Values behind the segment, or why there are none.
    pub result: Result<Vec<Array>, EngineError>,
    /// When the engine began and ended.
    pub span: (Micros, Micros),
}

/// Messages on their way, in order of their times.
#[derive(Default)]
struct Way(VecDeque<(Micros, Vec<u8>)>);

impl Way {
    fn due(&mut self, now: Micros) -> Option<Vec<u8>> {
        let is_due = self.0.front().is_some_and(|(at, _)| *at <= now);
        if is_due { self.0.pop_front().map(|(_, message)| message) } else { None }
    }
}

/// The simulated edge and the messages on their way to and from it.
pub struct SimulatedEdge {
    session: EdgeSession,
    to_edge: Way,
    to_device: Way,
    models: HashMap<u32, WeightSource>,
    closed: Option<String>,
}

impl SimulatedEdge {
    /// A fresh edge.
    pub fn open(stopwatch: Stopwatch, now: Micros) -> Self {
        let config = EdgeConfig { stopwatch, ..EdgeConfig::new(Host::new(TokenCheck::open(), "this tab")) };
        Self {
            session: EdgeSession::new(config, now),
            to_edge: Way::default(),
            to_device: Way::default(),
            models: HashMap::new(),
            closed: None,
        }
    }

    /// Takes a message that reaches the edge at `at`.
    pub fn send(&mut self, at: Micros, bytes: Vec<u8>) {
        self.to_edge.0.push_back((at, bytes));
    }

    /// Delivers what is due at the edge and returns the work that this makes.
    pub fn pump(&mut self, connection: u32, now: Micros) -> Vec<EdgeJob> {
        let mut jobs = Vec::new();
        while let Some(bytes) = self.to_edge.due(now) {
            self.handle(EdgeEvent::Received(bytes), connection, now, &mut jobs);
        }
        self.handle(EdgeEvent::Tick, connection, now, &mut jobs);
        jobs
    }

    /// The next message that has reached the device.
    pub fn received(&mut self, now: Micros) -> Option<Vec<u8>> {
        self.to_device.due(now)
    }

    /// When the next message arrives on either side.
    pub fn next_arrival(&self) -> Option<Micros> {
        [&self.to_edge, &self.to_device].into_iter().filter_map(|way| way.0.front().map(|(at, _)| *at)).min()
    }

    /// Why the edge has ended the session, once everything it had sent is delivered.
    pub fn closed(&mut self) -> Option<String> {
        if self.to_device.0.is_empty() { self.closed.take() } else { None }
    }

    /// Takes finished work; more may follow.
    pub fn computed(&mut self, done: EdgeJobDone, now: Micros) -> Vec<EdgeJob> {
        let EdgeJobDone { connection, job, result, span: (started, finished) } = done;
        let mut jobs = Vec::new();
        self.handle(EdgeEvent::Computed { job, result, started, finished }, connection, now, &mut jobs);
        jobs
    }

    fn handle(&mut self, event: EdgeEvent, connection: u32, now: Micros, jobs: &mut Vec<EdgeJob>) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.session.handle(event, now) {
                match effect {
                    EdgeEffect::Send { bytes, at } => self.to_device.0.push_back((at, bytes)),
                    // The network is here already: device and edge share it.
                    EdgeEffect::NeedModel { deployment, weights, .. } => {
                        self.models.insert(deployment, weights);
                        events.push(EdgeEvent::ModelReady { deployment });
                    }
                    EdgeEffect::StoreModel { model, .. } => events.push(EdgeEvent::ModelStored { model }),
                    EdgeEffect::Compute { job, deployment, segment, tensors, .. } => {
                        // Frames of what was not made ready do not come this far.
                        if let Some(weights) = self.models.get(&deployment).copied() {
                            jobs.push(EdgeJob { connection, weights, job, segment, input: tensors });
                        }
                    }
                    EdgeEffect::DropDeployment { deployment } => {
                        self.models.remove(&deployment);
                    }
                    // It has no engine of its own: the device's table is its table.
                    EdgeEffect::Measure { id, .. } => {
                        let why = EngineError::new("the edge half runs in this tab, on the device's engine");
                        events.push(EdgeEvent::Measured { id, result: Err(why) });
                    }
                    EdgeEffect::Close { why } => self.closed = Some(why),
                    EdgeEffect::Cancel { .. } => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::{Mapping, Probe, Task};
    use cleave_model::exec::noise;
    use cleave_session::{
        DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, LinkStatus, Model, Weights, Work, unmeasured,
    };
    use cleave_wire::ModelHash;
    use std::sync::Arc;

    /// A device and the edge half in one thread, with the messages between them at their times.
    struct Pair {
        device: DeviceSession,
        edge: SimulatedEdge,
        now: Micros,
        jobs: Vec<EdgeJob>,
        said: Vec<DeviceEffect>,
    }

    const MODEL: ModelHash = ModelHash([7; 32]);

    impl Pair {
        fn new() -> Self {
            let model = Model { hash: MODEL, bytes: Arc::from(vec![1; 100]) };
            let mapping = Mapping::parse("3 2 5 1 4,0 6 0 3 0", &Task::modelnet10()).unwrap();
            let work = Arc::new(Work::new(mapping, Weights::File(model)).unwrap());
            let (device, now) = (DeviceSession::new(DeviceConfig::default(), work), Micros(1_000));
            let edge = SimulatedEdge::open(unmeasured, now);
            let mut pair = Self { device, edge, now, jobs: Vec::new(), said: Vec::new() };
            pair.tell(DeviceEvent::Connect);
            pair.tell(DeviceEvent::Opened { connection: 1 });
            pair.run();
            pair
        }

        fn tell(&mut self, event: DeviceEvent) {
            for effect in self.device.handle(event, self.now) {
                match effect {
                    DeviceEffect::Send { bytes, at, .. } => self.edge.send(at, bytes),
                    other => self.said.push(other),
                }
            }
        }

        /// Until nothing is on its way any more.
        fn run(&mut self) {
            while let Some(at) = self.edge.next_arrival() {
                self.now = self.now.max(at);
                self.jobs.extend(self.edge.pump(1, self.now));
                while let Some(bytes) = self.edge.received(self.now) {
                    self.tell(DeviceEvent::Received { connection: 1, bytes });
                }
            }
        }
    }

    #[test]
    fn it_has_the_network_already_and_asks_for_work_by_its_hash() {
        let mut pair = Pair::new();
        assert!(matches!(pair.device.status(), LinkStatus::Ready { name, threads: 1, .. } if name == "this tab"));
        let input = vec![Array::f32([1024, 3], vec![0.5; 3072]).unwrap()];
        let deadline = pair.now + Micros::from_millis(1_000);
        pair.tell(DeviceEvent::Submit { frame: 1, input, deadline });
        let computing = |effect: &DeviceEffect| match effect {
            DeviceEffect::Compute { job, segment, work, .. } => Some((*job, segment.clone(), Arc::clone(work))),
            _ => None,
        };
        let (job, segment, work) = pair.said.iter().find_map(computing).unwrap();
        let values = noise(work.cut().graph(), segment.nodes.end, 1);
        pair.tell(DeviceEvent::Computed { job, result: Ok(values) });
        pair.run();
        let [asked] = &pair.jobs[..] else { panic!("{:?}", pair.jobs) };
        assert_eq!(
            (asked.connection, asked.weights, asked.segment.nodes.start),
            (1, WeightSource::File(MODEL), segment.nodes.end)
        );
    }

    #[test]
    fn it_measures_nothing_because_the_devices_engine_is_its_own() {
        let mut pair = Pair::new();
        pair.tell(DeviceEvent::Measure { id: 5, probe: Probe::Move { values: 64 }, runs: 3 });
        pair.run();
        let refused = pair.said.iter().find_map(|effect| match effect {
            DeviceEffect::Measured { id: 5, result: Err(why) } => Some(why.to_string()),
            _ => None,
        });
        assert!(refused.is_some_and(|why| why.contains("runs in this tab")));
    }

    #[test]
    fn what_it_has_said_arrives_before_it_is_closed() {
        let mut edge = SimulatedEdge::open(unmeasured, Micros(0));
        edge.send(Micros(500), b"this is no greeting".to_vec());
        assert!(edge.pump(1, Micros(499)).is_empty() && edge.next_arrival() == Some(Micros(500)));
        edge.pump(1, Micros(500));
        assert_eq!(edge.closed(), None, "its refusal is on its way");
        assert!(edge.received(Micros(500)).is_some());
        assert!(edge.closed().is_some() && edge.closed().is_none(), "it closes once");
    }
}
