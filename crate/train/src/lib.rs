//! Data to weights: trains any [`Architecture`](cleave_arch::Architecture) on labelled point clouds or text graphs, on the CPU.
//!
//! [`fit`] takes a [`Config`] and [`Material`] and gives [`Weights`](cleave_model::Weights); progress, checkpoints and
//! the request to stop go through [`Observer`]. What a layer means is not said here a second time: aggregation, pooling,
//! skips and the graph kernels are `cleave_model`'s, only the linear layers appear in their trainable form, with
//! BatchNorm as a layer of its own ([`ops`]) instead of folded in. [`evaluate`] runs the exported weights through the
//! inference network, whole or cut.
//!
//! A run is a function of its seed: every batch, augmentation and dropout mask is drawn from a hash of the seed and
//! its place in the run, so that a resumed run is the uninterrupted one, bit for bit.

mod augment;
mod batch;
mod checkpoint;
mod config;
mod error;
mod evaluate;
mod favour;
mod fit;
mod images;
mod kernel;
mod material;
mod network;
pub mod ops;
mod optimizer;
mod pass;
mod predictor;
mod rank;
mod supernet;
mod trainer;

pub use augment::Augment;
pub use batch::{Batch, Samples};
pub use config::{Config, Subject};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate, evaluate_plan};
pub use fit::{Command, EpochReport, Observer, Progress, fit};
pub use images::{ImageConfig, evaluate_images, fit_images};
pub use material::{BLANK, Material, Sample, Taught, Texts, Vocabulary, state};
pub use network::{Network, Parameter};
pub use pass::Mode;
pub use predictor::{PlanSample, PredictorConfig, PredictorEpoch, fit_predictor};
pub use rank::kendall_tau;
pub use supernet::Supernet;
pub use trainer::{StepReport, Trainer};
