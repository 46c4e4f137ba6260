//! The way to the page: intents in, events out, as structured clones. Points travel as typed arrays,
//! transferred instead of copied.

use crate::browser::scope;
use crate::input::Input;
use crate::mailbox::Mailbox;
use cleave_contract::{Cloud, Event, Failure, Intent};
use js_sys::{Array, Float32Array, Reflect};
use serde::Serialize;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

/// Where events go: the page, or a test's list.
#[derive(Clone)]
pub struct Page(Rc<dyn Fn(Event)>);

impl Page {
    /// Events go to `sink`.
    pub fn new(sink: impl Fn(Event) + 'static) -> Self {
        Self(Rc::new(sink))
    }

    /// Tells the page something.
    pub fn post(&self, event: Event) {
        (self.0)(event);
    }

    /// Tells the page of an error, in the form that every error has there.
    pub fn fail(&self, what: Failure, why: impl ToString) {
        self.post(Event::Failed { what, why: why.to_string() });
    }
}

/// Listens for intents.
pub fn listen(mailbox: Mailbox<Input>) {
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        match serde_wasm_bindgen::from_value::<Intent>(event.data()) {
            Ok(intent) => mailbox.put(Input::Intent(intent)),
            Err(why) => post(Event::Failed { what: Failure::Message, why: why.to_string() }),
        }
    });
    scope().set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
}

/// Sends an event to the page that started this worker.
pub fn post(event: Event) {
    let (light, points) = without_points(event);
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    let Ok(message) = light.serialize(&serializer) else { return };
    let transfer = Array::new();
    let variant = |name: &str| Reflect::get(&message, &name.into()).unwrap_or(JsValue::UNDEFINED);
    match light {
        Event::Cloud(_) => attach(&variant("Cloud"), &points[0], &transfer),
        Event::Gallery(_) => {
            let clouds: Array = variant("Gallery").unchecked_into();
            points.iter().zip(clouds.iter()).for_each(|(points, cloud)| attach(&cloud, points, &transfer));
        }
        _ => {}
    }
    // The page is gone if this fails, and with it this worker.
    let _ = scope().post_message_with_transfer(&message, &transfer);
}

fn without_points(mut event: Event) -> (Event, Vec<Vec<f32>>) {
    let take = |cloud: &mut Cloud| std::mem::take(&mut cloud.points);
    let points = match &mut event {
        Event::Cloud(cloud) => vec![take(cloud)],
        Event::Gallery(clouds) => clouds.iter_mut().map(take).collect(),
        _ => Vec::new(),
    };
    (event, points)
}

fn attach(cloud: &JsValue, points: &[f32], transfer: &Array) {
    let points = Float32Array::from(points);
    transfer.push(&points.buffer());
    let _ = Reflect::set(cloud, &"points".into(), &points);
}
