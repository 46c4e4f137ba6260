//! Image networks that run: one worker's slices of the weights, and what it computes with them for each operator of a
//! schedule. Maps are `[1, channels, rows, columns]`.
//!
//! A worker holds only what its parts of the operators read. What it makes of a part is complete, or a partial sum that
//! others add to; [`Cnn::finish`] then does what follows within the operator.

mod card;
mod layers;
mod map;
mod member;
mod ops;
mod part;
mod weights;

pub use card::{ImageCard, likeliest};
pub use layers::local_norm;
pub use map::{Piece, assemble, cut};
pub use member::Member;
pub use part::{Others, Part};
pub use weights::CnnWeights;

use crate::ModelError;
use burn::tensor::{Device, Tensor};
use cleave_arch::cnn::{Network, Partition, Schedule};
use layers::{Layer, TailLayer, make, pass};

/// One worker's part of an image network.
pub struct Cnn {
    device: Device,
    stages: Vec<Stage>,
}

struct Stage {
    /// None if it has no part of this operator.
    layer: Option<Layer>,
    /// Empty if it has nothing of its result.
    tail: Vec<TailLayer>,
}

impl Cnn {
    /// Reads a worker's slices of the weights onto the device.
    ///
    /// # Errors
    /// [`ModelError`]: a weight that is missing, of another shape, or not finite.
    pub fn new(
        network: &Network,
        schedule: &Schedule,
        worker: usize,
        weights: &CnnWeights,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let reader = layers::Reader { network, weights, device };
        let stages = network.operators().iter().zip(&schedule.stages).map(|(operator, stage)| {
            let work = stage.work[worker].as_ref();
            let layer = work.map(|work| reader.layer(operator, work)).transpose()?;
            let tail = reader.tail(operator, &stage.complete[worker])?;
            Ok(Stage { layer, tail })
        });
        Ok(Self { device: device.clone(), stages: stages.collect::<Result<_, ModelError>>()? })
    }

    /// All of a network, unsplit.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn whole(network: &Network, weights: &CnnWeights, device: &Device) -> Result<Self, ModelError> {
        let partition = Partition::whole(1, network.operators().len(), 0);
        let schedule = Schedule::new(network, &partition).map_err(|why| ModelError::Network { why })?;
        Self::new(network, &schedule, 0, weights, device)
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The worker's part of an operator's layer from the region of the input that it reads: complete, or a partial sum.
    /// What it has no part of passes unchanged.
    pub fn make(&self, stage: usize, input: Tensor<4>) -> Tensor<4> {
        match &self.stages[stage].layer {
            Some(layer) => make(layer, input),
            None => input,
        }
    }

    /// What follows within the operator, on the complete region that the worker has.
    pub fn finish(&self, stage: usize, complete: Tensor<4>) -> Tensor<4> {
        self.stages[stage].tail.iter().fold(complete, pass)
    }

    /// Every operator from image `[1, channels, rows, columns]` to answer `[1, classes, 1, 1]`; for [`Self::whole`].
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        (0..self.stages.len()).fold(image, |map, stage| self.finish(stage, self.make(stage, map)))
    }
}
