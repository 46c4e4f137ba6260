//! The device tier in a dedicated worker: it chooses an engine, holds a network and an input, and
//! drives the session machines over a socket or, with no edge, over a simulated link in this tab.
//!
//! One loop takes one [`Input`](input::Input) after another from one mailbox; everything that the
//! browser calls back (messages, the socket, timers, finished work) only puts an input there.

pub mod browser;
pub mod compute;
pub mod cooperating;
mod death;
pub mod engine;
pub mod engines;
pub mod error;
pub mod gpu;
pub mod input;
pub mod mailbox;
mod outbox;
pub mod port;
mod probing;
pub mod socket;
pub mod worker;

/// Starts the worker behind the page, or the engine of one that cooperates: called once, by the module's entry.
pub fn start() {
    match cooperating::engine::asked_for() {
        Some(backend) => {
            console_error_panic_hook::set_once();
            wasm_bindgen_futures::spawn_local(cooperating::engine::run(backend));
        }
        None => {
            death::announce_panics();
            wasm_bindgen_futures::spawn_local(worker::run());
        }
    }
}
