//! The port to the worker: loads its module with visible progress, starts it, and carries intents and events as structured
//! clones. The module is compiled here, off the main thread, and handed over, so that it is fetched exactly once.

use crate::state::{Act, Listed, Loading, Notice, unloaded};
use crate::url::folder;
use crate::view::Page;
use cleave_contract::{CooperationRequest, Death, Event, ImageRequest, Intent, SearchRequest, TEST_WORKER};
use js_sys::{Array, Float32Array, Reflect, Uint8Array, WebAssembly};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageEvent, ReadableStreamDefaultReader, RequestInit, Response, Worker, WorkerOptions, WorkerType};

/// The script that waits for the module and starts it.
const SCRIPT: &str = "worker.js";
/// The worker's code, by far the largest file of the page.
const MODULE: &str = "device_bg.wasm";
/// The shipped networks.
const INDEX: &str = "model/index.json";

/// A worker that panics says so; its last word may come after the browser's own.
const LAST_WORD: Duration = Duration::from_millis(100);
/// The event of this window by which a test has the worker die; its `detail` is a [`cleave_contract::Crash`].
const CRASH: &str = "cleave-crash";

/// The way to the worker; silent until it has been started.
#[derive(Clone, Copy)]
pub struct Port {
    worker: StoredValue<Option<Worker>, LocalStorage>,
    /// Compiled, for the next worker.
    module: StoredValue<JsValue, LocalStorage>,
    /// Workers that have ended.
    ended: StoredValue<u32>,
    is_test: bool,
}

impl Port {
    /// To no worker yet; `is_test`: to one that dies when it is told to.
    pub fn new(is_test: bool) -> Self {
        let (worker, module) = (StoredValue::new_local(None), StoredValue::new_local(JsValue::UNDEFINED));
        Port { worker, module, ended: StoredValue::new(0), is_test }
    }

    /// Ends the worker; nothing of it is heard any more.
    pub fn end(self) {
        self.ended.update_value(|ended| *ended += 1);
        self.worker.update_value(|worker| {
            let Some(worker) = worker.take() else { return };
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
        });
    }

    /// Sends intents in order. Bytes of a file or an image are transferred, not copied.
    pub fn post(self, intents: Vec<Intent>) {
        self.worker.with_value(|worker| {
            let Some(worker) = worker else { return };
            for intent in intents {
                if let Err(why) = post(worker, &intent) {
                    leptos::logging::error!("an intent was not sent: {why:?}");
                }
            }
        });
    }
}

fn post(worker: &Worker, intent: &Intent) -> Result<(), JsValue> {
    let message =
        intent.serialize(&serde_wasm_bindgen::Serializer::json_compatible().serialize_bytes_as_arrays(false))?;
    let transfer = Array::new();
    let path: &[&str] = match intent {
        Intent::Open { .. } => &["Open", "bytes"],
        Intent::Cooperate(CooperationRequest { image: ImageRequest::Pixels { .. }, .. }) => {
            &["Cooperate", "image", "Pixels", "rgba"]
        }
        _ => &[],
    };
    if !path.is_empty() {
        let bytes = path.iter().try_fold(message.clone(), |part, key| Reflect::get(&part, &(*key).into()))?;
        transfer.push(&bytes.dyn_into::<Uint8Array>()?.buffer());
    }
    worker.post_message_with_transfer(&message, &transfer)
}

/// Where the profile is kept between visits.
const PROFILE: &str = "cleave.profile";

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// The profile of an earlier visit.
pub fn kept_profile() -> Option<String> {
    storage()?.get_item(PROFILE).ok().flatten()
}

/// Keeps the profile for the next visit; a browser without storage forgets it.
pub fn keep_profile(json: &str) {
    let _kept = storage().map(|storage| storage.set_item(PROFILE, json));
}

/// Where a search is kept between visits, and what it was asked for.
const SEARCH: &str = "cleave.search";
const REQUEST: &str = "cleave.search.wish";

/// The search of an earlier visit.
pub fn kept_search() -> Option<String> {
    storage()?.get_item(SEARCH).ok().flatten()
}

/// What the search of an earlier visit was asked for.
pub fn kept_request() -> Option<SearchRequest> {
    let json = storage()?.get_item(REQUEST).ok().flatten()?;
    serde_wasm_bindgen::from_value(js_sys::JSON::parse(&json).ok()?).ok()
}

/// Keeps a search, so that it can be gone on with after a reload.
pub fn keep_search(json: &str, request: Option<&SearchRequest>) {
    let Some(storage) = storage() else { return };
    let _kept = storage.set_item(SEARCH, json);
    let _kept = match request.and_then(request_json) {
        Some(request) => storage.set_item(REQUEST, &request),
        None => storage.remove_item(REQUEST),
    };
}

