//! The device tier in a dedicated worker: it chooses an engine, holds a network and an input, and
//! drives the session machines over a socket or, with no edge, over a simulated link in this tab.
//!
//! One loop takes one [`Input`](worker::Input) after another from one mailbox; everything that the
//! browser calls back (messages, the socket, timers, finished work) only puts an input there.

pub mod bench;
pub mod browser;
mod calibrating;
pub mod compute;
pub mod cooperating;
mod death;
mod dispatching;
pub mod engine;
mod gpu;
pub mod judges;
pub mod library;
mod link;
pub mod mailbox;
mod outbox;
mod partitioning;
pub mod port;
mod pricing;
mod profiling;
mod report;
mod samples;
mod searching;
pub mod simulated;
pub mod socket;
mod stream;
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
