//! A part of one operator alone, with an input of ones: what is measured to learn what parts take.

use super::{Cnn, CnnWeights};
use crate::ModelError;
use burn::tensor::{Device, Tensor};
use cleave_arch::cnn::{Network, Partition, Region, Schedule, Split};

/// What the first of two workers has of an operator; all other operators are the second's.
pub struct Part {
    cnn: Cnn,
    operator: usize,
    input: Tensor<4>,
    /// None if what it makes is a partial sum that the other completes.
    complete: Option<Tensor<4>>,
}

impl Part {
    /// The first worker's part by this split, with seeded weights.
    ///
    /// # Errors
    /// A split that the operator has not, or that leaves the first worker without a part.
    pub fn new(network: &Network, operator: usize, split: Split, device: &Device) -> Result<Self, ModelError> {
        let mut partition = Partition::whole(2, network.operators().len(), 1);
        partition.steps[operator].split = split;
        let schedule = Schedule::new(network, &partition)?;
        let cnn = Cnn::new(network, &schedule, 0, &CnnWeights::Seeded(1), device)?;
        let (stage, of) = (&schedule.stages[operator], &network.operators()[operator]);
        let none = || ModelError::Parts { found: format!("no part of operator {operator}") };
        let work = stage.work[0].as_ref().ok_or_else(none)?;
        let ones = |region: &Region, width: usize| {
            let shape = region.shape(width);
            Tensor::ones([1, shape.channels, shape.height, shape.width], device)
        };
        let complete = &stage.complete[0];
        let complete = (!complete.is_empty()).then(|| ones(complete, of.made.width));
        Ok(Self { input: ones(&work.input, of.input.width), cnn, operator, complete })
    }

    /// Runs its layer.
    pub fn layer(&self) -> Tensor<4> {
        self.cnn.make(self.operator, self.input.clone())
    }

    /// Runs what follows within the operator, if this part has that.
    pub fn tail(&self) -> Option<Tensor<4>> {
        self.complete.clone().map(|complete| self.cnn.finish(self.operator, complete))
    }
}

/// What others compute between two runs of a part: so much goes through the caches, a line of them at a time, that what is
/// measured is a worker that waits for others, as in a run.
pub struct Others(Vec<u8>);

impl Default for Others {
    fn default() -> Self {
        Self(vec![0; 16 << 20])
    }
}

impl Others {
    /// They compute.
    pub fn compute(&mut self) {
        const LINE: usize = 64;
        self.0.iter_mut().step_by(LINE).for_each(|byte| *byte = byte.wrapping_add(1));
        std::hint::black_box(&self.0);
    }
}
