//! A profile: what was measured of one device, one edge and the link between them, as a file that can be kept, sent
//! and read again. Versioned; one that was interrupted keeps what it has.

use crate::calibration::Calibration;
use crate::energy::EnergyProfile;
use crate::link::LinkFigures;
use crate::table::Table;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// First field of every profile.
pub const FORMAT: &str = "cleave-profile";
/// Raised whenever an older program would misread a newer file, or a probe means something else.
pub const VERSION: u32 = 1;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    format: String,
    version: u32,
    /// Measured to its end; otherwise the rows there are count, and the rest is made up by the roofline.
    pub complete: bool,
    /// The device's table.
    pub device: Option<Table>,
    /// The edge's table.
    pub edge: Option<Table>,
    /// The link as it was, unshaped unless somebody shaped it.
    pub link: Option<LinkFigures>,
    /// What real frames have corrected.
    #[serde(default)]
    pub calibration: Calibration,
    /// Powers for the energy estimate.
    #[serde(default)]
    pub energy: EnergyProfile,
}

/// Why a file is no profile.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProfileError {
    /// No JSON, or JSON of another shape.
    #[error("the file is damaged: {why}; export the profile again, or measure anew")]
    Damaged {
        /// What the reader said, with line and column.
        why: String,
    },
    /// JSON of something else.
    #[error("the file is no profile: its \"format\" is {found}, a profile's is \"{FORMAT}\"")]
    Foreign {
        /// What stands there.
        found: String,
    },
    /// A profile of another version.
    #[error("the profile has version {found}, this program reads version {VERSION}; measure anew with this program")]
    Version {
        /// The file's.
        found: u64,
    },
    /// A correction that no frames give.
    #[error("the profile's calibration has \"{what}\" {value}; it is {range}: calibrate again")]
    Calibration {
        /// The field.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it can be.
        range: &'static str,
    },
    /// A number that no measurement gives.
    #[error("the profile holds {what} {value}; a measurement is finite and not negative: measure anew")]
    Impossible {
        /// Which number.
        what: String,
        /// Its value.
        value: f64,
    },
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            complete: false,
            device: None,
            edge: None,
            link: None,
            calibration: Calibration::default(),
            energy: EnergyProfile::default(),
        }
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`] says what the file is instead.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let damaged = |why: serde_json::Error| ProfileError::Damaged { why: why.to_string() };
        let value: serde_json::Value = serde_json::from_str(text).map_err(damaged)?;
        let format = value.get("format");
        if format.and_then(|format| format.as_str()) != Some(FORMAT) {
            let found = format.map_or_else(|| "missing".into(), ToString::to_string);
            return Err(ProfileError::Foreign { found });
        }
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(found) => return Err(ProfileError::Version { found }),
            None => return Err(ProfileError::Damaged { why: "it has no version".into() }),
        }
        serde_json::from_value::<Self>(value).map_err(damaged)?.checked()
    }

    /// The profile as a file: one row per line.
    pub fn to_json(&self) -> String {
        // Every number is finite and every key is text, so that writing cannot fail.
        serde_json::to_string(self).unwrap_or_default().replace("},{\"probe\"", "},\n{\"probe\"")
    }

    /// Rows of both tables.
    pub fn n_rows(&self) -> usize {
        [&self.device, &self.edge].into_iter().flatten().map(|table| table.rows.len()).sum()
    }

    fn checked(self) -> Result<Self, ProfileError> {
        let impossible = |what: String, value: f64| Err(ProfileError::Impossible { what, value });
        for row in [&self.device, &self.edge].into_iter().flatten().flat_map(|table| &table.rows) {
            for (what, value) in [("the time", row.ms), ("the interval", row.half_width)] {
                if !(value.is_finite() && value >= 0.0) {
                    return impossible(format!("for `{}` {what}", row.probe), value);
                }
            }
        }
        if let Some(link) = &self.link {
            for (what, value, least) in [
                ("the round trip", link.rtt_ms, 0.0),
                ("the uplink's rate", link.up_mbps, f64::MIN_POSITIVE),
                ("the downlink's rate", link.down_mbps, f64::MIN_POSITIVE),
                ("the uplink's handling", link.up_ms_per_mb, 0.0),
                ("the downlink's handling", link.down_ms_per_mb, 0.0),
            ] {
                if !(value.is_finite() && value >= least) {
                    return impossible(what.into(), value);
                }
            }
        }
        let EnergyProfile { active_mw, communicating_mw, static_mw } = self.energy;
        for (what, value) in [("active", active_mw), ("communicating", communicating_mw), ("static", static_mw)] {
            if !(value.is_finite() && value >= 0.0) {
                return impossible(format!("the {what} power"), value);
            }
        }
        match self.calibration.impossible() {
            Some((what, value, range)) => Err(ProfileError::Calibration { what, value, range }),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;

    fn profile() -> Profile {
        let mut device = Table::new("browser", "wasm simd128");
        device.put("op 3 0 1024 64 20".parse().unwrap(), Estimate { ms: 1.5, half_width: 0.25, kept: 7 }, 0);
        device.put("encode f32 3".parse().unwrap(), Estimate { ms: 0.5, half_width: f64::INFINITY, kept: 1 }, 12);
        Profile { device: Some(device), link: Some(LinkFigures::default()), ..Profile::default() }
    }

    #[test]
    fn a_profile_reads_what_it_writes() {
        let written = profile().to_json();
        assert_eq!(Profile::from_json(&written).unwrap(), profile());
        assert_eq!(Profile::from_json(&written).unwrap().n_rows(), 2);
    }

    /// Two machines that share a profile predict the same: every figure is read to the last bit.
    #[test]
    fn a_measurement_is_read_to_the_last_bit() {
        let mut rng = cleave_arch::SplitMix64::new(1);
        let mut table = Table::new("browser", "wasm");
        for values in 1..500 {
            let ms = f64::from_bits(0x3f00_0000_0000_0000 | rng.next_u64() >> 9);
            let estimate = Estimate { ms, half_width: ms / 3.0, kept: 5 };
            table.put(format!("encode f32 {values}").parse().unwrap(), estimate, 1);
        }
        let link = LinkFigures { rtt_ms: 0.1 + 0.2, up_mbps: 100.0 / 3.0, ..LinkFigures::default() };
        let profile = Profile { device: Some(table), link: Some(link), ..Profile::default() };
        assert_eq!(Profile::from_json(&profile.to_json()).unwrap(), profile);
    }

    #[test]
    fn what_is_no_profile_is_told_what_it_is() {
        let error = |text: &str| Profile::from_json(text).unwrap_err().to_string();
        let written = profile().to_json();
        assert!(error("").contains("damaged"));
        assert!(error(&written[..written.len() / 2]).contains("damaged"));
        assert!(error("{}").contains("\"format\" is missing"));
        assert!(error("{\"format\":\"other\"}").contains("is \"other\""));
        assert!(error(&written.replace("\"version\":1", "\"version\":7")).contains("has version 7"));
        assert!(error(&written.replace("\"version\":1", "\"version\":\"x\"")).contains("no version"));
        assert!(error(&written.replace("op 3 0", "op 9 0")).contains("op 9 0"));
        assert!(error(&written.replace("1.5", "-1.5")).contains("for `op 3 0 1024 64 20` the time -1.5"));
        assert!(error(&written.replace("\"up_mbps\":40.0", "\"up_mbps\":0.0")).contains("uplink's rate"));
        assert!(error(&written.replace("\"static_mw\":1450.0", "\"static_mw\":-1.0")).contains("the static power -1"));
    }

    #[test]
    fn a_calibration_that_no_frames_give_is_refused_with_its_range() {
        let read = |calibration| Profile::from_json(&Profile { calibration, ..profile() }.to_json());
        let good = Calibration { frames: 10, ..Calibration::default() };
        let bounds = Calibration { device: 1.0 / 3.0, edge: 3.0, up_ms: -1e6, down_ms: 1e6, ..good };
        assert_eq!(read(bounds).unwrap().calibration, bounds);
        let negative = read(Calibration { device: -2.0, ..good }).unwrap_err().to_string();
        assert_eq!(negative, "the profile's calibration has \"device\" -2; it is 1/3 to 3: calibrate again");
        let broken = [
            Calibration { device: 0.0, ..good },
            Calibration { edge: 3.1, ..good },
            Calibration { up_ms: 1e300, ..good },
            Calibration { down_ms: -2e6, ..good },
            Calibration { rest_ms: 2e6, ..good },
        ];
        for (calibration, what) in broken.into_iter().zip(["device", "edge", "up_ms", "down_ms", "rest_ms"]) {
            assert!(matches!(read(calibration), Err(ProfileError::Calibration { what: of, .. }) if of == what));
        }
        for not_finite in [f64::NAN, f64::INFINITY] {
            let calibration = Calibration { edge: not_finite, ..good };
            assert!(matches!(
                Profile { calibration, ..profile() }.checked(),
                Err(ProfileError::Calibration { what: "edge", .. })
            ));
            assert!(read(calibration).is_err(), "JSON has no such number");
        }
    }
}
