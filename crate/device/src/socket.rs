//! A WebSocket to a native edge.

use crate::error::DeviceError;
pub use cleave_app::effect::SocketEvent;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// An open or opening socket; closed when dropped.
pub struct Socket {
    socket: WebSocket,
    _callbacks: [Closure<dyn FnMut(JsValue)>; 3],
}

impl Socket {
    /// Begins to open a socket; what it says is told.
    pub fn open(url: &str, tell: impl Fn(SocketEvent) + Clone + 'static) -> Result<Self, DeviceError> {
        let socket = WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let put = |map: fn(JsValue) -> Option<SocketEvent>| {
            let tell = tell.clone();
            Closure::<dyn FnMut(JsValue)>::new(move |event| map(event).into_iter().for_each(&tell))
        };
        let callbacks = [put(|_| Some(SocketEvent::Opened)), put(received), put(closed)];
        socket.set_onopen(Some(callbacks[0].as_ref().unchecked_ref()));
        socket.set_onmessage(Some(callbacks[1].as_ref().unchecked_ref()));
        socket.set_onclose(Some(callbacks[2].as_ref().unchecked_ref()));
        Ok(Self { socket, _callbacks: callbacks })
    }

    /// Sends a binary message. A socket that cannot will tell so by its close event.
    pub fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_with_u8_array(bytes);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

fn received(event: JsValue) -> Option<SocketEvent> {
    let event: MessageEvent = event.unchecked_into();
    let buffer = event.data().dyn_into::<ArrayBuffer>().ok()?;
    Some(SocketEvent::Received(Uint8Array::new(&buffer).to_vec()))
}

fn closed(event: JsValue) -> Option<SocketEvent> {
    let event: CloseEvent = event.unchecked_into();
    let reason = event.reason();
    let why = match (event.code(), reason.is_empty()) {
        (_, false) => reason,
        (1006, true) => "the edge did not answer or went away".into(),
        (code, true) => format!("the connection was closed with code {code}"),
    };
    Some(SocketEvent::Closed(why))
}
