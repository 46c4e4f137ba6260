//! What an edge is told when it starts. Every bound on what a client can take is here, with its reason.

use std::path::PathBuf;
use std::time::Duration;

use cleave_session::OwnValidation;
use cleave_wire::{Limits, LinkShape};

use crate::error::EdgeError;
use crate::token::Token;

/// Settings of one edge.
#[derive(Clone, Debug)]
pub struct Config {
    /// The secret that clients must know.
    pub token: Token,
    /// What the edge calls itself.
    pub name: String,
    /// Folder of the built page.
    pub page: PathBuf,
    /// Threads that run network segments, at least 1.
    pub workers: usize,
    /// How the edge shapes what it sends until a session asks otherwise.
    pub shape: LinkShape,
    /// Host names beside the address listened on and the loopback ones, without port.
    pub allow_hosts: Vec<String>,
    /// Origins beside the edge's own, such as `http://localhost:8080`.
    pub allow_origins: Vec<String>,
    /// Clouds on which searches of the page may be judged, by [`crate::read_validation`].
    pub validation: Option<OwnValidation>,
    /// As a worker of a network, open connections to other workers at addresses that the coordinator names.
    pub peers: bool,
    /// How much clients may take.
    pub bounds: Bounds,
}

/// Bounds on what clients can take of the edge.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Sessions at once.
    pub sessions: usize,
    /// Until a connection has sent its request's head, and a session its greeting.
    pub handshake: Duration,
    /// Silence after which a session ends.
    pub idle: Duration,
    /// Time for open sessions to end when the edge goes away, and for one message to be taken from the edge.
    pub farewell: Duration,
    /// Frames under way in one session.
    pub credit: u16,
    /// Bytes of model files and loaded networks that are kept.
    pub model_cache_bytes: u64,
    /// Messages and tensors.
    pub wire: Limits,
}

impl Bounds {
    /// Takes files of weights of up to so many bytes, and has room for one.
    pub fn take_models(&mut self, bytes: u64) {
        self.wire.max_model_bytes = bytes;
        self.model_cache_bytes = self.model_cache_bytes.max(bytes);
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // A person has a few tabs open; each may hold `credit` frames of 16 MiB.
            sessions: 16,
            // A browser on a slow link needs well under a second.
            handshake: Duration::from_secs(5),
            // A session pings every few seconds.
            idle: Duration::from_secs(60),
            farewell: Duration::from_secs(1),
            // Enough to keep uplink, executor and downlink busy; more only lengthens the queue.
            credit: 8,
            // Dozens of networks of this kind: DGCNN is 7.2 MB.
            model_cache_bytes: 512 << 20,
            wire: Limits::DEFAULT,
        }
    }
}

impl Config {
    /// The defaults: a page in `dist`, a worker per core, no shaping, own origin only.
    pub fn new(token: Token) -> Self {
        Self {
            token,
            name: "cleave-edge".into(),
            page: "dist".into(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            shape: LinkShape::UNSHAPED,
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            validation: None,
            peers: false,
            bounds: Bounds::default(),
        }
    }

    /// Numbers that have no meaning are refused before anything is served.
    ///
    /// # Errors
    /// [`EdgeError::Setting`] with the first of them.
    pub fn check(&self) -> Result<(), EdgeError> {
        let setting = |name, found: usize, right| Err(EdgeError::Setting { name, found: found.to_string(), right });
        match self {
            _ if !(1..=1024).contains(&self.workers) => setting("workers", self.workers, "1 to 1024"),
            _ if self.bounds.sessions == 0 => setting("max-connections", 0, "at least 1"),
            _ if self.bounds.credit == 0 => setting("credit", 0, "at least 1"),
            _ => Ok(()),
        }
    }
}
