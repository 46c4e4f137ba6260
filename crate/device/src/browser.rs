//! The few things that the worker needs of the browser: its clock, a timer, fetching, and messages.

use crate::error::DeviceError;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, Response};

/// This worker's global scope.
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Microseconds since the worker was started: monotonic.
pub fn now_micros() -> u64 {
    let performance = scope().performance();
    performance.map_or(0, |performance| (performance.now() * 1000.0) as u64)
}

/// Milliseconds as a fraction, for measurements.
pub fn now_ms() -> f64 {
    scope().performance().map_or(0.0, |performance| performance.now())
}

/// Calls `callback` once, `millis` from now.
pub fn after(millis: f64, callback: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(callback);
    let callback: &Function = callback.unchecked_ref();
    // A delay beyond i32 milliseconds is 24 days.
    let _ = scope().set_timeout_with_callback_and_timeout_and_arguments_0(callback, millis.ceil() as i32);
}

/// Does nothing for so long; up to four milliseconds longer if another timer has just come.
pub async fn sleep(millis: f64) {
    let timer = Promise::new(&mut |resolve, _| {
        // Resolving a promise cannot fail.
        after(millis, move || drop(resolve.call0(&JsValue::NULL)));
    });
    let _ = JsFuture::from(timer).await;
}

/// Waits until this moment on [`now_micros`]'s clock, to a fraction of a millisecond: a timer covers whole milliseconds,
/// and turns of the event loop the rest, which others would miss on a machine with few cores if it were longer.
pub async fn wait_until(micros: u64) {
    // A timer that a timer has set takes four milliseconds at least; one that a message has set comes in time.
    turn().await;
    let whole = micros.saturating_sub(now_micros()) / 1000;
    if whole > 0 {
        sleep(whole as f64).await;
    }
    while now_micros() < micros {
        turn().await;
    }
}

thread_local! {
    static TURNS: Turns = Turns::new();
}

/// One message channel for all turns: making one costs the browser milliseconds of work elsewhere.
struct Turns {
    channel: Option<MessageChannel>,
    waiting: Rc<RefCell<VecDeque<Function>>>,
}

impl Turns {
    fn new() -> Self {
        let waiting: Rc<RefCell<VecDeque<Function>>> = Rc::default();
        let channel = MessageChannel::new().ok();
        if let Some(channel) = &channel {
            let oldest = Rc::clone(&waiting);
            let resume = Closure::<dyn FnMut()>::new(move || {
                let resolve = oldest.borrow_mut().pop_front();
                // Resolving a promise cannot fail.
                let _resumed = resolve.map(|resolve| resolve.call0(&JsValue::NULL));
            });
            channel.port1().set_onmessage(Some(resume.into_js_value().unchecked_ref()));
        }
        Self { channel, waiting }
    }

    fn next(&self) -> Option<Promise> {
        let port = self.channel.as_ref()?.port2();
        let promise = Promise::new(&mut |resolve, _| self.waiting.borrow_mut().push_back(resolve));
        port.post_message(&JsValue::NULL).ok().map(|()| promise)
    }
}

/// Lets the browser deliver what has come in. A message channel has no minimal delay; a timer has 4 ms.
pub async fn turn() {
    if let Some(next) = TURNS.with(Turns::next) {
        let _ = JsFuture::from(next).await;
    }
}

/// Fetches a file of the page.
pub async fn fetch(url: &str) -> Result<Vec<u8>, DeviceError> {
    let response = JsFuture::from(scope().fetch_with_str(url)).await?;
    let response: Response = response.unchecked_into();
    if !response.ok() {
        return Err(DeviceError::NotServed { status: response.status(), url: url.to_owned() });
    }
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// A JavaScript error in words.
pub fn describe(value: &JsValue) -> String {
    let message = Reflect::get(value, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| value.as_string()).unwrap_or_else(|| format!("{value:?}"))
}
