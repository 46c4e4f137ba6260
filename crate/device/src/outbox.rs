//! What is on its way: messages that leave at their time, in order. A browser's timers have no order
//! between them, so the queue keeps it and a timer only says that something may be due.

use crate::browser::{after, now_micros, wait_until};
use crate::input::Input;
use crate::mailbox::Mailbox;
use cleave_app::effect;
use cleave_session::Micros;
use std::collections::VecDeque;

const TICK: Input = Input::App(effect::Input::Tick);

/// Messages in order of their times.
pub struct Outbox<T> {
    queue: VecDeque<(Micros, T)>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<T> Outbox<T> {
    /// Adds a message that leaves at `at`, and asks for a look at that time.
    pub fn put(&mut self, at: Micros, message: T, mailbox: &Mailbox<Input>) {
        self.queue.push_back((at, message));
        look_exactly_at(at, mailbox);
    }

    /// The next message whose time has come.
    pub fn due(&mut self) -> Option<T> {
        let due = self.queue.front().is_some_and(|(at, _)| at.0 <= now_micros());
        if due { self.queue.pop_front().map(|(_, message)| message) } else { None }
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// Puts a tick into the mailbox at that time, or now if it has passed; a timer may be late.
pub fn look_at(at: Micros, mailbox: &Mailbox<Input>) {
    let mailbox = mailbox.clone();
    match millis_until(at) {
        wait if wait <= 0.0 => mailbox.put(TICK),
        wait => after(wait, move || mailbox.put(TICK)),
    }
}

/// As [`look_at`], to a fraction of a millisecond, as a shaped link needs it.
pub fn look_exactly_at(at: Micros, mailbox: &Mailbox<Input>) {
    if millis_until(at) <= 0.0 {
        return mailbox.put(TICK);
    }
    let mailbox = mailbox.clone();
    wasm_bindgen_futures::spawn_local(async move {
        wait_until(at.0).await;
        mailbox.put(TICK);
    });
}

fn millis_until(at: Micros) -> f64 {
    at.0.saturating_sub(now_micros()) as f64 / 1000.0
}
