//! What can be wrong with a sample. Each message says what was found, where, and what would be right, because the
//! person who reads it has usually just dropped a file onto the page.

use crate::Format;

/// Why bytes could not become a sample.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DataError {
    /// Nothing but white space was given.
    #[error("{name} is empty: expected a point cloud or a mesh as {}", Format::list())]
    Empty {
        /// Name of the file as it was given.
        name: String,
    },
    /// Neither the content nor the extension tells a format.
    #[error("{name} starts with {start}, which no readable format does: expected {}", Format::list())]
    UnknownFormat {
        /// Name of the file as it was given.
        name: String,
        /// Its first bytes, escaped.
        start: String,
    },
    /// Something in the file is not what the format has at that place.
    #[error("{format}, {place}: found {found}, expected {expected}")]
    Malformed {
        /// Format that the file is read as.
        format: Format,
        /// Where in the file.
        place: Place,
        /// What stands there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// The header announces more than the file can hold.
    #[error(
        "{format}: the header announces {count} {what}, at least {needs} bytes, but {has} bytes follow it: \
         the file is cut short or its header is wrong"
    )]
    Short {
        /// Format that the file is read as.
        format: Format,
        /// What is counted, in the plural.
        what: String,
        /// The announced count.
        count: u64,
        /// Bytes that so many take at the least.
        needs: u64,
        /// Bytes that are there.
        has: u64,
    },
    /// Not as many pixels as the network reads.
    #[error(
        "{found} bytes of pixels, expected {}: red, green, blue and opacity of {height} × {width} pixels",
        4 * height * width
    )]
    Pixels {
        /// Bytes given.
        found: usize,
        /// Rows that are read.
        height: usize,
        /// Columns that are read.
        width: usize,
    },
    /// No way to make these channels of colours.
    #[error("the network reads {found} channels, and an image has one, its brightness, or three, its colours")]
    Channels {
        /// Channels of the network.
        found: usize,
    },
    /// A legal variant of the format that is not read here.
    #[error("{format}: {what} is not read; {instead}")]
    Unsupported {
        /// Format that the file is read as.
        format: Format,
        /// The variant.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A polygon refers to a vertex that does not exist.
    #[error("face {face} refers to vertex {index}, but there are {vertices} vertices ({allowed})")]
    FaceIndex {
        /// Index of the face, from 0.
        face: usize,
        /// The index as it is written.
        index: i64,
        /// Number of vertices.
        vertices: usize,
        /// Which indices are right.
        allowed: &'static str,
    },
    /// A mesh format without a single face: nothing to sample.
    #[error(
        "{format}: a mesh without faces: {vertices} vertices and no polygon, so there is no surface to sample; \
         save it with faces, or save the vertices as a point cloud (PLY, PCD, XYZ or NPY)"
    )]
    MeshWithoutFaces {
        /// Format that the file is read as.
        format: Format,
        /// Number of vertices.
        vertices: usize,
    },
    /// A coordinate is NaN or infinite.
    #[error(
        "point {index} is ({}, {}, {}): every coordinate has to be a finite number; remove or repair this point",
        point[0], point[1], point[2]
    )]
    NotFinite {
        /// Index of the first such point or vertex, from 0.
        index: usize,
        /// Its coordinates.
        point: [f32; 3],
    },
    /// The file holds fewer clouds than were asked for.
    #[error("there is no cloud {index} in the file: it holds {of}, counted from 0")]
    NoSuchSample {
        /// The index asked for, from 0.
        index: usize,
        /// Clouds in the file.
        of: usize,
    },
    /// No point at all.
    #[error("there is no point: expected at least one point, or a mesh with a surface")]
    NoPoints,
    /// A cloud of zero points was asked for.
    #[error("a cloud of 0 points was asked for: expected at least 1")]
    NoneAsked,
    /// All points are the same, so no radius can be brought to one.
    #[error(
        "all {count} points are ({}, {}, {}): expected points with some extent, for the cloud is divided by its radius",
        point[0], point[1], point[2]
    )]
    AllPointsEqual {
        /// Number of points.
        count: usize,
        /// Their common coordinates.
        point: [f32; 3],
    },
    /// Every face is degenerate.
    #[error("the surface has no area: all {faces} triangles are points or lines; expected at least one with an area")]
    ZeroArea {
        /// Number of triangles.
        faces: usize,
    },
    /// A text without a single word.
    #[error("there is no word in the text: expected at least one letter or digit of English")]
    NoWords,
    /// A class of furniture that does not exist.
    #[error("there is no furniture class {class}: expected 0 to 9 ({})", crate::furniture::CLASSES.join(", "))]
    NoSuchClass {
        /// The class asked for.
        class: usize,
    },
}

/// Where in a file something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the header.
    Header,
    /// Among the values after the header.
    Data,
    /// In this line of text, from 1.
    Line(usize),
    /// At this byte, from 0.
    Byte(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Header => write!(f, "header"),
            Place::Data => write!(f, "data"),
            Place::Line(line) => write!(f, "line {line}"),
            Place::Byte(byte) => write!(f, "byte {byte}"),
        }
    }
}

/// Quotes what was found, cut to a length that fits a message.
pub(crate) fn quote(found: &str) -> String {
    const LONGEST: usize = 32;
    match found.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &found[..end]),
        None => format!("{found:?}"),
    }
}
