//! The clock of this process: microseconds since its start. Others estimate the offset to their own.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cleave_session::Micros;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since this process first asked.
pub fn now() -> Micros {
    Micros(u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// The moment at which [`now`] will be `at`.
pub fn instant(at: Micros) -> tokio::time::Instant {
    (*START + Duration::from_micros(at.0)).into()
}

/// Tokio's timers count whole milliseconds and come late by one; a shaped link has to be exact to a fraction of one.
const LATE: Micros = Micros(2_000);

/// Waits until [`now`] is `at`, exact to a tenth of a millisecond on a machine with a free core and without keeping a
/// core busy: the end of the wait is slept by a thread.
pub async fn wait_until(at: Micros) {
    let early = Micros(at.0.saturating_sub(LATE.0));
    if early > now() {
        tokio::time::sleep_until(instant(early)).await;
    }
    let rest = Duration::from_micros(at.0.saturating_sub(now().0));
    if !rest.is_zero() {
        // It fails only when the runtime ends, and then nobody waits.
        let _ended = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await.is_err();
    }
}
