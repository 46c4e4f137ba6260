//! A worker in a run: what it holds between the messages of a schedule. Values come and go as plain numbers; in between
//! they stay on the device.

use super::{Cnn, CnnWeights, Piece, assemble, cut};
use std::sync::Arc;

use crate::ModelError;
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use cleave_arch::cnn::{COORDINATOR, Network, Region, Schedule, Shape};

/// The engine of one worker. Each call takes what has come for it, in the schedule's order, and gives what is to be sent.
pub struct Member {
    cnn: Cnn,
    network: Arc<Network>,
    schedule: Arc<Schedule>,
    worker: usize,
    /// Its part of an operator's input, with the operator's number; one past the last is the answer.
    has: Option<(usize, Piece)>,
    /// What it has made of an operator's layer, before sums.
    made: Option<(usize, Piece)>,
}

impl Member {
    /// Reads the worker's slices of the weights onto the device.
    ///
    /// # Errors
    /// As [`Cnn::new`].
    pub fn new(
        network: Arc<Network>,
        schedule: Arc<Schedule>,
        worker: usize,
        weights: &CnnWeights,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let cnn = Cnn::new(&network, &schedule, worker, weights, device)?;
        Ok(Self { cnn, network, schedule, worker, has: None, made: None })
    }

    /// The coordinator's beginning: the image `[channels, rows, columns]`, of which `wanted` are sent.
    ///
    /// # Errors
    /// [`ModelError::Parts`] if these are not the numbers of an image.
    pub async fn start(&mut self, image: Vec<f32>, wanted: &[Region]) -> Result<Vec<Vec<f32>>, ModelError> {
        let shape = self.network.input();
        self.made = None;
        let (_, image) = self.has.insert((0, self.piece(Region::all(shape), shape, image)?));
        read(image, wanted).await
    }

    /// Makes the worker's part of an operator's layer from what it has and what came of the operator's input; `wanted` is
    /// sent of what it makes, a partial sum.
    ///
    /// # Errors
    /// [`ModelError::Parts`] if something is missing, or is not what the schedule says.
    pub async fn make(
        &mut self,
        stage: usize,
        received: Vec<(Region, Vec<f32>)>,
        wanted: &[Region],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let missing = || wrong(format!("operator {stage} has not all of its input"));
        let operator = self.network.operators().get(stage).ok_or_else(missing)?;
        let work = self.schedule.stages[stage].work[self.worker].clone().ok_or_else(missing)?;
        let shape = operator.input;
        let pieces = self.pieces(stage, shape, received)?;
        let input = assemble(&work.input, &pieces).ok_or_else(missing)?;
        drop(pieces);
        let made = Piece { map: self.cnn.make(stage, input), region: work.made };
        let (_, made) = self.made.insert((stage, made));
        read(made, wanted).await
    }

    /// Adds the partial sums that have come, one complete region each, and does what follows within the operator; `wanted`
    /// is sent of the operator's output.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn finish(
        &mut self,
        stage: usize,
        received: Vec<Vec<f32>>,
        wanted: &[Region],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let missing = || wrong(format!("nothing was made of operator {stage}"));
        let operator = self.network.operators().get(stage).ok_or_else(missing)?;
        let of_worker = &self.schedule.stages[stage];
        let (complete, output) = (&of_worker.complete[self.worker], of_worker.output[self.worker].clone());
        let made = self.made.take().filter(|(of, _)| *of == stage);
        let mut sum = made.map(|(_, made)| cut(&made, complete));
        for values in received {
            let other = self.piece(complete.clone(), operator.made, values)?.map;
            sum = Some(match sum {
                Some(sum) => sum + other,
                None => other,
            });
        }
        let map = self.cnn.finish(stage, sum.ok_or_else(missing)?);
        let (_, output) = self.has.insert((stage + 1, Piece { region: output, map }));
        read(output, wanted).await
    }

    /// The coordinator's end: the answer from what it has and what came of it.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn answer(&mut self, received: Vec<(Region, Vec<f32>)>) -> Result<Vec<f32>, ModelError> {
        debug_assert_eq!(self.worker, COORDINATOR);
        let shape = self.network.output();
        let pieces = self.pieces(self.network.operators().len(), shape, received)?;
        let region = Region::all(shape);
        let map = assemble(&region, &pieces).ok_or_else(|| wrong("parts of the answer are missing".into()))?;
        let whole = read(&Piece { region: region.clone(), map }, &[region]).await?;
        Ok(whole.into_iter().next().unwrap_or_default())
    }

    /// Forgets what it holds of a run.
    pub fn forget(&mut self) {
        (self.has, self.made) = (None, None);
    }

    /// What it has of an operator's input, and what came of it.
    fn pieces(
        &mut self,
        operator: usize,
        of: Shape,
        received: Vec<(Region, Vec<f32>)>,
    ) -> Result<Vec<Piece>, ModelError> {
        let has = self.has.take().filter(|(at, _)| *at == operator).map(|(_, piece)| Ok(piece));
        let came = received.into_iter().map(|(region, values)| self.piece(region, of, values));
        has.into_iter().chain(came).collect()
    }

    fn piece(&self, region: Region, of: Shape, values: Vec<f32>) -> Result<Piece, ModelError> {
        let Shape { channels, height, width } = region.shape(of.width);
        if values.len() != channels * height * width {
            let (found, needed) = (values.len(), channels * height * width);
            return Err(wrong(format!(
                "{found} numbers for a part of {channels}×{height}×{width}, which has {needed}"
            )));
        }
        let map = Tensor::from_data(TensorData::new(values, [1, channels, height, width]), self.cnn.device());
        Ok(Piece { region, map })
    }
}

fn wrong(found: String) -> ModelError {
    ModelError::Parts { found }
}

/// Parts of a piece as plain numbers, with one wait for all of them.
async fn read(piece: &Piece, wanted: &[Region]) -> Result<Vec<Vec<f32>>, ModelError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(part) = wanted.iter().find(|part| !piece.region.contains(part)) {
        return Err(wrong(format!("{part:?} is wanted of {:?}", piece.region)));
    }
    let read_back = |why: String| ModelError::ReadBack { why };
    let wanted = wanted.iter().fold(Transaction::default(), |reads, part| reads.register(cut(piece, part)));
    let read = wanted.execute_async().await.map_err(|why| read_back(format!("{why:?}")))?;
    read.into_iter().map(|data| data.try_into_vec::<f32>().map_err(|why| read_back(format!("{why:?}")))).collect()
}
