//! A device and an edge with real TCP between them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cleave_arch::{Array, Mapping, Plan, Task};
use cleave_cli::local::{DeviceChoice, Engine};
use cleave_cli::loopback::LoopbackEdge;
use cleave_cli::network::Network;
use cleave_cli::remote::{OnLoss, Remote, Settings};
use cleave_data::furniture;
use cleave_session::FrameReport;
use cleave_wire::LinkShape;

/// No wait in a test is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Threads that compute on the edge.
const WORKERS: usize = 2;

/// A network loaded on the device.
pub struct Loaded {
    /// What it is.
    pub network: Network,
    /// What runs it here.
    pub engine: Arc<Engine>,
}

impl Loaded {
    /// Loads onto the CPU.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn new(network: Network) -> Result<Self> {
        let engine = Arc::new(Engine::new(network.load(&DeviceChoice::Cpu.open()?)?));
        Ok(Self { network, engine })
    }

    /// Seeded random weights.
    ///
    /// # Errors
    /// As [`Loaded::new`].
    pub fn random(plan: Plan, task: Task, seed: u64) -> Result<Self> {
        Self::new(Network::random(plan, task, seed)?)
    }
}

/// A seeded piece of furniture with as many points as the task wants.
///
/// # Errors
/// Never for three channels and more than one point.
pub fn cloud(task: &Task, seed: u64) -> Result<Array> {
    let class = (seed % furniture::CLASSES.len() as u64) as usize;
    Ok(Array::f32([task.n_points, 3], furniture::generate(class, task.n_points, seed)?)?)
}

/// One edge and one device's session with it.
pub struct Link {
    /// The device's half.
    pub remote: Remote,
    /// The edge; absent while it is down.
    edge: Option<LoopbackEdge>,
    port: u16,
    next_id: u64,
}

/// How an edge goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is asked to, and says goodbye.
    Stopped,
    /// Its sockets close in the middle of whatever they did.
    Killed,
}

impl Link {
    /// Starts an edge on a free port and a session with it.
    ///
    /// # Errors
    /// If there is no port or no thread.
    pub fn start() -> Result<Self> {
        let edge = LoopbackEdge::start(WORKERS)?;
        let settings = Settings { address: edge.address().clone(), shape: LinkShape::UNSHAPED, deadline: PATIENCE };
        Ok(Self { remote: Remote::start(settings)?, port: edge.port(), edge: Some(edge), next_id: 0 })
    }

    /// Deploys and waits until the edge is ready for it.
    ///
    /// # Errors
    /// What the edge refused, or that it took too long.
    pub fn deploy(&mut self, loaded: &Loaded, mapping: Mapping) -> Result<()> {
        self.remote.deploy(loaded.network.work(mapping)?, loaded.engine.clone())?;
        self.remote.wait_ready(PATIENCE)
    }

    /// One frame from submission to end.
    ///
    /// # Errors
    /// If it did not end in time.
    pub fn run(&mut self, cloud: &Array) -> Result<FrameReport> {
        let id = self.submit(cloud)?;
        let report = self.remote.next_report(PATIENCE)?;
        anyhow::ensure!(report.id == id, "frame {} ended where {id} was awaited", report.id);
        Ok(report)
    }

    /// Submits a frame and gives its number.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn submit(&mut self, cloud: &Array) -> Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        self.remote.submit(id, cloud.clone())?;
        Ok(id)
    }

    /// The edge goes away.
    pub fn lose_edge(&mut self, end: End) {
        match (self.edge.take(), end) {
            (Some(edge), End::Stopped) => edge.stop(),
            (Some(edge), End::Killed) => edge.kill(),
            (None, _) => {}
        }
    }

    /// Another edge starts on the same port; waits until the session uses it.
    ///
    /// # Errors
    /// If the port stays taken, or the session does not come back in time.
    pub fn restart_edge(&mut self) -> Result<()> {
        // The system may hold a killed edge's port until its last thread is gone.
        let attempts = (0..100).map(|attempt| {
            std::thread::sleep(Duration::from_millis(if attempt == 0 { 0 } else { 50 }));
            LoopbackEdge::start_on(self.port, WORKERS)
        });
        let edge = attempts.into_iter().find_map(Result::ok).context("the edge's port stays taken")?;
        self.edge = Some(edge);
        self.remote.wait_ready_or(OnLoss::Wait, PATIENCE)
    }
}
