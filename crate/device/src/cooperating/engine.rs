//! The near end of what computes for one worker: a worker of this browser with a module and a memory of its own, so that
//! several really compute at once and this thread is free to send; in tests, this thread.
//!
//! Calls and answers are structured clones; values travel as typed arrays, transferred instead of copied.

use super::computing::{self, Job};
use crate::browser::{describe, scope, wait_until};
use crate::engine;
use crate::error::DeviceError;
use crate::gpu;
use crate::mailbox::Mailbox;
use burn::tensor::Device;
use cleave_contract::Backend;
use cleave_graph::{Region, Schedule};
use cleave_session::cooperate::{EngineCall, EngineEvent, Uplink};
use cleave_session::{EngineError, Micros};
use cleave_wire::Limits;
use cleave_wire::cooperate::{Join, ToMember};
use js_sys::{Array, Float32Array, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// What an engine says.
pub enum Said {
    /// It takes calls now.
    Ready,
    /// An answer.
    Event(EngineEvent),
    /// It has ended, and why.
    Lost(String),
}

/// Where what an engine says goes.
pub type Tell = Rc<dyn Fn(Said)>;

/// Where engines run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Each in a worker of this browser.
    Workers,
    /// All on this thread.
    Here,
}

/// An engine; it ends when this is dropped, and tells nothing any more.
pub struct Engine {
    site: Running,
    slower: Rc<Cell<f64>>,
    ended: Rc<Cell<bool>>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.ended.set(true);
    }
}

enum Running {
    Worker { worker: Worker, _callbacks: [Closure<dyn FnMut(JsValue)>; 2] },
    Here(Mailbox<Option<Job>>),
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Running::Worker { worker, .. } => {
                worker.set_onmessage(None);
                worker.set_onerror(None);
                worker.terminate();
            }
            Running::Here(jobs) => jobs.put(None),
        }
    }
}

impl Engine {
    /// Starts one on this engine, of which `device` is this thread's; [`Said::Ready`] or [`Said::Lost`] follows.
    pub fn start(site: Site, backend: Backend, device: &Device, tell: Tell) -> Result<Self, DeviceError> {
        let (slower, ended) = (Rc::new(Cell::new(1.0)), Rc::new(Cell::new(false)));
        let said = Mailbox::default();
        wasm_bindgen_futures::spawn_local(hand_on(said.clone(), tell, Rc::clone(&slower), Rc::clone(&ended)));
        let tell: Tell = Rc::new(move |what| said.put(what));
        let site = match site {
            Site::Workers => start_worker(backend, tell)?,
            Site::Here => {
                let jobs = Mailbox::default();
                tell(Said::Ready);
                let work =
                    computing::work(jobs.clone(), device.clone(), backend, move |event| tell(Said::Event(event)));
                wasm_bindgen_futures::spawn_local(work);
                Running::Here(jobs)
            }
        };
        Ok(Self { site, slower, ended })
    }

    /// What is computed from now on takes so many times as long, at least 1.
    pub fn slow_down(&self, times: f64) {
        self.slower.set(times);
    }

    /// Has something done; calls are done in order.
    pub fn call(&self, call: EngineCall, file: Option<Arc<[u8]>>) -> Result<(), DeviceError> {
        match &self.site {
            Running::Here(jobs) => jobs.put(Some(Job { call, file })),
            Running::Worker { worker, .. } => {
                let (message, transfer) = message(call, file)?;
                worker.post_message_with_transfer(&message, &transfer)?;
            }
        }
        Ok(())
    }
}

/// Hands on what an engine says, in order, until it has ended; what a slower one would have computed later, later.
async fn hand_on(said: Mailbox<Said>, tell: Tell, slower: Rc<Cell<f64>>, ended: Rc<Cell<bool>>) {
    let mut free_at = Micros(0);
    while !ended.get() {
        let mut what = said.take().await;
        if let Said::Event(EngineEvent::Computed { started, finished, .. }) = &mut what
            && slower.get() > 1.0
        {
            let took = finished.0.saturating_sub(started.0) as f64 * slower.get();
            *started = (*started).max(free_at);
            *finished = Micros(started.0 + took as u64);
            free_at = *finished;
            wait_until(finished.0).await;
        }
        if !ended.get() {
            tell(what);
        }
    }
}

// ---- a worker, seen from this thread

/// Names of workers that are engines: `engine-wasm`, `engine-webgpu`.
const NAMES: [(Backend, &str); 2] = [(Backend::Wasm, "engine-wasm"), (Backend::WebGpu, "engine-webgpu")];

