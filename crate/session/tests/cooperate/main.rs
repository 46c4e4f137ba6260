//! Workers that share a network: the coordinator's machine and the members', joined by a virtual network on a virtual
//! clock, with a toy engine that really computes.

#![allow(clippy::unwrap_used)]

mod failures;
mod hostile;
mod refusals;
mod sim;
mod split;
mod timing;
mod toy;
