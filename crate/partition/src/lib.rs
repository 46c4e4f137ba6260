//! Plans how several workers share an image network, and predicts what that takes.
//!
//! A [`Problem`] is a network, a [`Cluster`] of workers with their links, and [`ComputeTimes`] that somebody measured.
//! A planner turns it into a [`Plan`]: a partition, what follows from it, its predicted [`Timeline`], energy, and the
//! memory of each worker. The timeline is simulated message by message as the runtime sends them, so that plans by
//! different planners are compared by one measure, and predictions with measurements.
//!
//! Planners: [`output_channel`]; [`coedge()`] (arXiv 2012.03257); [`iop_greedy`] (arXiv 2409.07693) and [`iop_exact`], the
//! same space solved exactly; and [`mixed()`], ours, in which every operator may be split in every way; and [`fewest_bytes`], for slow links. What the papers
//! leave open is filled in by reconstruction and named so.
//!
//! ```
//! use cleave_graph::zoo;
//! use cleave_partition::{Cluster, Link, Medium, Problem, Speed, Speeds, Strategy};
//!
//! let network = zoo::network("alexnet")?;
//! let link = Link { setup_ms: 5.0, mbps: 1000.0, delay_ms: 0.2 };
//! let cluster = Cluster::uniform(3, link, Medium::Switched)?;
//! let times = Speeds::new(&network, vec![Speed::of_macs(2e9), Speed::of_macs(2e9), Speed::of_macs(1e9)])?;
//! let problem = Problem::new(&network, &cluster, &times)?;
//! let iop = Strategy::Iop.plan(&problem)?;
//! assert!(iop.total_ms() < Strategy::OutputChannel.plan(&problem)?.total_ms());
//! assert!(Strategy::Mixed.plan(&problem)?.total_ms() < 0.9 * iop.total_ms());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod cluster;
mod coedge;
mod error;
mod frugal;
mod iop;
mod measured;
mod mixed;
mod plan;
mod problem;
mod simulate;
mod strategy;
mod times;

pub use chain::{Chain, Gap, Segments};
pub use cluster::{Cluster, Link, Links, Medium, Worker};
pub use coedge::{Goal, coedge};
pub use error::PartitionError;
pub use frugal::fewest_bytes;
pub use iop::{chain, iop_exact, iop_greedy, output_channel};
pub use measured::{Measured, Probe, Sample, probes};
pub use mixed::{Effort, mixed};
pub use plan::Plan;
pub use problem::Problem;
pub use simulate::{Activity, Span, Timeline, simulate};
pub use strategy::Strategy;
pub use times::{ComputeTimes, Only, Speed, Speeds};
