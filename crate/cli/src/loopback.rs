//! A real edge in this process, on a port that the system chooses: for benchmarks, tests and a first look.

use std::time::Duration;

use anyhow::{Context, Result};
use cleave_edge::{Config, Token};
use cleave_session::cooperate::MemberSpec;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::remote::Address;

/// Nobody but this machine can reach it, and it lives for seconds.
const TOKEN: &str = "loopback-token";
/// For VGG11's weights and some more.
const WEIGHTS: u64 = 1 << 30;
/// For the edge's own farewell and some more.
const STOP: Duration = Duration::from_secs(5);

/// A serving edge. Dropping it kills it.
pub struct LoopbackEdge {
    address: Address,
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl LoopbackEdge {
    /// Serves on a free port with the default bounds and `workers` computing threads.
    ///
    /// # Errors
    /// If there is no port or no thread.
    pub fn start(workers: usize) -> Result<Self> {
        Self::start_on(0, workers)
    }

    /// Serves on this port; 0 is a free one.
    ///
    /// # Errors
    /// As [`LoopbackEdge::start`].
    pub fn start_on(port: u16, workers: usize) -> Result<Self> {
        let mut config = Config::new(Token::new(TOKEN)?);
        config.workers = workers;
        Self::serve(port, config)
    }

    /// A worker of image networks under this name, which connects to others.
    ///
    /// # Errors
    /// As [`LoopbackEdge::start`].
    pub fn worker(name: &str) -> Result<Self> {
        let mut config = Config::new(Token::random()?);
        (config.name, config.peers, config.workers) = (name.to_owned(), true, 1);
        config.bounds.take_models(WEIGHTS);
        Self::serve(0, config)
    }

    fn serve(port: u16, config: Config) -> Result<Self> {
        let token = config.token.expose().to_owned();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().context("no runtime")?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port)));
        let listener = listener.with_context(|| format!("port {port} of this machine cannot be listened on"))?;
        let port = listener.local_addr()?.port();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = runtime.spawn(async move {
            let stopped = async { drop(stopped.await) };
            if let Err(why) = cleave_edge::serve_on(listener, config, stopped).await {
                eprintln!("the edge in this process ended: {why}");
            }
        });
        let address = Address { authority: format!("127.0.0.1:{port}"), token };
        Ok(Self { address, port, stop: Some(stop), served: Some(served), runtime: Some(runtime) })
    }

    /// Where it listens, and its token.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How a coordinator reaches a [`LoopbackEdge::worker`].
    pub fn member(&self, name: &str) -> MemberSpec {
        let Address { authority, token } = &self.address;
        MemberSpec { name: name.to_owned(), token: token.clone(), address: format!("ws://{authority}") }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks it to go away, and waits until it has said goodbye to its sessions.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let (Some(runtime), Some(served)) = (&self.runtime, self.served.take()) {
            // An edge that does not end is killed by the drop.
            let _ = runtime.block_on(async { tokio::time::timeout(STOP, served).await });
        }
    }

    /// Ends it without a word, as a crash would: its sockets close in the middle of whatever they did.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for LoopbackEdge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
