//! Running a network on this machine alone, whole or segment by segment.
//!
//! A split run here takes the same way as one over a network: between two tiers the live values are packed with the
//! mapping's codec and unpacked again, so that its answer is that of the real split.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::Device;
use cleave_arch::{Array, LinkCodec, Mapping, Segment, Tier};
use cleave_cost::Stages;
use cleave_model::exec::Executor;
use cleave_wire::{Limits, Packed};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A loaded network and the threads that it runs on.
pub struct Engine {
    network: Executor,
    /// Its own threads, if it is not to share those of the process.
    pool: Option<ThreadPool>,
    /// How many times as long a segment takes; 1: as long as it does.
    slowdown: f64,
}

/// A run in this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// One per class.
    pub logits: Vec<f32>,
    /// What each tier took, milliseconds; nothing for a link.
    pub stages: Stages,
    /// Bytes of the packed values that came to the edge, and back.
    pub bytes: [usize; 2],
}

impl Engine {
    /// Takes a loaded network; it computes on the process's threads.
    pub fn new(network: Executor) -> Self {
        Self { network, pool: None, slowdown: 1.0 }
    }

    /// Computes on `n` threads of its own instead of the process's; 0 is one per core.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn with_threads(self, n: usize) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(n).build().context("no threads can be started")?;
        Ok(Self { pool: Some(pool), ..self })
    }

    /// Emulates a device that is so many times slower: a segment's result is handed on as much later.
    #[must_use]
    pub fn slowed(self, slowdown: f64) -> Self {
        Self { slowdown, ..self }
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }

    /// Runs one segment on the live values before it; an answer has the shape `[n_classes]`.
    ///
    /// # Errors
    /// Values that are not the segment's, or a device that fails.
    pub fn segment(&self, segment: &Segment, input: &[Array]) -> Result<Vec<Array>> {
        let started = Instant::now();
        let result = match &self.pool {
            Some(pool) => pool.install(|| self.run(segment, input)),
            None => self.run(segment, input),
        };
        if self.slowdown > 1.0 {
            std::thread::sleep(started.elapsed().mul_f64(self.slowdown - 1.0));
        }
        result
    }

    fn run(&self, segment: &Segment, input: &[Array]) -> Result<Vec<Array>> {
        Ok(wait(self.network.compute(segment.nodes.clone(), input))?)
    }

    /// The unsplit run.
    ///
    /// # Errors
    /// As [`Engine::segment`].
    pub fn whole(&self, input: &Array) -> Result<Vec<f32>> {
        let whole = Segment { tier: Tier::Device, nodes: 0..self.network.graph().nodes().len() };
        logits(self.segment(&whole, std::slice::from_ref(input))?)
    }

    /// The split run, both tiers here.
    ///
    /// # Errors
    /// As [`Engine::segment`], or values that the codec cannot carry.
    pub fn split(&self, mapping: &Mapping, input: &Array) -> Result<Run> {
        let (mut values, mut tier) = (vec![input.clone()], Tier::Device);
        let (mut stages, mut bytes) = (Stages::default(), [0, 0]);
        for segment in mapping.cut_graph()?.segments() {
            let crossed = if segment.tier == tier { 0 } else { cross(&mut values, mapping.codec())? };
            let start = Instant::now();
            values = self.segment(&segment, &values)?;
            tier = segment.tier;
            let (took, came) = match tier {
                Tier::Device => (&mut stages.device, &mut bytes[1]),
                Tier::Edge => (&mut stages.edge, &mut bytes[0]),
            };
            *took += millis_since(start);
            *came += crossed;
        }
        Ok(Run { logits: logits(values)?, stages, bytes })
    }
}

/// Packs and unpacks the values; their packed size in bytes.
fn cross(values: &mut Vec<Array>, codec: LinkCodec) -> Result<usize> {
    let packed = Packed::pack(values, codec)?;
    *values = packed.unpack(&Limits::DEFAULT)?;
    Ok(packed.len())
}

/// The device by its name on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// burn-flex on all cores.
    #[default]
    Cpu,
    /// The GPU, if the program was built with it.
    Wgpu,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// A program without GPU support, or a machine without a GPU.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Wgpu => open_wgpu(),
        }
    }
}

#[cfg(feature = "wgpu")]
fn open_wgpu() -> Result<Device> {
    wait(Device::wgpu_options().init_async()).map_err(|why| anyhow::anyhow!("no GPU can be opened: {why}"))
}

#[cfg(not(feature = "wgpu"))]
fn open_wgpu() -> Result<Device> {
    anyhow::bail!("this `cleave` was built without GPU support; build it with --features wgpu, or use --device cpu")
}

fn logits(mut arrays: Vec<Array>) -> Result<Vec<f32>> {
    let last = arrays.pop().context("the network gave no logits")?;
    Ok(last.as_f32()?.to_vec())
}

/// Waits in this thread. The CPU's results are there at once; a GPU's driver wakes it.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Milliseconds since `start`.
pub(crate) fn millis_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The middle of the values; 0 of none.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    cleave_cost::stats::median(&values).unwrap_or(0.0)
}