fn request_json(request: &SearchRequest) -> Option<String> {
    let value = request.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).ok()?;
    js_sys::JSON::stringify(&value).ok()?.as_string()
}

/// Reads the index of shipped networks and starts the worker, both at once.
pub fn start(page: Page) {
    leptos::task::spawn_local(async move {
        page.act(Act::List(index().await));
    });
    leptos::task::spawn_local(async move {
        if let Err(why) = start_worker(page).await {
            fail(page, &why);
        }
    });
    if page.port.is_test {
        let _listener = window_event_listener_untyped(CRASH, move |event: web_sys::Event| {
            let detail = Reflect::get(&event, &"detail".into()).unwrap_or(JsValue::UNDEFINED);
            page.port.post(serde_wasm_bindgen::from_value(detail).map(Intent::Crash).into_iter().collect());
        });
    }
}

/// Starts another worker in place of one that has died, of the same module.
pub fn start_again(page: Page) {
    let started = create(page).and_then(|worker| hand_over(page, worker));
    if let Err(why) = started {
        fail(page, &why);
    }
}

fn fail(page: Page, why: &JsValue) {
    page.act(Act::Load(Loading::Failed));
    page.act(Act::Complain(unloaded(&text(why))));
}

/// The networks of `model/index.json`: a list, or an object with a list `networks`, of names or objects with a `name`.
async fn index() -> Vec<Listed> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Index {
        Plain(Vec<Entry>),
        Keyed { networks: Vec<Entry> },
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Name(String),
        Card { name: String, accuracy: Option<f64> },
    }
    let read = async {
        let response = fetch(INDEX, &RequestInit::new()).await?;
        let json = JsFuture::from(response.json()?).await?;
        serde_wasm_bindgen::from_value::<Index>(json).map_err(JsValue::from)
    };
    let entries = match read.await {
        Ok(Index::Plain(entries) | Index::Keyed { networks: entries }) => entries,
        Err(why) => {
            leptos::logging::warn!("no shipped networks: {}", text(&why));
            Vec::new()
        }
    };
    let listed = |entry| match entry {
        Entry::Name(name) => Listed { name, accuracy: None },
        Entry::Card { name, accuracy } => Listed { name, accuracy },
    };
    entries.into_iter().map(listed).collect()
}

async fn start_worker(page: Page) -> Result<(), JsValue> {
    let worker = create(page)?;
    page.port.module.set_value(load_module(page).await?);
    page.act(Act::Load(Loading::Starting));
    hand_over(page, worker)
}

/// A worker that waits for its module.
fn create(page: Page) -> Result<Worker, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    if page.port.is_test {
        options.set_name(TEST_WORKER);
    }
    let worker = Worker::new_with_options(&absolute(SCRIPT)?, &options)?;
    listen(page, &worker);
    Ok(worker)
}

fn hand_over(page: Page, worker: Worker) -> Result<(), JsValue> {
    page.port.module.with_value(|module| worker.post_message(module))?;
    page.port.worker.set_value(Some(worker));
    Ok(())
}

fn listen(page: Page, worker: &Worker) {
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| match read(&message.data()) {
        Ok(Event::Died(death)) => page.die(death),
        Ok(event) => page.hear(event),
        Err(why) => page.act(Act::Complain(Notice {
            what: "A message of the compute engine was not understood.".into(),
            why: why.to_string(),
            remedy: "Reload the page: page and engine are of different versions.".into(),
        })),
    });
    worker.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
    // A script that cannot be loaded makes a plain event without a message.
    let on_error = Closure::<dyn Fn(JsValue)>::new(move |error: JsValue| {
        let message = Reflect::get(&error, &"message".into()).ok().and_then(|message| message.as_string());
        let death = trapped(message.unwrap_or_else(|| format!("{SCRIPT} or what it imports is missing")));
        let ended = page.port.ended.get_value();
        let judge = move || {
            if page.port.ended.get_value() == ended {
                page.die(death.clone());
            }
        };
        set_timeout(judge, LAST_WORD);
    });
    worker.set_onerror(Some(on_error.into_js_value().unchecked_ref()));
}

/// What the browser's words for the end of a module mean, given that no panic has been told: of all that Rust ends a module
/// with, only a failed allocation executes `unreachable` without a panic.
fn trapped(message: String) -> Death {
    let words = message.to_lowercase();
    if words.contains("unreachable") || words.contains("out of memory") {
        Death::OutOfMemory
    } else {
        Death::Trapped { message }
    }
}