fn start_worker(backend: Backend, tell: Tell) -> Result<Running, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    NAMES.iter().filter(|(own, _)| *own == backend).for_each(|(_, name)| options.set_name(name));
    let worker = Worker::new_with_options(&scope().location().href(), &options)?;
    let lost = Rc::clone(&tell);
    let on_message = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        let data = event.unchecked_into::<MessageEvent>().data();
        tell(said(&data).unwrap_or_else(|why| Said::Lost(describe(&why))));
    });
    let on_error = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        lost(Said::Lost(describe(&event)));
        // Otherwise it would count as an error of this worker, too.
        event.unchecked_into::<web_sys::Event>().prevent_default();
    });
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    // Its script awaits the module, which is compiled already.
    worker.post_message(&wasm_bindgen::module())?;
    Ok(Running::Worker { worker, _callbacks: [on_message, on_error] })
}

type Box4 = [usize; 4];

fn box4(region: &Region) -> Box4 {
    [region.channels.start, region.channels.end, region.rows.start, region.rows.end]
}

fn region([from, to, top, bottom]: Box4) -> Region {
    Region { channels: from..to, rows: top..bottom }
}

/// A call but for its values.
#[derive(Serialize, Deserialize)]
enum Call {
    /// What a member is told when it joins a group.
    Load(Vec<u8>),
    Make {
        job: u64,
        run: u64,
        stage: usize,
        /// Which input, and which region of it.
        received: Vec<(usize, Box4)>,
        cut: Vec<Box4>,
    },
    Finish {
        job: u64,
        run: u64,
        stage: usize,
        cut: Vec<Box4>,
    },
    Forget {
        run: u64,
    },
    Unload,
}

/// An answer but for its values. Times are those of the wall clock's microseconds, which all threads share.
#[derive(Serialize, Deserialize)]
enum Answer {
    Ready,
    Failed { why: String },
    Loaded { group: u64, weight_bytes: u64 },
    LoadFailed { group: u64, why: String },
    WeightsMissing { group: u64 },
    Computed { job: u64, failed: Option<String>, times: [f64; 2], peak_bytes: u64 },
}

/// `[head, values, file]`, and what is transferred.
fn parcel(head: &impl Serialize, values: Vec<Vec<f32>>, file: Option<Arc<[u8]>>) -> Result<(Array, Array), JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_large_number_types_as_bigints(true);
    let (arrays, transfer) = (Array::new(), Array::new());
    for values in values {
        let array = Float32Array::from(&values[..]);
        transfer.push(&array.buffer());
        arrays.push(&array);
    }
    let file = file.map_or(JsValue::NULL, |file| {
        let bytes = Uint8Array::from(&file[..]);
        transfer.push(&bytes.buffer());
        bytes.into()
    });
    Ok((Array::of3(&head.serialize(&serializer)?, &arrays, &file), transfer))
}

fn open<Head: for<'de> Deserialize<'de>>(message: &JsValue) -> Result<(Head, Vec<Vec<f32>>, JsValue), JsValue> {
    let parts: Array = message.clone().dyn_into()?;
    let arrays: Array = parts.get(1).dyn_into()?;
    let values = arrays.iter().map(|array| Ok(array.dyn_into::<Float32Array>()?.to_vec()));
    Ok((serde_wasm_bindgen::from_value(parts.get(0))?, values.collect::<Result<_, JsValue>>()?, parts.get(2)))
}

fn message(call: EngineCall, file: Option<Arc<[u8]>>) -> Result<(Array, Array), JsValue> {
    let boxes = |regions: &[Region]| regions.iter().map(box4).collect();
    let (head, values) = match call {
        EngineCall::Load { group, graph, partition, worker, weights, .. } => {
            let join = Join {
                group,
                worker: worker as u16,
                names: (0..partition.workers).map(|worker| worker.to_string()).collect(),
                graph: graph.to_string(),
                partition: (*partition).clone(),
                weights,
                uplink: Uplink::UNSHAPED,
            };
            (Call::Load(ToMember::Join(Box::new(join)).encode()), Vec::new())
        }
        EngineCall::Make { job, run, stage, received, cut } => {
            let parts = received.into_iter().map(|(input, region, values)| ((input, box4(&region)), values));
            let (received, values) = parts.unzip();
            (Call::Make { job, run, stage, received, cut: boxes(&cut) }, values)
        }
        EngineCall::Finish { job, run, stage, received, cut } => {
            (Call::Finish { job, run, stage, cut: boxes(&cut) }, received)
        }
        EngineCall::Forget { run } => (Call::Forget { run }, Vec::new()),
        EngineCall::Unload => (Call::Unload, Vec::new()),
    };
    parcel(&head, values, file)
}

/// Microseconds of the wall clock at which this thread's began.
fn origin() -> f64 {
    scope().performance().map_or(0.0, |performance| performance.time_origin() * 1000.0)
}

