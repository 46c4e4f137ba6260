//! What is said on every connection, whichever service runs over it: hello and welcome, weights, ping, refusal, close.
//!
//! Two services do, each with a pair of enums that carry these messages beside their own: [`crate::ToEdge`] and
//! [`crate::ToDevice`], [`crate::cooperate::ToMember`] and [`crate::cooperate::ToCoordinator`]. A service has kinds of
//! its own for them and may add to the hello (`R`), the welcome (`O`) and the answer to a ping (`S`). A refusal is the
//! same bytes everywhere, in every version.

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;
use crate::types::{ModelHash, Refusal};

/// One direction of a service.
pub trait Message: Sized {
    /// The link's messages in this direction: [`Call`] or [`Answer`].
    type Link;

    /// The message's bytes with header.
    fn encode(&self) -> Vec<u8>;

    /// Reads one message.
    ///
    /// # Errors
    /// Any [`WireError`]; bytes from outside never panic.
    fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError>;

    /// One of the link's messages.
    fn link(message: Self::Link) -> Self;

    /// The link's message, or else the service's own.
    fn split(self) -> Result<Self::Link, Self>;
}

/// In the direction in which the connection was opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Call<R> {
    /// First message. The version is in the header.
    Hello {
        /// The other side's secret.
        token: String,
        /// Who asks, for the log.
        name: String,
        /// In which role, where a service has several.
        role: R,
    },
    /// A piece of the file of weights that the other side asked for. `WeightsProgress` answers each.
    Weights {
        /// SHA-256 of the file.
        model: ModelHash,
        /// First byte of the piece in the file.
        offset: u64,
        /// Bytes of the file.
        total: u64,
        /// The piece.
        chunk: Vec<u8>,
    },
    /// For round trip and clock offset.
    Ping {
        /// Number of the ping.
        id: u32,
        /// When it was sent, on the sender's clock.
        sent_micros: u64,
    },
    /// The session ends.
    Close,
}

/// Against the direction in which the connection was opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<O, S> {
    /// Answers `Hello`.
    Welcome {
        /// Program version, for people.
        version: String,
        /// What this side calls itself.
        name: String,
        /// Threads that compute.
        threads: u16,
        /// What it accepts.
        limits: Limits,
        /// What else it offers.
        offer: O,
    },
    /// This side does not hold the file of weights: send it.
    NeedWeights {
        /// SHA-256 of the file.
        model: ModelHash,
    },
    /// Answers each piece of weights.
    WeightsProgress {
        /// SHA-256 of the file.
        model: ModelHash,
        /// Bytes that have arrived.
        received: u64,
        /// Bytes of the file.
        total: u64,
    },
    /// Answers `Ping` at once.
    Pong {
        /// Number of the ping.
        id: u32,
        /// Its time, unchanged.
        sent_micros: u64,
        /// When it arrived, on this side's clock.
        received_micros: u64,
        /// When this was sent, on this side's clock.
        answered_micros: u64,
        /// What this side is at.
        state: S,
    },
    /// Something will not be done.
    Refused(Refusal),
}

/// What a service adds to one of the messages.
pub(crate) trait Extra: Sized {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer;
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError>;
}

impl Extra for () {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        writer
    }
    fn read(_: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(())
    }
}

/// A service's kinds of the four messages of one direction, in the order above; a refusal has one of its own.
pub(crate) type Kinds = [u8; 4];

impl<R> Call<R> {
    pub(crate) fn write<'a>(&self, [hello, weights, ping, close]: Kinds, writer: &'a mut Writer) -> &'a mut Writer
    where
        R: Extra,
    {
        match self {
            Self::Hello { token, name, role } => role.write(writer.kind(hello).text(token).text(name)),
            Self::Weights { model, offset, total, chunk } => {
                writer.kind(weights).raw(&model.0).u64(*offset).u64(*total).raw(chunk)
            }
            Self::Ping { id, sent_micros } => writer.kind(ping).u32(*id).u64(*sent_micros),
            Self::Close => writer.kind(close),
        }
    }

    /// `direction`: who reads this, for the error of a kind that is none of the service's.
    pub(crate) fn read(
        found: u8,
        kinds: Kinds,
        direction: &'static str,
        reader: &mut Reader<'_>,
        limits: &Limits,
    ) -> Result<Self, WireError>
    where
        R: Extra,
    {
        Ok(match kinds.iter().position(|kind| *kind == found) {
            Some(0) => Self::Hello { token: reader.text("token")?, name: reader.text("name")?, role: R::read(reader)? },
            Some(1) => {
                let model = ModelHash(reader.hash("model")?);
                let (offset, total) = (reader.u64("offset")?, reader.u64("total")?);
                let chunk = reader.tail("chunk");
                check_limit("model", total, limits.max_model_bytes, "bytes")?;
                let end = offset.saturating_add(chunk.len() as u64);
                check_limit("end of the chunk", end, total, "bytes")?;
                Self::Weights { model, offset, total, chunk: chunk.to_vec() }
            }
            Some(2) => Self::Ping { id: reader.u32("ping id")?, sent_micros: reader.u64("sent micros")? },
            Some(_) => Self::Close,
            None => return Err(WireError::Kind { found, direction }),
        })
    }
}

