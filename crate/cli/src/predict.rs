//! What a plan is predicted to cost, from a profile or, without one, from a rule of thumb: beside every measurement. The
//! files are read and the words are found here; the prices are the application's.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use cleave_app::pricing::{Conditions, Predictor, Prices, Pricing, Unused};
use cleave_arch::Mapping;
use cleave_cost::pairs::Pairs;
use cleave_cost::{Price, Profile};
use cleave_wire::LinkShape;
use serde_json::{Value, json};

use crate::file;
use crate::output::grouped;

/// Where predictions come from.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Prediction")]
pub struct PredictArgs {
    /// A profile by `cleave profile`; without it machines are taken to be as fast as a rule of thumb says
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// A learned predictor by `cleave train predictor`, which corrects the latencies of a whole profile that no frames have
    /// calibrated
    #[arg(long, value_name = "FILE.safetensors", requires = "profile")]
    predictor: Option<PathBuf>,
}

/// Prices plans by what is known of the machines.
pub struct Pricer {
    /// Under the imposed conditions.
    pub prices: Rc<Prices>,
    source: String,
}

impl Pricer {
    /// What one frame is predicted to cost.
    pub fn price(&self, mapping: &Mapping) -> Prediction {
        self.told(self.prices.price(mapping))
    }

    /// The same of every single cut, before each step.
    pub fn cuts(&self, mapping: &Mapping) -> Vec<Prediction> {
        self.prices.cuts(mapping).into_iter().map(|price| self.told(price)).collect()
    }

    fn told(&self, price: Price) -> Prediction {
        Prediction { price, source: self.source.clone() }
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
    pub fn pricer(&self, shape: &LinkShape) -> Result<Pricer> {
        let (profile, mut source) = match &self.profile {
            None => (Profile::default(), "roofline, no profile".to_owned()),
            Some(path) => (read(path)?, format!("profile {}", path.display())),
        };
        let prices = pricing(profile, self.predictor.as_deref())?.under(Conditions::native(shape));
        if let Some(path) = &self.predictor {
            source = match prices.unused() {
                None => format!("{source} and predictor {}", path.display()),
                Some(why) => format!("{source}; the predictor is not used: {}", unused_words(why)),
            };
        }
        Ok(Pricer { prices, source })
    }
}

/// Prices by a profile and, where it counts, a predictor.
pub(crate) fn pricing(profile: Profile, predictor: Option<&Path>) -> Result<Pricing> {
    let mut pricing = Pricing::of(profile);
    if let Some(path) = predictor {
        pricing.set_predictor(read_predictor(path)?);
    }
    Ok(pricing)
}

/// Why a predictor that was named does not count.
pub(crate) fn unused_words(why: Unused) -> &'static str {
    match why {
        Unused::Unfinished => "the profile is not whole, and it was trained on whole ones",
        Unused::NoEdge => "the profile has no edge, and it was trained with one",
        Unused::Calibrated => "frames have calibrated the profile, which is worth more",
        Unused::OneThread => "device and edge share a thread",
    }
}

/// Reads a learned predictor.
pub(crate) fn read_predictor(path: &Path) -> Result<Predictor> {
    file::parse("the predictor", path, Predictor::from_safetensors)
}

/// Reads a profile.
pub(crate) fn read(path: &Path) -> Result<Profile> {
    file::parse_text("the profile", path, Profile::from_json)
}

/// Reads measured pairs.
pub(crate) fn read_pairs(path: &Path) -> Result<Pairs> {
    file::parse_text("the pairs", path, Pairs::from_json)
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
