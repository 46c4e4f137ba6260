//! What a plan is predicted to cost, from a profile or, without one, from a rule of thumb: beside every measurement.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cleave_arch::{Plan, Task, Trace};
use cleave_cost::graph::PlanGraph;
use cleave_cost::{Machines, Price, Profile};
use cleave_wire::LinkShape;
use serde_json::{Value, json};

use crate::gin::Predictor;
use crate::output::grouped;

/// Where predictions come from.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Prediction")]
pub struct PredictArgs {
    /// A profile by `cleave profile`; without it machines are taken to be as fast as a rule of thumb says
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// A learned predictor by `cleave train predictor`, which corrects the profile's latencies
    #[arg(long, value_name = "FILE.safetensors", requires = "profile")]
    predictor: Option<PathBuf>,
}

/// Prices plans by what is known of the machines.
pub struct Pricer {
    /// The machines under the imposed conditions.
    pub machines: Machines,
    source: String,
    predictor: Option<Predictor>,
}

impl Pricer {
    /// What one frame of a plan is predicted to cost.
    ///
    /// # Errors
    /// If the learned predictor's result cannot be read back.
    pub fn price(&self, plan: &Plan, trace: &Trace, task: &Task) -> Result<Prediction> {
        let price = self.machines.price(plan, trace, task);
        let graph = || PlanGraph::new(plan, trace, task, &self.machines);
        let latencies = self.predictor.as_ref().map(|predictor| predictor.latencies(&[graph()])).transpose()?;
        let latency = latencies.and_then(|latencies| latencies.first().copied());
        let price = latency.map_or(price, |latency| price.with_latency(latency));
        Ok(Prediction { price, source: self.source.clone() })
    }
}

/// A price, and what it rests on.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The figures.
    pub price: Price,
    /// `profile FILE`, or `roofline`.
    pub source: String,
}

impl PredictArgs {
    /// Prices by the profile under the imposed conditions.
    ///
    /// # Errors
    /// A file that cannot be read, or is no profile or no predictor.
    pub fn pricer(&self, shape: &LinkShape) -> Result<Pricer> {
        let (profile, mut source) = match &self.profile {
            None => (Profile::default(), "roofline, no profile".to_owned()),
            Some(path) => (read(path)?, format!("profile {}", path.display())),
        };
        let mut machines = Machines::new(&profile);
        let mbps = (shape.bits_per_second > 0).then(|| shape.bits_per_second as f64 / 1e6);
        machines.link = machines.link.shaped(mbps, f64::from(shape.delay_micros) / 1e3);
        let predictor = self.predictor.as_deref().map(Predictor::read).transpose()?;
        if let Some(path) = &self.predictor {
            source = format!("{source} and predictor {}", path.display());
        }
        Ok(Pricer { machines, source, predictor })
    }
}

/// Reads a profile.
///
/// # Errors
/// A file that cannot be read, or what it is instead of a profile.
pub fn read(path: &Path) -> Result<Profile> {
    let text = fs::read_to_string(path).with_context(|| format!("the profile {} cannot be read", path.display()))?;
    Profile::from_json(&text).with_context(|| format!("the profile {}", path.display()))
}

impl Prediction {
    /// Everything, for programs; energy is an estimate by constants, never measured.
    pub fn to_json(&self) -> Value {
        let Price { stages, .. } = self.price;
        json!({
            "source": self.source, "latency_ms": self.price.latency_ms(), "uncertainty_ms": self.price.uncertainty_ms,
            "device_ms": stages.device, "uplink_ms": stages.up, "edge_ms": stages.edge, "downlink_ms": stages.down,
            "other_ms": stages.rest, "frames_per_second": self.price.frames_per_second,
            "bytes_up": self.price.bytes_up, "bytes_down": self.price.bytes_down,
            "device_peak_bytes": self.price.device_peak_bytes, "edge_peak_bytes": self.price.edge_peak_bytes,
            "energy_mj_estimate": self.price.energy_mj,
        })
    }

    /// Two lines for people.
    pub fn to_text(&self) -> String {
        let Price { stages, .. } = self.price;
        format!(
            "predicted ({}): {:.2} ms ± {:.2} (device {:.2}, uplink {:.2}, edge {:.2}, downlink {:.2}, other {:.2}), \
             {:.1} frames per second,\n  peak {} bytes on the device and {} on the edge, {:.1} mJ on the device (estimate)",
            self.source,
            self.price.latency_ms(),
            self.price.uncertainty_ms,
            stages.device,
            stages.up,
            stages.edge,
            stages.down,
            stages.rest,
            self.price.frames_per_second,
            grouped(self.price.device_peak_bytes),
            grouped(self.price.edge_peak_bytes),
            self.price.energy_mj
        )
    }
}
