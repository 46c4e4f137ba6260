//! What a session sends: a bounded queue and the task that empties it, each message at its moment. Kept apart from the
//! session so that a slow receiver, or a shaped link, never keeps it from listening.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use cleave_session::Micros;
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::clock;

/// Messages that may wait. Pongs, credits and progress are tens of bytes; results are bounded by the credit.
const CAPACITY: usize = 256;
/// Room that is kept for answers to what was read already.
const RESERVE: usize = 64;
/// A client that takes nothing for so long is gone.
const STALLED: Duration = Duration::from_secs(30);

enum Outgoing {
    Message { bytes: Vec<u8>, at: Micros },
    Close(CloseFrame),
}

/// The queue's near end.
pub(crate) struct Outbox {
    queue: Sender<Outgoing>,
    writer: JoinHandle<()>,
    last: Micros,
}

/// The client takes less than it asks for.
#[derive(Debug)]
pub(crate) struct Overrun;

impl Outbox {
    /// Starts the writer.
    pub(crate) fn start(sink: SplitSink<WebSocket, Message>) -> Self {
        let (queue, outgoing) = channel(CAPACITY);
        Self { queue, writer: tokio::spawn(write(sink, outgoing)), last: Micros(0) }
    }

    /// Whether another message may be read: its answers will find room.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.capacity() > RESERVE
    }

    /// Room is awaited where there is none: a poll for select loops.
    pub(crate) async fn room(&self) {
        if let Ok(permits) = self.queue.reserve_many(RESERVE + 1).await {
            drop(permits);
        }
    }

    /// Queues a message that goes out at `at`.
    pub(crate) fn send(&mut self, bytes: Vec<u8>, at: Micros) -> Result<(), Overrun> {
        self.last = at;
        self.queue.try_send(Outgoing::Message { bytes, at }).map_err(|_| Overrun)
    }

    /// Sends what is queued and says goodbye, within `farewell` after the last message's moment.
    pub(crate) async fn close(self, goodbye: CloseFrame, farewell: Duration) {
        let Self { queue, mut writer, last } = self;
        let due = clock::instant(last).saturating_duration_since(tokio::time::Instant::now());
        let finish = async {
            // A writer that has ended already needs no goodbye.
            let _gone = queue.send(Outgoing::Close(goodbye)).await.is_err();
            drop(queue);
            let _panicked = (&mut writer).await.is_err();
        };
        if timeout(due + farewell, finish).await.is_err() {
            writer.abort();
        }
    }
}

/// Timers count whole milliseconds and come late by one; a shaped link has to be exact to a fraction of one.
const LATE: Duration = Duration::from_millis(2);

async fn wait_until(at: Micros) {
    if at > clock::now() {
        sleep_until(clock::instant(at) - LATE).await;
    }
    while clock::now() < at {
        tokio::task::yield_now().await;
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut outgoing: Receiver<Outgoing>) {
    while let Some(next) = outgoing.recv().await {
        let message = match next {
            Outgoing::Message { bytes, at } => {
                wait_until(at).await;
                Message::Binary(bytes.into())
            }
            Outgoing::Close(frame) => Message::Close(Some(frame)),
        };
        match timeout(STALLED, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