fn said(message: &JsValue) -> Result<Said, JsValue> {
    if !Array::is_array(message) {
        // The script's own complaint: the module could not be started.
        let failed = Reflect::get(message, &"Failed".into())?;
        return Err(Reflect::get(&failed, &"why".into())?);
    }
    let (head, values, _) = open(message)?;
    let own = |micros: f64| Micros((micros - origin()).max(0.0) as u64);
    Ok(match head {
        Answer::Ready => Said::Ready,
        Answer::Failed { why } => Said::Lost(why),
        Answer::Loaded { group, weight_bytes } => Said::Event(EngineEvent::Loaded { group, weight_bytes }),
        Answer::LoadFailed { group, why } => Said::Event(EngineEvent::LoadFailed { group, why }),
        Answer::WeightsMissing { group } => Said::Event(EngineEvent::WeightsMissing { group }),
        Answer::Computed { job, failed, times: [started, finished], peak_bytes } => {
            let (started, finished) = (own(started), own(finished));
            let result = failed.map_or(Ok(values), |why| Err(EngineError::new(why)));
            Said::Event(EngineEvent::Computed { job, result, started, finished, peak_bytes })
        }
    })
}

// ---- the same worker, seen from its own thread

/// Which engine this worker is to be, if it is to be one.
pub fn asked_for() -> Option<Backend> {
    let name = scope().name();
    NAMES.iter().find(|(_, own)| *own == name).map(|(backend, _)| *backend)
}

/// Takes calls until the worker is ended.
pub async fn run(backend: Backend) {
    let jobs = Mailbox::default();
    let put = jobs.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| match job(&event.data()) {
        Ok(job) => put.put(Some(job)),
        Err(why) => answer(&Answer::Failed { why: describe(&why) }, Vec::new()),
    });
    scope().set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
    gpu::listen(|why| answer(&Answer::Failed { why: format!("WebGPU was lost: {why}") }, Vec::new()));
    let device = match backend {
        Backend::Wasm => Ok(Device::flex()),
        Backend::WebGpu => engine::open().await.map(|(device, _)| device),
    };
    match device {
        Ok(device) => {
            answer(&Answer::Ready, Vec::new());
            computing::work(jobs, device, backend, tell).await;
        }
        Err(why) => answer(&Answer::Failed { why: why.to_string() }, Vec::new()),
    }
}

fn answer(head: &Answer, values: Vec<Vec<f32>>) {
    if let Ok((message, transfer)) = parcel(head, values, None) {
        // Whoever started this worker is gone if this fails, and with it this worker.
        let _ = scope().post_message_with_transfer(&message, &transfer);
    }
}

fn tell(event: EngineEvent) {
    let wall = |micros: Micros| origin() + micros.0 as f64;
    match event {
        EngineEvent::Loaded { group, weight_bytes } => answer(&Answer::Loaded { group, weight_bytes }, Vec::new()),
        EngineEvent::LoadFailed { group, why } => answer(&Answer::LoadFailed { group, why }, Vec::new()),
        EngineEvent::WeightsMissing { group } => answer(&Answer::WeightsMissing { group }, Vec::new()),
        EngineEvent::Computed { job, result, started, finished, peak_bytes } => {
            let (values, failed) =
                result.map_or_else(|why| (Vec::new(), Some(why.to_string())), |values| (values, None));
            let times = [wall(started), wall(finished)];
            answer(&Answer::Computed { job, failed, times, peak_bytes }, values);
        }
    }
}

fn job(message: &JsValue) -> Result<Job, JsValue> {
    let (head, values, file) = open(message)?;
    let file = file.dyn_into::<Uint8Array>().ok().map(|bytes| Arc::from(bytes.to_vec()));
    let regions = |boxes: Vec<Box4>| boxes.into_iter().map(region).collect::<Vec<_>>();
    let call = match head {
        Call::Load(join) => load(&join)?,
        Call::Make { job, run, stage, received, cut } => {
            let parts = received.into_iter().zip(values);
            let received = parts.map(|((input, part), values)| (input, region(part), values)).collect();
            EngineCall::Make { job, run, stage, received, cut: regions(cut) }
        }
        Call::Finish { job, run, stage, cut } => {
            EngineCall::Finish { job, run, stage, received: values, cut: regions(cut) }
        }
        Call::Forget { run } => EngineCall::Forget { run },
        Call::Unload => EngineCall::Unload,
    };
    Ok(Job { call, file })
}

fn load(join: &[u8]) -> Result<EngineCall, JsError> {
    let ToMember::Join(join) = ToMember::decode(join, &Limits::DEFAULT)? else {
        return Err(JsError::new("this is no group"));
    };
    let graph = join.graph.parse()?;
    let schedule = Schedule::new(&graph, &join.partition)?;
    Ok(EngineCall::Load {
        group: join.group,
        graph: Arc::new(graph),
        partition: Arc::new(join.partition),
        schedule: Arc::new(schedule),
        worker: join.worker.into(),
        weights: join.weights,
    })
}
