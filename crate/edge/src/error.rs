//! What can keep an edge from running, each with what would be right.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Errors of this crate.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The operating system has no random numbers.
    #[error("no random token could be made: {why}; choose one with --token")]
    Random {
        /// Its own words.
        why: String,
    },
    /// A chosen token cannot stand in a URL, or is guessed too easily.
    #[error("the token {wrong}; a token has 8 to 256 characters of A–Z, a–z, 0–9, '.', '_', '~' and '-'")]
    Token {
        /// What is wrong with it.
        wrong: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {why}; {right}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        why: io::Error,
        /// What would be right.
        right: &'static str,
    },
    /// A number given to the edge has no meaning.
    #[error("{name} is {found}; it should be {right}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        found: String,
        /// What would be right.
        right: &'static str,
    },
    /// There are no clouds for judging where they should be.
    #[error(
        "{} cannot be used: {why}; --data takes the folder that holds ModelNet10's training part under this name",
        path.display()
    )]
    Data {
        /// The file that was looked for.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The listener does not work.
    #[error("the listening socket does not work: {0}")]
    Listener(#[source] io::Error),
    /// A thread cannot be started.
    #[error("an executor thread cannot be started: {0}; use fewer --workers")]
    Thread(#[source] io::Error),
}

impl EdgeError {
    /// A listening address that the system refused, with the remedy for the common reasons.
    pub fn listen(address: SocketAddr, why: io::Error) -> Self {
        let right = match why.kind() {
            io::ErrorKind::AddrInUse => {
                "another program, perhaps another cleave-edge, listens there: end it, or choose another port with --listen"
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose another port with --listen",
            io::ErrorKind::AddrNotAvailable => {
                "choose an address of this machine with --listen, such as 127.0.0.1:8787"
            }
            _ => "choose another address with --listen, such as 127.0.0.1:8787",
        };
        Self::Listen { address, why, right }
    }
}
