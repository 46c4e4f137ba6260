//! Time as the machines see it: microseconds of the caller's own clock, handed in.

use std::fmt;
use std::ops::{Add, Sub};

/// A moment on the caller's clock, or a span between two. Arithmetic saturates: a clock never runs backwards here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// As milliseconds with a fraction, for people.
    pub fn as_millis(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Micros {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.as_millis())
    }
}

/// Reads any monotonic clock, to measure how long packing and unpacking take. No decision depends on it.
pub type Stopwatch = fn() -> Micros;

/// A stopwatch that measures nothing.
pub fn unmeasured() -> Micros {
    Micros(0)
}

/// What `work` gives, and how long it took.
pub(crate) fn measured<T>(stopwatch: Stopwatch, work: impl FnOnce() -> T) -> (T, Micros) {
    let start = stopwatch();
    let value = work();
    (value, stopwatch() - start)
}
