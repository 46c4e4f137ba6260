//! A search as it travels in a link, with everything that its result rests on: request, conditions, the profile to the
//! last bit of every time, and the name of what it is evaluated on. Who opens it finds the designs that its sender finds.

use crate::pricing::{Conditions, EdgeSite};
use crate::share::{self, ShareError};
use cleave_contract as contract;
use cleave_cost::{Profile, ProfileError};
use cleave_search::FURNITURE;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// First field of a shared search.
const FORMAT: &str = "cleave-search-link";
/// Raised when an older program would misread a newer one.
const VERSION: u32 = 2;
/// The oldest that is read: all of its searches were evaluated on generated furniture, by a device as it is.
const OLDEST: u32 = 1;

/// Why a text is no search.
#[derive(Debug, Error)]
pub enum SharedError {
    /// No link's text.
    #[error(transparent)]
    Text(#[from] ShareError),
    /// Another content.
    #[error("the link is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Another format or version.
    #[error("the link holds {format} version {version}, not {FORMAT} {VERSION}")]
    Foreign {
        /// What it says it is.
        format: String,
        /// Of which version.
        version: u32,
    },
    /// The profile in it.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// A search that was or will be shared.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedSearch {
    /// What is searched for.
    pub request: contract::SearchRequest,
    /// Under which conditions.
    pub conditions: Conditions,
    /// How many times slower the device was emulated.
    pub slowdown: f64,
    /// Of the sender's machines.
    pub profile: Profile,
    /// Name of the set that it is evaluated on.
    pub set: String,
}

/// What stands in a link.
#[derive(Serialize, Deserialize)]
struct Written {
    format: String,
    version: u32,
    #[serde(alias = "wish")]
    request: contract::SearchRequest,
    link: contract::Link,
    /// The edge half ran on a native edge.
    native: bool,
    #[serde(default = "as_it_is")]
    slowdown: f64,
    /// As a file.
    profile: String,
    #[serde(default = "furniture")]
    judged_on: String,
}

fn furniture() -> String {
    FURNITURE.to_owned()
}

fn as_it_is() -> f64 {
    1.0
}

impl SharedSearch {
    /// As a link's text.
    pub fn to_text(&self) -> String {
        let written = Written {
            format: FORMAT.into(),
            version: VERSION,
            request: self.request.clone(),
            link: self.conditions.link,
            native: self.conditions.edge == EdgeSite::Native,
            slowdown: self.slowdown,
            profile: short(self.profile.clone()).to_json(),
            judged_on: self.set.clone(),
        };
        // Every number is finite and every key is text, so that writing cannot fail.
        share::to_text(&serde_json::to_vec(&written).unwrap_or_default())
    }

    /// From a link's text.
    ///
    /// # Errors
    /// [`SharedError`] with what the text is instead.
    pub fn from_text(text: &str) -> Result<Self, SharedError> {
        let Written { format, version, request, link, native, slowdown, profile, judged_on } =
            serde_json::from_slice(&share::from_text(text)?)?;
        if format != FORMAT || !(OLDEST..=VERSION).contains(&version) {
            return Err(SharedError::Foreign { format, version });
        }
        let edge = if native { EdgeSite::Native } else { EdgeSite::InThisTab };
        let profile = Profile::from_json(&profile)?;
        Ok(Self { request, conditions: Conditions { link, edge }, slowdown, profile, set: judged_on })
    }
}

/// With what no design depends on to five significant digits: a link is short.
fn short(mut profile: Profile) -> Profile {
    for row in [&mut profile.device, &mut profile.edge].into_iter().flatten().flat_map(|table| &mut table.rows) {
        row.half_width = format!("{:.4e}", row.half_width).parse().unwrap_or(row.half_width);
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::tests::{native, profile};
    use crate::search::tests::request;

    fn shared() -> SharedSearch {
        let set = "ModelNet10, 190 clouds (3f2a9c41)".into();
        SharedSearch { request: request(), conditions: native(20.0), slowdown: 2.0, profile: profile(), set }
    }

    #[test]
    fn a_link_keeps_every_time_to_the_last_bit() {
        let read = SharedSearch::from_text(&shared().to_text()).unwrap();
        let rows = |search: &SharedSearch| {
            let tables = [&search.profile.device, &search.profile.edge].into_iter().flatten();
            tables.flat_map(|table| table.rows.iter().map(|row| (row.ms, row.runs))).collect::<Vec<_>>()
        };
        assert_eq!(rows(&read), rows(&shared()));
        assert_eq!(
            (&read.profile.link, &read.profile.calibration),
            (&shared().profile.link, &shared().profile.calibration)
        );
        assert_eq!(
            (&read.request, read.conditions, read.slowdown, &read.set),
            (&shared().request, native(20.0), 2.0, &shared().set)
        );
        let text = shared().to_text();
        assert!(text.len() < 20_000, "{} characters", text.len());
    }

    #[test]
    fn an_older_link_was_evaluated_on_furniture_and_a_foreign_one_is_refused() {
        let written = |version: u32, format: &str| {
            // As version 1 named them.
            let mut wish = serde_json::to_value(request()).unwrap();
            let latency = wish.as_object_mut().unwrap().remove("latency_ms").unwrap();
            wish["latency_millis"] = latency;
            let link = serde_json::json!({ "mbps": 0.0, "delay_millis": 0.0, "jitter_millis": 0.0 });
            let fields = serde_json::json!({
                "format": format, "version": version, "wish": wish, "link": link, "native": false,
                "profile": Profile::default().to_json(),
            });
            SharedSearch::from_text(&share::to_text(fields.to_string().as_bytes()))
        };
        let older = written(1, FORMAT).unwrap();
        assert_eq!((older.set.as_str(), older.slowdown), (FURNITURE, 1.0));
        let refused = |version, format| written(version, format).unwrap_err().to_string();
        assert_eq!(refused(3, FORMAT), "the link holds cleave-search-link version 3, not cleave-search-link 2");
        assert!(refused(2, "other").starts_with("the link holds other"));
        let text = shared().to_text();
        assert!(SharedSearch::from_text(&text[..text.len() - 9]).is_err());
    }
}