impl<O, S> Answer<O, S> {
    pub(crate) fn write<'a>(&self, [welcome, need, progress, pong]: Kinds, writer: &'a mut Writer) -> &'a mut Writer
    where
        O: Extra,
        S: Extra,
    {
        match self {
            Self::Welcome { version, name, threads, limits, offer } => {
                offer.write(limits.write(writer.kind(welcome).text(version).text(name).u16(*threads)))
            }
            Self::NeedWeights { model } => writer.kind(need).raw(&model.0),
            Self::WeightsProgress { model, received, total } => {
                writer.kind(progress).raw(&model.0).u64(*received).u64(*total)
            }
            Self::Pong { id, sent_micros, received_micros, answered_micros, state } => {
                let writer = writer.kind(pong).u32(*id).u64(*sent_micros).u64(*received_micros);
                state.write(writer.u64(*answered_micros))
            }
            Self::Refused(refusal) => refusal.write(writer),
        }
    }

    /// `direction`: who reads this, for the error of a kind that is none of the service's.
    pub(crate) fn read(
        found: u8,
        kinds: Kinds,
        direction: &'static str,
        reader: &mut Reader<'_>,
    ) -> Result<Self, WireError>
    where
        O: Extra,
        S: Extra,
    {
        if found == Refusal::KIND {
            return Ok(Self::Refused(Refusal::read(reader)?));
        }
        Ok(match kinds.iter().position(|kind| *kind == found) {
            Some(0) => Self::Welcome {
                version: reader.text("version")?,
                name: reader.text("name")?,
                threads: reader.u16("threads")?,
                limits: Limits::read(reader)?,
                offer: O::read(reader)?,
            },
            Some(1) => Self::NeedWeights { model: ModelHash(reader.hash("model")?) },
            Some(2) => Self::WeightsProgress {
                model: ModelHash(reader.hash("model")?),
                received: reader.u64("received")?,
                total: reader.u64("total")?,
            },
            Some(_) => Self::Pong {
                id: reader.u32("ping id")?,
                sent_micros: reader.u64("sent micros")?,
                received_micros: reader.u64("received micros")?,
                answered_micros: reader.u64("answered micros")?,
                state: S::read(reader)?,
            },
            None => return Err(WireError::Kind { found, direction }),
        })
    }
}

/// Makes an enum whose variant `Link` holds the link's messages a [`Message`]; it has `write` and `read` for its body.
macro_rules! message {
    ($name:ident, $link:ty) => {
        impl $name {
            /// The message's bytes with header.
            pub fn encode(&self) -> Vec<u8> {
                $crate::header::encode($crate::PROTOCOL_VERSION, |writer| self.write(writer))
            }

            /// Reads one message.
            ///
            /// # Errors
            /// Any [`WireError`]; bytes from outside never panic. [`WireError::Version`] comes before all but the magic.
            pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError> {
                $crate::header::decode(bytes, limits, |kind, reader| Self::read(kind, reader, limits))
            }
        }

        impl $crate::link::Message for $name {
            type Link = $link;
            fn encode(&self) -> Vec<u8> {
                Self::encode(self)
            }
            fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError> {
                Self::decode(bytes, limits)
            }
            fn link(message: $link) -> Self {
                Self::Link(message)
            }
            fn split(self) -> Result<$link, Self> {
                match self {
                    Self::Link(message) => Ok(message),
                    other => Err(other),
                }
            }
        }
    };
}
pub(crate) use message;
