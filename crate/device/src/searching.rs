//! A search under way in a tab: slices between messages, evaluations by the supernet on this engine.

use crate::browser::{now_millis, turn};
use crate::mailbox::Mailbox;
use crate::worker::Input;
use burn::tensor::Device;
use cleave_app::evaluation::{Evaluation, EvaluationError, EvaluationSet, deployment_calibration};
use cleave_app::search::{SearchRun, Turn};
use cleave_arch::{Architecture, LinkCodec, Plan};
use cleave_contract as contract;
use cleave_model::{Card, Storage, SupernetWeights};
use std::rc::Rc;

/// Milliseconds of portions before messages are looked at again.
const SLICE_MS: f64 = 25.0;

/// The search with what this engine evaluates by.
pub struct Searching {
    run: SearchRun,
    /// For samples of the set's size.
    supernet: Rc<SupernetWeights>,
    set: Rc<EvaluationSet>,
    /// Of this run, so that an answer to an earlier one is known as such.
    pub number: u32,
}

impl Searching {
    /// Drives this run from now on.
    pub fn new(run: SearchRun, supernet: Rc<SupernetWeights>, set: Rc<EvaluationSet>, number: u32) -> Self {
        Self { run, supernet, set, number }
    }

    /// Works through portions for a few milliseconds, or begins to evaluate.
    pub fn slice(&mut self, device: &Device, mailbox: &Mailbox<Input>) -> Turn {
        let next = self.run.slice(SLICE_MS, now_millis);
        if let Turn::Evaluate(architecture) = &next {
            let evaluation = Evaluation::new(Rc::clone(&self.set), architecture.clone());
            let (supernet, device) = (Rc::clone(&self.supernet), device.clone());
            let (architecture, mailbox, number) = (architecture.clone(), mailbox.clone(), self.number);
            wasm_bindgen_futures::spawn_local(async move {
                let accuracy = evaluate(&supernet, evaluation, &device).await;
                mailbox.put(Input::Evaluated(number, architecture, accuracy));
            });
        }
        next
    }

    /// Takes an accuracy.
    pub fn evaluated(&mut self, architecture: &Architecture, accuracy: f64) {
        self.run.evaluated(architecture, accuracy);
    }

    /// What the page is told, a few times a second; `None` in between.
    pub fn report(&mut self, running: bool) -> Option<contract::Search> {
        self.run.report(now_millis(), running)
    }
}

/// The part of the set that is right, 0..=1; other messages are looked at between batches.
async fn evaluate(supernet: &SupernetWeights, mut evaluation: Evaluation, device: &Device) -> Result<f64, String> {
    let input = evaluation.calibration().state(device);
    let network = supernet.network(evaluation.architecture(), input, device).await;
    let (gnn, _) = network.map_err(|why| why.to_string())?;
    while let Some(batch) = evaluation.batch() {
        turn().await;
        let logits = gnn.answer(batch.state(device)).into_data_async().await.map_err(|why| format!("{why:?}"))?;
        let logits = logits.try_into_vec::<f32>().map_err(|why| format!("{why:?}"))?;
        evaluation.take(&logits).map_err(|why| why.to_string())?;
    }
    evaluation.accuracy().ok_or_else(|| "the set has no samples".into())
}

/// The weights file of a design: its part of the supernet, statistics measured on generated clouds of full size.
pub async fn deploy(
    supernet: Rc<SupernetWeights>,
    plan: Plan,
    codec: LinkCodec,
    device: Device,
) -> Result<Vec<u8>, String> {
    let text = |why: EvaluationError| why.to_string();
    let input = deployment_calibration(supernet.task.n_points).map_err(text)?.state(&device);
    let (_, weights) = supernet.network(plan.architecture(), input, &device).await.map_err(|why| why.to_string())?;
    let card = Card {
        name: format!("searched {plan}"),
        plan: plan.with_codec(codec),
        task: supernet.task,
        classes: supernet.classes.clone(),
        accuracy: None,
    };
    weights.to_safetensors(&card, Storage::F32).map_err(|why| why.to_string())
}
