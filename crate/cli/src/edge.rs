//! Which edge, and under which conditions: options of several subcommands.

use std::time::Duration;

use anyhow::{Result, bail};
use cleave_wire::LinkShape;

use crate::remote::{Address, Settings};

/// An edge on the command line.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Edge")]
pub(crate) struct EdgeArgs {
    /// The URL that cleave-edge printed; without it the edge's part runs in this process, or is left out
    #[arg(long, value_name = "URL")]
    edge: Option<String>,
    /// The edge's token, if the URL does not have it
    #[arg(long, value_name = "T", requires = "edge")]
    token: Option<String>,
    /// Shape the link, both directions: megabits per second
    #[arg(long, value_name = "X", requires = "edge")]
    mbps: Option<f64>,
    /// Shape the link, both directions: one-way delay in milliseconds
    #[arg(long, value_name = "Y", requires = "edge")]
    delay_ms: Option<f64>,
}

impl EdgeArgs {
    /// What a session with it needs; `None` without an edge.
    pub(crate) fn settings(&self, deadline: Duration) -> Result<Option<Settings>> {
        let Some(url) = &self.edge else { return Ok(None) };
        let address = Address::parse(url, self.token.as_deref())?;
        Ok(Some(Settings { address, shape: self.shape()?, deadline }))
    }

    /// The imposed conditions.
    pub(crate) fn shape(&self) -> Result<LinkShape> {
        let mbps = self.mbps.unwrap_or(0.0);
        let delay = self.delay_ms.unwrap_or(0.0);
        if !(0.0..=1e6).contains(&mbps) || (self.mbps.is_some() && mbps < 1e-3) {
            bail!("--mbps is {mbps}; it should be 0.001 to 1000000");
        }
        let most = f64::from(LinkShape::MAX_DELAY_MICROS) / 1e3;
        if !(0.0..=most).contains(&delay) {
            bail!("--delay-ms is {delay}; it should be 0 to {most}");
        }
        Ok(LinkShape { bits_per_second: (mbps * 1e6) as u64, delay_micros: (delay * 1e3) as u32, jitter_micros: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_meaning_is_refused() {
        let shape = |mbps, delay_ms| EdgeArgs { mbps, delay_ms, ..EdgeArgs::default() }.shape();
        let right = shape(Some(40.0), Some(2.5)).unwrap();
        assert_eq!((right.bits_per_second, right.delay_micros), (40_000_000, 2_500));
        assert_eq!(shape(None, None).unwrap(), LinkShape::UNSHAPED);
        for (mbps, delay) in [(Some(-1.0), None), (Some(f64::NAN), None), (Some(0.0), None), (None, Some(1e9))] {
            assert!(shape(mbps, delay).is_err(), "{mbps:?} {delay:?}");
        }
    }
}
