//! Planners and their predictions: by hand, against closed forms, against each other, and within limits.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cases;
mod chain;
mod planners;
mod refused;
mod simulate;
