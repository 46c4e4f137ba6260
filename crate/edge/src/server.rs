//! The accept loop: connections, their bounds, and the way from a request to the page or to a session.
//!
//! The loop stands on hyper rather than on `axum::serve`, which sets no time limit on a request's head.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tower::Service;

use crate::closing::{self, Closing};
use crate::config::Config;
use crate::edge::Edge;
use crate::error::EdgeError;
use crate::guard::{Denied, Guard, refusal};
use crate::{cooperate, page, socket};

/// Connections that are not (yet) sessions: a browser opens six to load a page, and idle ones are closed.
const PAGE_CONNECTIONS: usize = 64;
/// What a session may hold back of one read, so that many idle sessions stay small.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// What every request needs.
struct Shared {
    guard: Guard,
    edge: Arc<Edge>,
    sessions: Arc<Semaphore>,
    /// Who has not shown the token yet cannot take a session's place.
    workers: Arc<Semaphore>,
    max_sessions: usize,
    closing: Closing,
    alive: mpsc::Sender<()>,
}

/// The address that a connection came in on.
#[derive(Clone, Copy)]
struct Local(SocketAddr);

/// Serves the page and sessions on `listener` until `shutdown` is done, then ends open sessions within
/// [`crate::Bounds::farewell`].
///
/// # Errors
/// [`EdgeError::Setting`] for a setting without meaning; [`EdgeError::Thread`], [`EdgeError::Listener`].
pub async fn serve_on(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EdgeError> {
    config.check()?;
    let (close, closing) = closing::channel();
    let (alive, mut ended) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        guard: Guard::new(&config),
        edge: Arc::new(Edge::start(&config)?),
        sessions: Arc::new(Semaphore::new(config.bounds.sessions)),
        workers: Arc::new(Semaphore::new(config.bounds.sessions)),
        max_sessions: config.bounds.sessions,
        closing: closing.clone(),
        alive: alive.clone(),
    });
    let router = router(&config, shared);
    let http = http1_builder(config.bounds.handshake);
    let places = Arc::new(Semaphore::new(PAGE_CONNECTIONS));
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted?,
        };
        tokio::spawn(connection(http.clone(), stream, router.clone(), closing.clone(), (place, alive.clone())));
    }
    // Both senders' copies live in connections and sessions: when the last is gone, everything has ended.
    drop((listener, router, alive));
    close.tell();
    let all_ended = tokio::time::timeout(config.bounds.farewell, ended.recv()).await;
    if all_ended.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    Ok(())
}

fn http1_builder(handshake: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(handshake).max_headers(64).max_buf_size(64 << 10);
    http
}

fn router(config: &Config, shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/cooperate", get(worker))
        .with_state(shared.clone())
        .merge(page::router(&config.page))
        .layer(from_fn_with_state(shared, check_host))
        .layer(from_fn(page::protect))
}

/// Waits for a place before it accepts: beyond the bound, connections wait in the system's own queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Result<(TcpStream, OwnedSemaphorePermit), EdgeError> {
    let closed = |_| EdgeError::Listener(std::io::Error::other("its places were closed"));
    let place = places.clone().acquire_owned().await.map_err(closed)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok((stream, place)),
            // Out of file descriptors, or a client that left at once: neither is a reason to stop serving.
            Err(why) => {
                tracing::warn!(%why, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection<Held>(http: http1::Builder, stream: TcpStream, router: Router, mut closing: Closing, held: Held) {
    let Ok(local) = stream.local_addr() else { return };
    // Frames are latency: never wait to fill a packet.
    if let Err(why) = stream.set_nodelay(true) {
        tracing::debug!(%why, "TCP_NODELAY cannot be set");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Local(local));
        router.clone().call(request)
    });
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = closing.wait() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(why) = outcome {
        tracing::debug!(%why, "a connection ended early");
    }
    drop(held);
}

async fn check_host(
    State(shared): State<Arc<Shared>>,
    Extension(Local(local)): Extension<Local>,
    request: Request,
    next: Next,
) -> Response {
    match shared.guard.check_host(request.headers(), local) {
        Ok(()) => next.run(request).await,
        Err(denied) => denied.into_response(),
    }
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let allowed = shared.guard.check_upgrade(&headers);
    serve(&shared, allowed, &shared.sessions, upgrade, socket::run)
}

async fn worker(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let allowed = shared.guard.check_worker(&headers);
    serve(&shared, allowed, &shared.workers, upgrade, cooperate::run)
}

/// Serves a socket, if it may be one and there is a place, by `run`.
fn serve<Running: Future<Output = ()> + Send>(
    shared: &Shared,
    allowed: Result<(), Denied>,
    places: &Arc<Semaphore>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    run: impl FnOnce(WebSocket, Arc<Edge>, Closing) -> Running + Send + 'static,
) -> Response {
    let upgrade = match (allowed, upgrade) {
        (Err(denied), _) => return denied.into_response(),
        (_, Err(why)) => return why.into_response(),
        (Ok(()), Ok(upgrade)) => upgrade,
    };
    let Ok(place) = places.clone().try_acquire_owned() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, no_place(shared.max_sessions));
    };
    let most = shared.edge.max_message_bytes();
    let (edge, closing, alive) = (shared.edge.clone(), shared.closing.clone(), shared.alive.clone());
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(most)
        .max_frame_size(most)
        .max_write_buffer_size(2 * most)
        .on_upgrade(async move |socket| {
            run(socket, edge, closing).await;
            drop((place, alive));
        })
}

fn no_place(most: usize) -> String {
    format!(
        "All {most} sessions of this edge are in use; close one, or start the edge with a larger --max-connections."
    )
}
