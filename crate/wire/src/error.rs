//! What can be wrong with bytes from the other side, or with values that should become bytes.

use thiserror::Error;

/// Every variant says what was wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the message is cut short in `{field}`: {needed} bytes are needed, {present} are left")]
    Short {
        /// Field in which it ends.
        field: &'static str,
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that are left.
        present: usize,
    },
    /// The first bytes are not the protocol's mark.
    #[error(
        "not a Cleave message: it begins with {found:02x?}, a Cleave message begins with {:02x?}",
        crate::header::MAGIC
    )]
    Magic {
        /// The first bytes.
        found: [u8; 4],
    },
    /// The other side speaks another version.
    #[error(
        "the message is in protocol version {theirs}, this side speaks version {ours}: update the older of the two programs"
    )]
    Version {
        /// Version in the message's header.
        theirs: u8,
        /// [`crate::PROTOCOL_VERSION`] of this build.
        ours: u8,
    },
    /// The kind is not one that goes in this direction.
    #[error("message kind {found} is not one that goes to the {direction}")]
    Kind {
        /// Kind byte of the header.
        found: u8,
        /// Who reads it.
        direction: &'static str,
    },
    /// A message that can be read, and may not come now.
    #[error("{what}")]
    Turn {
        /// What came, and when.
        what: &'static str,
    },
    /// The header's length is not the body's.
    #[error("the header says that {claimed} bytes follow, {present} bytes follow")]
    Length {
        /// Length in the header.
        claimed: usize,
        /// Bytes behind the header.
        present: usize,
    },
    /// Bytes are left over behind the last field.
    #[error("{bytes} bytes are left over behind the last field `{after}`")]
    Trailing {
        /// How many.
        bytes: usize,
        /// The last field.
        after: &'static str,
    },
    /// A number exceeds what this side accepts.
    #[error("`{field}` is {value} {unit}, at most {limit} {unit} are accepted")]
    Limit {
        /// Field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Largest accepted value.
        limit: u64,
        /// Unit of both.
        unit: &'static str,
    },
    /// A text is not UTF-8.
    #[error("`{field}` is not UTF-8 text")]
    Text {
        /// Field.
        field: &'static str,
    },
    /// A value has no meaning.
    #[error("`{field}` is {found}, it should be {right}")]
    Value {
        /// Field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What would be right.
        right: &'static str,
    },
    /// What is to be measured has no meaning, or is too large.
    #[error("`probe` cannot be measured: {why}")]
    Probe {
        /// What is wrong and what would be right.
        why: String,
    },
    /// A compressed tensor does not unpack to what its shape needs.
    #[error("the compressed bytes of tensor {tensor} do not unpack to the {needed} bytes of its shape: {why}")]
    Compressed {
        /// Position in the message.
        tensor: usize,
        /// Bytes that the shape needs.
        needed: usize,
        /// What the decompressor says.
        why: String,
    },
    /// A value that the codec cannot carry.
    #[error("tensor {tensor} holds {value} at position {position}, {codec} carries finite values up to ±{largest}")]
    Unrepresentable {
        /// Position in the message.
        tensor: usize,
        /// Position in the tensor, row-major.
        position: usize,
        /// The value.
        value: f32,
        /// The codec.
        codec: &'static str,
        /// Largest magnitude that it carries.
        largest: f32,
    },
    /// A tensor's stored length is not its shape's.
    #[error("tensor {tensor} is stored in {stored} bytes, its shape {shape:?} needs {needed}")]
    Stored {
        /// Position in the message.
        tensor: usize,
        /// Shape.
        shape: Vec<usize>,
        /// Bytes there.
        stored: usize,
        /// Bytes that the shape needs.
        needed: usize,
    },
}
