//! The parts that messages are made of, and how each is written.

use std::fmt;

use cleave_arch::{Codec, Compression, LinkCodec};

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::header;
use crate::limits::Limits;

/// SHA-256 of a model file: what it is called on the wire and in the edge's cache.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelHash(pub [u8; 32]);

impl fmt::Display for ModelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelHash({self})")
    }
}

/// Where the weights of a graph come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightSource {
    /// Drawn from this seed.
    Seeded(u64),
    /// The file of this SHA-256; whoever has it not asks for it.
    File(ModelHash),
}

impl WeightSource {
    pub(crate) fn write(self, writer: &mut Writer) -> &mut Writer {
        match self {
            Self::Seeded(seed) => writer.u8(0).u64(seed),
            Self::File(hash) => writer.u8(1).raw(&hash.0),
        }
    }
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match reader.u8("weights")? {
            0 => Self::Seeded(reader.u64("seed")?),
            1 => Self::File(ModelHash(reader.hash("model")?)),
            found => return Err(bad_tag("weights", found, "0 (seeded) or 1 (file)")),
        })
    }
}

/// Labelled clouds that an edge has for judging architectures. Written out it says which set it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationSet {
    /// What people call it.
    pub name: String,
    /// Clouds that judge.
    pub clouds: u32,
    /// Bytes of its body.
    pub bytes: u32,
    /// First four bytes of the body's SHA-256.
    pub digest: u32,
}

impl fmt::Display for ValidationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} clouds ({:08x})", self.name, self.clouds, self.digest)
    }
}

impl ValidationSet {
    pub(crate) fn write<'a>(set: Option<&Self>, writer: &'a mut Writer) -> &'a mut Writer {
        let writer = writer.u8(set.is_some().into());
        let Some(Self { name, clouds, bytes, digest }) = set else { return writer };
        writer.text(name).u32(*clouds).u32(*bytes).u32(*digest)
    }
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, WireError> {
        let field = "validation";
        match reader.u8(field)? {
            0 => Ok(None),
            1 => Ok(Some(Self {
                name: reader.text("validation name")?,
                clouds: reader.u32("validation clouds")?,
                bytes: reader.u32("validation bytes")?,
                digest: reader.u32("validation digest")?,
            })),
            found => Err(bad_tag(field, found, "0 (none) or 1 (a set)")),
        }
    }
}

/// Conditions that one side imposes on what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkShape {
    /// Bits per second; 0 is unshaped.
    pub bits_per_second: u64,
    /// Added one-way delay in microseconds.
    pub delay_micros: u32,
    /// Largest random extra delay in microseconds, drawn uniformly.
    pub jitter_micros: u32,
}

impl LinkShape {
    /// Ten seconds: a longer delay would only look like a broken link.
    pub const MAX_DELAY_MICROS: u32 = 10_000_000;
    /// As it is: no limit, no delay.
    pub const UNSHAPED: LinkShape = LinkShape { bits_per_second: 0, delay_micros: 0, jitter_micros: 0 };

    pub(crate) fn write(self, writer: &mut Writer) -> &mut Writer {
        writer.u64(self.bits_per_second).u32(self.delay_micros).u32(self.jitter_micros)
    }
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let shape = LinkShape {
            bits_per_second: reader.u64("bits per second")?,
            delay_micros: reader.u32("delay")?,
            jitter_micros: reader.u32("jitter")?,
        };
        let most = u64::from(Self::MAX_DELAY_MICROS);
        check_limit("delay", shape.delay_micros.into(), most, "microseconds")?;
        check_limit("jitter", shape.jitter_micros.into(), most, "microseconds")?;
        Ok(shape)
    }
}

/// When a frame passed through the edge, in microseconds of the edge's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The frame's last byte had arrived.
    pub received_micros: u64,
    /// Computing began.
    pub started_micros: u64,
    /// Computing ended.
    pub finished_micros: u64,
    /// The result was handed to the link.
    pub sent_micros: u64,
}

impl Timing {
    pub(crate) fn write(self, writer: &mut Writer) -> &mut Writer {
        let Self { received_micros, started_micros, finished_micros, sent_micros } = self;
        writer.u64(received_micros).u64(started_micros).u64(finished_micros).u64(sent_micros)
    }
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Timing {
            received_micros: reader.u64("received")?,
            started_micros: reader.u64("started")?,
            finished_micros: reader.u64("finished")?,
            sent_micros: reader.u64("sent")?,
        })
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The whole session; the edge closes it.
    Session,
    /// One frame.
    Frame(u64),
    /// One deployment; the session goes on.
    Deployment(u32),
    /// One measurement; the session goes on.
    Measurement(u32),
}

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// Why the edge refused. A number that this build does not know stays readable as [`RefusalCode::Unknown`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
            /// From a newer edge.
            Unknown(u8),
        }
        impl RefusalCode {
            /// Number on the wire.
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Unknown(number) => number,
                }
            }
            /// The code with this number.
            pub fn from_number(number: u8) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }
        }
    };
}

