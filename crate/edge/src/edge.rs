//! What all sessions of one edge share: the executor, the models, and the settings of a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Device;
use cleave_arch::{Array, Segment};
use cleave_model::exec;
use cleave_session::cooperate::{Member, MemberConfig};
use cleave_session::{EdgeConfig, EdgeSession, EngineError, Host, Micros, TokenCheck};
use cleave_wire::LinkShape;
use tokio::runtime::Handle;

use crate::clock;
use crate::config::{Bounds, Config};
use crate::cooperate::Groups;
use crate::error::EdgeError;
use crate::executor::Executor;
use crate::models::Models;

/// Models of one session that may be loading at once; further messages wait unread.
pub(crate) const MAX_LOADING: usize = 8;

/// The engine behind the sessions.
pub(crate) struct Edge {
    pub(crate) executor: Executor,
    pub(crate) models: Arc<Models>,
    pub(crate) bounds: Bounds,
    pub(crate) groups: Groups,
    pub(crate) peers: bool,
    session: EdgeConfig,
    shape: LinkShape,
    sessions: AtomicU64,
}

impl Edge {
    /// Starts the executor's threads.
    pub(crate) fn start(config: &Config) -> Result<Self, EdgeError> {
        let bounds = config.bounds.clone();
        let capacity = bounds.sessions * (usize::from(bounds.credit) + MAX_LOADING);
        Ok(Self {
            executor: Executor::start(config.workers, capacity)?,
            models: Arc::new(Models::new(bounds.model_cache_bytes, Device::flex())),
            groups: Groups::default(),
            peers: config.peers,
            session: session_config(config),
            shape: config.shape,
            sessions: AtomicU64::new(0),
            bounds,
        })
    }

    /// A session that begins now, and its number.
    pub(crate) fn session(&self) -> (EdgeSession, u64) {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let config = EdgeConfig { seed: number, ..self.session.clone() };
        let mut session = EdgeSession::new(config, clock::now());
        session.shape(self.shape);
        (session, number)
    }

    /// The machine of a coordinator that connects now.
    pub(crate) fn member(&self) -> Member {
        let seed = self.sessions.fetch_add(1, Ordering::Relaxed);
        // Its part is computed by one thread.
        let host = Host { threads: 1, ..self.session.host.clone() };
        let config = MemberConfig { seed, ..MemberConfig::new(host) };
        Member::new(config, clock::now())
    }

    /// Twice what a session accepts: a message somewhat too large is read and refused with words.
    pub(crate) fn max_message_bytes(&self) -> usize {
        2 * self.bounds.wire.max_frame_bytes as usize
    }
}

fn session_config(config: &Config) -> EdgeConfig {
    let token = config.token.clone();
    let micros = |duration: std::time::Duration| Micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    let host = Host {
        threads: u16::try_from(config.workers).unwrap_or(u16::MAX),
        limits: config.bounds.wire,
        handshake_timeout: micros(config.bounds.handshake),
        idle_timeout: micros(config.bounds.idle),
        ..Host::new(TokenCheck::new(move |candidate| token.matches(candidate)), config.name.clone())
    };
    EdgeConfig {
        credit: config.bounds.credit,
        validation: config.validation.clone(),
        stopwatch: clock::now,
        ..EdgeConfig::new(host)
    }
}

/// Runs one segment on an executor thread; `runtime` only drives the read-back.
pub(crate) fn compute(
    network: &exec::Executor,
    segment: &Segment,
    inputs: &[Array],
    runtime: &Handle,
) -> Result<Vec<Array>, EngineError> {
    runtime.block_on(network.compute(segment.nodes.clone(), inputs)).map_err(EngineError::new)
}
