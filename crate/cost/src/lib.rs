//! What a plan costs: latency by stage, throughput, memory and energy, from a profile of the machines.
//!
//! [`Profiler`] decides what to measure and makes a [`Profile`]; [`Machines`] turns one into answers; [`Price`] is an
//! answer. The table is GCoDE's (arXiv 2404.05605), with a rule for what was not measured; the link model adds what
//! that leaves out; a [`Calibration`] corrects both from real frames. Nothing here measures, reads a clock or opens
//! anything.

mod best;
mod calibration;
mod energy;
mod filter;
pub mod graph;
mod link;
mod lut;
mod memory;
pub mod pairs;
mod price;
mod profile;
mod profiler;
mod roofline;
pub mod stats;
mod table;

pub use best::mappings;
pub use calibration::{Calibration, Stages};
pub use energy::EnergyProfile;
pub use link::{Direction, Echo, LinkFigures, dispersion, wire_ms};
pub use lut::{Lut, Size};
pub use memory::{hgnas_bytes, peak_bytes};
pub use price::{Machines, Price};
pub use profile::{FORMAT, Profile, ProfileError, VERSION};
pub use profiler::{Answer, Ask, Effort, Profiler, Subject};
pub use roofline::Roofline;
pub use table::{Row, Table};
