//! Times a graph's operators on this thread: `app` says which part is next, here it is run and awaited.

use crate::browser::{now_ms, sleep, turn};
use burn::tensor::Device;
use cleave_app::operators::{OperatorTimes, Probing, Workbench};
use cleave_graph::Graph;
use cleave_model::ModelError;
use std::cell::Cell;
use std::rc::Rc;

/// Set when nobody wants the work any more.
pub type Cancelled = Rc<Cell<bool>>;

/// All parts, one after another; `tell` is told how many are done, and of how many. None: cancelled.
pub async fn measure(
    network: &Graph,
    device: &Device,
    tell: impl Fn(usize, usize),
    cancelled: &Cancelled,
) -> Result<Option<OperatorTimes>, ModelError> {
    let (mut probing, mut bench) = (Probing::new(network), Workbench::new(network, device));
    while let Some(step) = probing.next() {
        match step.pause_ms {
            Some(ms) => {
                bench.disturb();
                sleep(ms).await;
            }
            None => {
                let (done, total) = probing.progress();
                tell(done, total);
                turn().await;
            }
        }
        if cancelled.get() {
            return Ok(None);
        }
        let start = now_ms();
        let took = match bench.run(step.work)? {
            None => None,
            // A GPU has computed all of it once a value can be read.
            Some(value) => {
                value.into_data_async().await.map_err(|why| ModelError::ReadBack { why: why.to_string() })?;
                Some(now_ms() - start)
            }
        };
        probing.took(took);
    }
    Ok(probing.finish())
}
