//! How long workers compute: injected by whoever has measured it, or from plain speeds.

use cleave_graph::{Graph, Region};

use crate::error::PartitionError;

/// Milliseconds of computing. All are finite and not negative.
pub trait ComputeTimes {
    /// The operation of an operator for a worker: `made` of what it makes, from so many of the units that it reduces (input
    /// channels, or rows of the input).
    fn layer_ms(&self, worker: usize, operator: usize, inputs: usize, made: &Region) -> f64;

    /// What follows the layer, on a complete part of its output.
    fn tail_ms(&self, worker: usize, operator: usize, complete: &Region) -> f64;

    /// Adding one received partial sum of so many values.
    fn add_ms(&self, worker: usize, values: u64) -> f64;
}

/// How fast a worker is where nothing has been measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Multiplications with addition per second.
    pub macs_per_s: f64,
    /// Bytes per second that a tail reads, or that are added up.
    pub bytes_per_s: f64,
    /// Milliseconds for each operator, however little of it.
    pub fixed_ms: f64,
}

impl Speed {
    /// So many MAC per second, twice as many bytes per second, 20 µs for each operator.
    pub fn of_macs(macs_per_s: f64) -> Self {
        Self { macs_per_s, bytes_per_s: 2.0 * macs_per_s, fixed_ms: 0.02 }
    }
}

/// Times by plain speeds of each worker: for tests, and for shares before anything is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Speeds<'a> {
    network: &'a Graph,
    speeds: Vec<Speed>,
}

impl<'a> Speeds<'a> {
    /// The speed of each worker.
    ///
    /// # Errors
    /// [`PartitionError::Number`]: a speed of zero, or none; it names the worker.
    pub fn new(network: &'a Graph, speeds: Vec<Speed>) -> Result<Self, PartitionError> {
        for (worker, speed) in speeds.iter().enumerate() {
            let wrong = |what, value, right| Err(PartitionError::Number { worker, what, value, right });
            for (what, value) in [("a speed in MAC/s", speed.macs_per_s), ("a speed in bytes/s", speed.bytes_per_s)] {
                if !(value.is_finite() && value > 0.0) {
                    return wrong(what, value, "a number above 0");
                }
            }
            if !(speed.fixed_ms.is_finite() && speed.fixed_ms >= 0.0) {
                return wrong("a fixed time in ms", speed.fixed_ms, "a number from 0");
            }
        }
        Ok(Self { network, speeds })
    }

    /// Reading so many bytes; not a number for a worker without a speed, which a [`Problem`](crate::Problem) refuses.
    fn moving_ms(&self, worker: usize, bytes: u64) -> f64 {
        self.speeds.get(worker).map_or(f64::NAN, |speed| bytes as f64 / speed.bytes_per_s * 1e3)
    }
}

impl ComputeTimes for Speeds<'_> {
    fn layer_ms(&self, worker: usize, operator: usize, inputs: usize, made: &Region) -> f64 {
        let macs = self.network.operators()[operator].part_flops(made, inputs) / 2;
        self.speeds.get(worker).map_or(f64::NAN, |speed| speed.fixed_ms + macs as f64 / speed.macs_per_s * 1e3)
    }

    fn tail_ms(&self, worker: usize, operator: usize, complete: &Region) -> f64 {
        let operator = &self.network.operators()[operator];
        self.moving_ms(worker, 4 * complete.shape(operator.made.shape.width).values() * operator.tail.len() as u64)
    }

    fn add_ms(&self, worker: usize, values: u64) -> f64 {
        // Two numbers are read for each that is written.
        self.moving_ms(worker, 8 * values)
    }
}

/// The times of some workers, for [`Cluster::only`](crate::Cluster::only) these.
pub struct Only<'a> {
    /// The times of all.
    pub times: &'a dyn ComputeTimes,
    /// Whose they are, by their numbers among all.
    pub workers: Vec<usize>,
}

impl ComputeTimes for Only<'_> {
    fn layer_ms(&self, worker: usize, operator: usize, inputs: usize, made: &Region) -> f64 {
        self.times.layer_ms(self.workers[worker], operator, inputs, made)
    }

    fn tail_ms(&self, worker: usize, operator: usize, complete: &Region) -> f64 {
        self.times.tail_ms(self.workers[worker], operator, complete)
    }

    fn add_ms(&self, worker: usize, values: u64) -> f64 {
        self.times.add_ms(self.workers[worker], values)
    }
}
