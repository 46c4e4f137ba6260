//! One WebSocket as a task: what comes becomes events, what is handed over is sent, and the end is told.

use std::time::Duration;

use cleave_wire::Limits;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use thiserror::Error;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Messages that may wait to be sent: a run's parts, pongs, and pieces of weights.
const OUTGOING: usize = 1024;
/// For a connection to be opened; the machines have limits of their own.
const OPENING: Duration = Duration::from_secs(10);
/// Who takes nothing for so long is gone.
const STALLED: Duration = Duration::from_secs(30);
/// For the last messages, and for the other side to take note.
const FAREWELL: Duration = Duration::from_millis(500);
/// Longer addresses are mistakes.
const MAX_ADDRESS_BYTES: usize = 256;

/// The near end of a connection. When the last copy is dropped, what was handed over is sent and the connection closed.
#[derive(Clone, Debug)]
pub struct Connection(Sender<Vec<u8>>);

/// A message that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the other side takes less than is sent, or is gone")]
pub struct Overrun;

/// Why a connection is not there, or not any more.
#[derive(Debug, Error)]
pub(super) enum LineError {
    #[error("\"{0}\" is no address; an address is ws://HOST:PORT")]
    Address(String),
    #[error("nobody answers")]
    NoAnswer,
    /// An HTTP status, with what the server says.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Opened(Box<Error>),
    #[error(transparent)]
    Accepted(#[from] axum::Error),
    #[error("the other side closed the connection")]
    ClosedThere,
    #[error("this side closed the connection")]
    ClosedHere,
    #[error("the connection ended")]
    Ended,
}

impl Connection {
    pub(super) fn pair() -> (Self, Receiver<Vec<u8>>) {
        let (sender, outgoing) = channel(OUTGOING);
        (Self(sender), outgoing)
    }

    /// Hands over one message.
    ///
    /// # Errors
    /// [`Overrun`]: too many are waiting, or the connection is closed.
    pub fn send(&self, bytes: Vec<u8>) -> Result<(), Overrun> {
        self.0.try_send(bytes).map_err(|_| Overrun)
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Opens a connection to the member at `address`, ws://HOST:PORT, and serves it on the present runtime: `opened` comes
/// first, `closed` last and always.
pub fn connect<Event: Send + 'static>(
    address: &str,
    events: Sender<Event>,
    opened: Event,
    received: impl Fn(Vec<u8>) -> Event + Send + Sync + 'static,
    closed: impl FnOnce(String) -> Event + Send + 'static,
) -> Connection {
    let (connection, outgoing) = Connection::pair();
    let uri = uri(address);
    tokio::spawn(async move {
        let open = async { open(uri?).await };
        let socket = match timeout(OPENING, open).await.unwrap_or(Err(LineError::NoAnswer)) {
            Ok(socket) => socket,
            // Nobody listens any more if the machine has ended.
            Err(why) => return drop(events.send(closed(why.to_string())).await),
        };
        if events.send(opened).await.is_err() {
            return;
        }
        let (sink, stream) = socket;
        serve(sink, stream, outgoing, &events, received, closed).await;
    });
    connection
}

/// Only plain WebSockets, and no path of the other's choice.
fn uri(address: &str) -> Result<Uri, LineError> {
    let authority = address.strip_prefix("ws://").map(|rest| rest.trim_end_matches('/'));
    let authority = authority.filter(|rest| !rest.contains(['/', '@', '?', '#']) && address.len() <= MAX_ADDRESS_BYTES);
    let uri = authority.and_then(|authority| format!("ws://{authority}/cooperate").parse::<Uri>().ok());
    uri.filter(|uri| uri.port_u16().is_some()).ok_or_else(|| LineError::Address(address.to_owned()))
}

type Out = std::pin::Pin<Box<dyn Sink<Vec<u8>, Error = Error> + Send>>;
type In = std::pin::Pin<Box<dyn Stream<Item = Result<Vec<u8>, LineError>> + Send>>;

async fn open(uri: Uri) -> Result<(Out, In), LineError> {
    let most = Limits::MAX_FRAME_BYTES as usize;
    let config = WebSocketConfig::default()
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
        .max_write_buffer_size(2 * most);
    // Parts are latency: never wait to fill a packet.
    let (socket, _) = connect_async_with_config(uri, Some(config), true).await.map_err(|why| match why {
        Error::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            LineError::Refused(format!("{} {}", response.status(), body.trim()).trim().to_owned())
        }
        why => LineError::Opened(Box::new(why)),
    })?;
    let (sink, stream) = socket.split();
    let sink = sink.with(async |bytes: Vec<u8>| Ok(Message::Binary(bytes.into())));
    let stream = stream.filter_map(async |message| match message {
        Ok(Message::Binary(bytes)) => Some(Ok(Vec::from(bytes))),
        Ok(Message::Close(_)) => Some(Err(LineError::ClosedThere)),
        Ok(_) => None,
        Err(why) => Some(Err(LineError::Opened(Box::new(why)))),
    });
    Ok((Box::pin(sink), Box::pin(stream)))
}

/// Serves a connection until either side ends it.
pub(super) async fn serve<Event>(
    sink: impl Sink<Vec<u8>>,
    stream: impl Stream<Item = Result<Vec<u8>, LineError>>,
    mut outgoing: Receiver<Vec<u8>>,
    events: &Sender<Event>,
    received: impl Fn(Vec<u8>) -> Event,
    closed: impl FnOnce(String) -> Event,
) {
    let (mut sink, mut stream) = (std::pin::pin!(sink), std::pin::pin!(stream));
    let mut read = std::pin::pin!(async {
        while let Some(message) = stream.next().await {
            match message {
                // Where nobody listens any more it is read all the same: a socket that is closed with unread bytes in it
                // takes the last message, the reason, with it.
                Ok(bytes) => drop(events.send(received(bytes)).await),
                Err(why) => return why,
            }
        }
        LineError::Ended
    });
    let write = async {
        while let Some(bytes) = outgoing.recv().await {
            if !matches!(timeout(STALLED, sink.send(bytes)).await, Ok(Ok(()))) {
                return;
            }
        }
        let _late = timeout(FAREWELL, sink.close()).await.is_err();
    };
    let why = tokio::select! {
        why = &mut read => why,
        () = write => timeout(FAREWELL, read).await.unwrap_or(LineError::ClosedHere),
    };
    // So that the connection is known to be closed when this is told.
    drop(outgoing);
    let _ended = events.send(closed(why.to_string())).await.is_err();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_websockets_with_a_port_are_addresses() {
        assert_eq!(uri("ws://[::1]:80").unwrap().to_string(), "ws://[::1]:80/cooperate");
        assert_eq!(uri("ws://edge:8787/").unwrap().to_string(), "ws://edge:8787/cooperate");
        let long = format!("ws://{}:1", "a".repeat(300));
        for wrong in ["", "http://edge:1", "ws://edge", "ws://edge:1/else", "ws://user@edge:1", "wss://edge:1", &long] {
            assert!(uri(wrong).unwrap_err().to_string().contains("ws://HOST:PORT"), "{wrong}");
        }
    }
}
