//! The edge's clock: microseconds since its start. Devices estimate the offset to their own.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cleave_session::Micros;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since this process first asked.
pub(crate) fn now() -> Micros {
    Micros(u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// The moment at which [`now`] will be `at`.
pub(crate) fn instant(at: Micros) -> tokio::time::Instant {
    (*START + Duration::from_micros(at.0)).into()
}
