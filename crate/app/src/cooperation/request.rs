//! What is to be run: one form for the page's request and the command's.

use std::sync::Arc;

use cleave_arch::SplitMix64;
use cleave_contract::{CooperationRequest, ImageRequest, MAX_COOPERATION_RUNS, MemberRequest};
use cleave_data::images::from_rgba;
use cleave_graph::{Graph, Shape, zoo};
use cleave_partition::Strategy;
use cleave_session::Weights;

use super::error::RequestError;
use crate::operators::OperatorTimes;
use crate::partition::strategy::asked;
use crate::partition::{OnShow, Shown, Workers};

/// A network that is to be run over workers.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is computed.
    pub network: Arc<Graph>,
    /// By whom, over which links. A slowdown that is given is believed.
    pub workers: Workers,
    /// Measure also the speeds of workers whose slowdown is given: they are made so slow, or may be so.
    pub learn: bool,
    /// How it is shared.
    pub strategy: Strategy,
    /// What the operators take in the coordinator's place.
    pub times: Arc<OperatorTimes>,
    /// Where the weights come from.
    pub weights: Weights,
    /// Run one after another, again from the first after the last; at least one.
    pub images: Vec<Vec<f32>>,
    /// How many runs are reported.
    pub runs: usize,
    /// Also run each image whole, to compare.
    pub compare: bool,
    /// The plan that people look at.
    pub shown: Shown,
}

/// What a page's request says without IO: the shell fetches weights and times.
#[derive(Clone, Debug)]
pub struct Read {
    /// What is computed.
    pub network: Graph,
    /// By whom.
    pub workers: Workers,
    /// How it is shared.
    pub strategy: Strategy,
    /// What the network is to look at.
    pub image: Vec<f32>,
    /// What people call it.
    pub image_name: String,
}

/// Reads a page's request.
///
/// # Errors
/// [`RequestError`]: whatever is wrong with it.
pub fn read(request: &CooperationRequest) -> Result<Read, RequestError> {
    let workers = Workers::of_request(&request.partition)?;
    let network = zoo::network(&request.partition.network)?;
    workers.uplinks()?;
    let (members, slower) = (request.members.len(), &request.partition.slower);
    if members + 1 != slower.len() {
        return Err(RequestError::Members { members, workers: slower.len() });
    }
    if !(1..=MAX_COOPERATION_RUNS).contains(&request.runs) {
        return Err(RequestError::Runs { found: request.runs });
    }
    let is_here = |worker: usize| worker == 0 || request.members[worker - 1] == MemberRequest::Browser;
    if let Some((worker, slowdown)) =
        slower.iter().enumerate().find(|(worker, slower)| is_here(*worker) && **slower < 1.0)
    {
        return Err(RequestError::TooFast { worker: worker + 1, slowdown: *slowdown });
    }
    let strategy = asked(request.strategy);
    let (image, image_name) = image(&request.image, network.input())?;
    Ok(Read { network, workers, strategy, image, image_name })
}

impl Read {
    /// With what the shell has fetched. All speeds are measured: workers of a browser are made so slow as they are asked
    /// to be, and how fast an edge is, is not asked.
    pub fn request(
        &self,
        request: &CooperationRequest,
        times: OperatorTimes,
        weights: Weights,
        on_show: &OnShow,
    ) -> Request {
        Request {
            network: Arc::new(self.network.clone()),
            workers: self.workers.clone(),
            learn: true,
            strategy: self.strategy,
            times: Arc::new(times),
            weights,
            images: vec![self.image.clone()],
            runs: request.runs,
            compare: request.check,
            shown: on_show.of(&request.partition, self.strategy),
        }
    }
}

/// The numbers of an image for a network of this input, and what it is called.
///
/// # Errors
/// Pixels of another size.
pub(crate) fn image(request: &ImageRequest, shape: Shape) -> Result<(Vec<f32>, String), RequestError> {
    match request {
        ImageRequest::Noise(seed) => {
            Ok((noise(shape, *seed).next().unwrap_or_default(), format!("noise of seed {seed}")))
        }
        ImageRequest::Pixels { name, rgba } => {
            let values = from_rgba(rgba, shape.channels, [shape.height, shape.width]);
            Ok((values.map_err(|why| RequestError::Image { name: name.clone(), why })?, name.clone()))
        }
    }
}

/// Images of values in -1..1, one after another without end.
pub fn noise(shape: Shape, seed: u64) -> impl Iterator<Item = Vec<f32>> {
    let mut rng = SplitMix64::new(seed);
    std::iter::repeat_with(move || (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect())
}
