//! What was measured on one machine: a row per [`Probe`]. GCoDE's look-up table, with the interval of every entry.

use crate::stats::Estimate;
use cleave_arch::Probe;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The rows of one machine and one engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What the machine calls itself.
    pub name: String,
    /// The engine: `wasm simd128, one thread`, `CPU, 2 threads`.
    pub engine: String,
    /// In the order of measurement.
    pub rows: Vec<Row>,
}

/// One measured time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was run.
    #[serde(serialize_with = "write_probe", deserialize_with = "read_probe")]
    pub probe: Probe,
    /// Mean of the runs that passed the filter, milliseconds.
    pub ms: f64,
    /// Half the width of its 95 % confidence interval, milliseconds.
    pub half_width: f64,
    /// Runs that passed the filter.
    pub runs: usize,
    /// Bytes that came out, for [`Probe::Encode`]; else 0.
    #[serde(default)]
    pub bytes: u64,
}

impl Table {
    /// No rows yet.
    pub fn new(name: impl Into<String>, engine: impl Into<String>) -> Self {
        Self { name: name.into(), engine: engine.into(), rows: Vec::new() }
    }

    /// The row of a probe.
    pub fn row(&self, probe: &Probe) -> Option<&Row> {
        self.rows.iter().find(|row| row.probe == *probe)
    }

    /// Adds a row, in place of an earlier one of the same probe.
    pub fn put(&mut self, probe: Probe, estimate: Estimate, bytes: u64) {
        // JSON has no infinity: an interval that is not known is as wide as the value.
        let half_width = if estimate.half_width.is_finite() { estimate.half_width } else { estimate.ms };
        let row = Row { probe, ms: estimate.ms, half_width, runs: estimate.kept, bytes };
        match self.rows.iter_mut().find(|old| old.probe == row.probe) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
    }

    /// Median over the rows of half the interval's width as a part of the value: how far the table itself is to be
    /// trusted.
    pub fn noise(&self) -> f64 {
        let parts: Vec<f64> = self.rows.iter().filter(|row| row.ms > 0.0).map(|row| row.half_width / row.ms).collect();
        crate::stats::median(&parts).unwrap_or(0.0)
    }
}

fn write_probe<S: Serializer>(probe: &Probe, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(probe)
}

fn read_probe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Probe, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
