//! Whole sessions: both machines joined by a virtual network on a virtual clock, with a toy engine whose answer depends
//! on every node and every value that crosses.

#![allow(clippy::unwrap_used)]

mod dispatch;
mod failures;
mod measure;
mod pipeline;
mod plans;
mod prepare;
mod refusals;
mod sim;
mod toy;
mod validation;