/// An event from its message. Points are taken out in one piece first: reading thousands of numbers one by one takes
/// longer than the main thread may be held.
fn read(message: &JsValue) -> Result<Event, serde_wasm_bindgen::Error> {
    let points = |cloud: &JsValue| -> Result<Vec<f32>, JsValue> {
        let points = Float32Array::new(&Reflect::get(cloud, &"points".into())?).to_vec();
        Reflect::set(cloud, &"points".into(), &Array::new())?;
        Ok(points)
    };
    let part = |name: &str| Reflect::get(message, &name.into()).ok().filter(JsValue::is_object);
    let single = part("Cloud").map(|cloud| points(&cloud)).transpose()?;
    let gallery = part("Gallery")
        .map(|clouds| Array::from(&clouds).iter().map(|cloud| points(&cloud)).collect::<Result<Vec<_>, _>>());
    let gallery = gallery.transpose()?;
    let mut event = serde_wasm_bindgen::from_value::<Event>(message.clone())?;
    match &mut event {
        Event::Cloud(cloud) => cloud.points = single.unwrap_or_default(),
        Event::Gallery(clouds) => {
            clouds.iter_mut().zip(gallery.unwrap_or_default()).for_each(|(cloud, points)| cloud.points = points);
        }
        _ => {}
    }
    Ok(event)
}

/// Fetches the worker's module, reporting its progress, and compiles it.
async fn load_module(page: Page) -> Result<JsValue, JsValue> {
    let response = fetch(MODULE, &RequestInit::new()).await?;
    let total = length(&response).await;
    let body = response.body().ok_or("the answer has no body")?;
    let reader: ReadableStreamDefaultReader = body.get_reader().dyn_into()?;
    let (parts, mut done) = (Array::new(), 0);
    page.act(Act::Load(Loading::Fetching { done, total }));
    loop {
        let part = JsFuture::from(reader.read()).await?;
        if Reflect::get(&part, &"done".into())?.is_truthy() {
            break;
        }
        let bytes: Uint8Array = Reflect::get(&part, &"value".into())?.dyn_into()?;
        done += u64::from(bytes.length());
        parts.push(&bytes);
        page.act(Act::Load(Loading::Fetching { done, total: total.max(done) * u64::from(total > 0) }));
    }
    page.act(Act::Load(Loading::Starting));
    let blob = web_sys::Blob::new_with_u8_array_sequence(&parts)?;
    let bytes = JsFuture::from(blob.array_buffer()).await?;
    JsFuture::from(WebAssembly::compile(&bytes)).await
}

/// The module's length as it will be counted here, which is after decompression; 0 where nobody says.
///
/// A compressed answer states its compressed length or none, so the length is asked for by a range of one byte,
/// which servers answer uncompressed.
async fn length(response: &Response) -> u64 {
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let header = |response: &Response, name: &str| response.headers().get(name).ok().flatten();
    if header(response, "content-encoding").is_none()
        && let Some(length) = header(response, "content-length")
    {
        return number(Some(length));
    }
    let init = RequestInit::new();
    let wanted = js_sys::Object::new();
    let _ = Reflect::set(&wanted, &"Range".into(), &"bytes=0-0".into());
    init.set_headers(&wanted);
    init.set_cache(web_sys::RequestCache::NoStore);
    let Ok(probe) = fetch(MODULE, &init).await else { return 0 };
    if let Some(body) = probe.body() {
        let _ = body.cancel();
    }
    match header(&probe, "content-range") {
        Some(range) => number(range.rsplit('/').next().map(str::to_owned)),
        None if header(&probe, "content-encoding").is_none() => number(header(&probe, "content-length")),
        None => 0,
    }
}

async fn fetch(path: &str, init: &RequestInit) -> Result<Response, JsValue> {
    let window = web_sys::window().ok_or("there is no window")?;
    let response = JsFuture::from(window.fetch_with_str_and_init(&absolute(path)?, init)).await?;
    let response: Response = response.dyn_into()?;
    if response.ok() { Ok(response) } else { Err(format!("{path}: the server answered {}", response.status()).into()) }
}

/// A path beside the page as a whole URL.
fn absolute(path: &str) -> Result<String, JsValue> {
    Ok(web_sys::Url::new_with_base(path, &base_url())?.href())
}

/// Where the page's files are: its address without its own name, with a slash at its end.
pub fn base_url() -> String {
    folder(&document().base_uri().ok().flatten().unwrap_or_default()).to_owned()
}

fn text(value: &JsValue) -> String {
    let message = Reflect::get(value, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| value.as_string()).unwrap_or_else(|| format!("{value:?}"))
}
