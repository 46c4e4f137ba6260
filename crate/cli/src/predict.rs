//! What a plan is predicted to cost, from a profile or, without one, from a rule of thumb: beside every measurement.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cleave_cost::{Machines, Price, Profile};
use cleave_wire::LinkShape;
use serde_json::{Value, json};

use crate::output::grouped;

/// Where predictions come from.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Prediction")]
pub struct PredictArgs {
    /// A profile by `cleave profile`; without it machines are taken to be as fast as a rule of thumb says
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
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
    /// The machines of the profile, under the imposed conditions, and what they rest on.
    ///
    /// # Errors
    /// A file that cannot be read or is no profile.
    pub fn machines(&self, shape: &LinkShape) -> Result<(Machines, String)> {
        let (profile, source) = match &self.profile {
            None => (Profile::default(), "roofline, no profile".to_owned()),
            Some(path) => (read(path)?, format!("profile {}", path.display())),
        };
        let mut machines = Machines::new(&profile);
        let mbps = (shape.bits_per_second > 0).then(|| shape.bits_per_second as f64 / 1e6);
        machines.link = machines.link.shaped(mbps, f64::from(shape.delay_micros) / 1e3);
        Ok((machines, source))
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