refusal_codes! {
    /// The token is not the edge's.
    BadToken = 1,
    /// The client speaks another version.
    WrongVersion = 2,
    /// A message could not be read.
    Malformed = 3,
    /// Something else came before the greeting.
    NotGreeted = 4,
    /// The edge has no room for another connection.
    Busy = 5,
    /// The plan is not one that this edge can run.
    BadPlan = 6,
    /// The model file is larger than the edge takes.
    ModelTooLarge = 7,
    /// The model file does not fit its hash or its plan.
    ModelInvalid = 8,
    /// No such deployment here (any more).
    UnknownDeployment = 9,
    /// The tensors are not those that the segment needs.
    BadTensors = 10,
    /// More frames than the edge gave credit for.
    CreditExceeded = 11,
    /// Computing failed.
    ComputeFailed = 12,
    /// The frame's deadline passed on the edge.
    DeadlinePassed = 13,
    /// Weights that nobody asked for, or out of order.
    BadWeights = 14,
    /// Nothing was heard for too long.
    TimedOut = 15,
    /// The edge is going away.
    ShuttingDown = 16,
    /// A measurement that would take too long, or one while another is under way.
    BadMeasurement = 17,
}

/// What was wrong and what would be right. Its layout never changes, as the header's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub subject: Subject,
    /// Why, for programs.
    pub code: RefusalCode,
    /// What was wrong, for people.
    pub wrong: String,
    /// What would be right, for people.
    pub right: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.wrong, self.right)
    }
}

impl Refusal {
    /// Kind of its message: in every version and of every service the same.
    pub(crate) const KIND: u8 = 136;

    /// The refusal as a whole message, stamped with a version: an old program can read why it is refused.
    pub fn encode_as(&self, version: u8) -> Vec<u8> {
        header::encode(version, |writer| self.write(writer))
    }

    /// With its kind.
    pub(crate) fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        let (tag, id) = match self.subject {
            Subject::Session => (0, 0),
            Subject::Frame(id) => (1, id),
            Subject::Deployment(id) => (2, u64::from(id)),
            Subject::Measurement(id) => (3, u64::from(id)),
        };
        writer.kind(Self::KIND).u8(tag).u64(id).u8(self.code.number()).text(&self.wrong).text(&self.right)
    }
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (tag, id) = (reader.u8("subject")?, reader.u64("subject id")?);
        let right = "a number of a deployment or measurement below 2^32";
        let narrow = || u32::try_from(id).map_err(|_| WireError::Value { field: "subject id", found: id, right });
        let subject = match tag {
            0 => Subject::Session,
            1 => Subject::Frame(id),
            2 => Subject::Deployment(narrow()?),
            3 => Subject::Measurement(narrow()?),
            found => {
                return Err(bad_tag("subject", found, "0 (session), 1 (frame), 2 (deployment) or 3 (measurement)"));
            }
        };
        let code = RefusalCode::from_number(reader.u8("code")?);
        Ok(Refusal { subject, code, wrong: reader.text("wrong")?, right: reader.text("right")? })
    }
}

impl Limits {
    pub(crate) fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        let writer = writer.u32(self.max_frame_bytes).u64(self.max_model_bytes).u64(self.max_tensor_bytes);
        writer.u16(self.max_tensors).u8(self.max_rank)
    }
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Limits {
            max_frame_bytes: reader.u32("max frame bytes")?,
            max_model_bytes: reader.u64("max model bytes")?,
            max_tensor_bytes: reader.u64("max tensor bytes")?,
            max_tensors: reader.u16("max tensors")?,
            max_rank: reader.u8("max rank")?,
        })
    }
}

pub(crate) fn write_codec(codec: LinkCodec, writer: &mut Writer) -> &mut Writer {
    let (codec, compression) = (codec.codec, codec.compression);
    let codec = match codec {
        Codec::F32 => 0,
        Codec::F16 => 1,
        Codec::I8 => 2,
    };
    writer.u8(codec).u8(match compression {
        Compression::None => 0,
        Compression::Lz4 => 1,
    })
}

pub(crate) fn read_codec(reader: &mut Reader<'_>) -> Result<LinkCodec, WireError> {
    let codec = match reader.u8("codec")? {
        0 => Codec::F32,
        1 => Codec::F16,
        2 => Codec::I8,
        found => return Err(bad_tag("codec", found, "0 (f32), 1 (f16) or 2 (i8)")),
    };
    let compression = match reader.u8("compression")? {
        0 => Compression::None,
        1 => Compression::Lz4,
        found => return Err(bad_tag("compression", found, "0 (none) or 1 (LZ4)")),
    };
    Ok(LinkCodec { codec, compression })
}

pub(crate) fn bad_tag(field: &'static str, found: u8, right: &'static str) -> WireError {
    WireError::Value { field, found: found.into(), right }
}
