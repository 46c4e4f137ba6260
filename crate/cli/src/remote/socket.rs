//! One WebSocket connection as a task: opened, read until it ends, written in the order and at the times given.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use cleave_edge::clock;
use cleave_session::{DeviceEvent, Micros};
use cleave_wire::Limits;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Board;
use super::address::Address;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The last messages of a session that ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// A message that leaves at its time.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) at: Micros,
}

/// Why there is no connection.
struct Failure {
    why: String,
    /// The edge answered, and said no.
    denied: bool,
}

/// Opens connection number `connection` and serves it until either side ends it; the edge's side by closing, this one
/// by dropping the sender of `outgoing`. What was handed over before that is still sent.
pub(super) async fn serve(
    connection: u32,
    address: Address,
    mut outgoing: Receiver<Outgoing>,
    events: Sender<DeviceEvent>,
    board: Arc<Board>,
) {
    let opened = open(&address).await;
    let denied = opened.as_ref().err().filter(|failure| failure.denied).map(|failure| failure.why.clone());
    board.show(|shown| shown.denied = denied);
    let why = match opened {
        Err(failure) => failure.why,
        Ok(socket) => {
            if events.send(DeviceEvent::Opened { connection }).await.is_err() {
                return;
            }
            let (sink, stream) = socket.split();
            tokio::select! {
                why = write(sink, &mut outgoing) => why,
                why = read(stream, connection, &events) => why,
            }
        }
    };
    // Nobody listens any more if the driver has ended.
    let _ = events.send(DeviceEvent::Closed { connection, why }).await;
}

async fn open(address: &Address) -> Result<Socket, Failure> {
    let request = request(address).map_err(|why| Failure { why: format!("{why:#}"), denied: true })?;
    let most = Limits::MAX_FRAME_BYTES as usize;
    let config = WebSocketConfig::default()
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
        .max_write_buffer_size(2 * most);
    // Frames are latency: never wait to fill a packet.
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(refusal(&response)),
        Err(why) => Err(Failure { why: why.to_string(), denied: false }),
    }
}

fn request(address: &Address) -> Result<Request<()>> {
    let wrong = || anyhow!("the token cannot stand in a header; copy it from what cleave-edge printed");
    let mut request = address.socket_url().into_client_request().context("the edge's URL cannot be used")?;
    let bearer = HeaderValue::try_from(format!("Bearer {}", address.token)).map_err(|_| wrong())?;
    request.headers_mut().insert("authorization", bearer);
    Ok(request)
}

/// The edge's own words; a refusal that a free place or a later moment could mend is no denial.
fn refusal(response: &Response<Option<Vec<u8>>>) -> Failure {
    let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let why = format!("{} {}", response.status(), body.trim());
    Failure { why: why.trim().to_owned(), denied: response.status().is_client_error() }
}

async fn read(mut stream: SplitStream<Socket>, connection: u32, events: &Sender<DeviceEvent>) -> String {
    while let Some(message) = stream.next().await {
        let bytes = match message {
            Ok(Message::Binary(bytes)) => Vec::from(bytes),
            Ok(Message::Close(Some(frame))) => return format!("the edge closed the connection: {frame}"),
            Ok(Message::Close(None)) => return "the edge closed the connection".into(),
            Ok(_) => continue,
            Err(why) => return why.to_string(),
        };
        if events.send(DeviceEvent::Received { connection, bytes }).await.is_err() {
            return "this side ended".into();
        }
    }
    "the connection ended".into()
}

async fn write(mut sink: SplitSink<Socket, Message>, outgoing: &mut Receiver<Outgoing>) -> String {
    while let Some(Outgoing { bytes, at }) = outgoing.recv().await {
        clock::wait_until(at).await;
        if let Err(why) = sink.send(Message::Binary(bytes.into())).await {
            return why.to_string();
        }
    }
    let _ = timeout(FAREWELL, sink.close()).await;
    "this side closed the connection".into()
}
