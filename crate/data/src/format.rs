//! One module per file format, and how to tell which one a file is.

mod lines;
mod lzf;
mod npy;
mod npz;
mod obj;
mod off;
mod pcd;
mod pcd_layout;
mod ply;
mod ply_header;
mod scalar;
mod text;
mod zip;

mod gzip;
pub mod idx;

pub(crate) use npy::{Npy, npy_bytes};
pub(crate) use npz::array;
pub(crate) use zip::{Zip, zip_bytes};

use crate::{DataError, Sample};

/// A file format that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Object File Format of Geomview, as in ModelNet.
    Off,
    /// Wavefront OBJ.
    Obj,
    /// Stanford polygon format, ASCII and binary.
    Ply,
    /// Point Cloud Library's PCD, ASCII, binary and compressed.
    Pcd,
    /// Numbers in columns: XYZ, TXT, CSV, PTS, ASC.
    Text,
    /// One NumPy array.
    Npy,
    /// A zip of NumPy arrays.
    Npz,
    /// The images and labels of MNIST and its kin; not a geometry.
    Idx,
    /// Documents, one a line, of [`crate::text::Corpus`]; not a geometry.
    Corpus,
    /// Which documents are for training and which for tests, and their labels; not a geometry.
    Split,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Format::Off => "OFF",
            Format::Obj => "OBJ",
            Format::Ply => "PLY",
            Format::Pcd => "PCD",
            Format::Text => "text points",
            Format::Npy => "NPY",
            Format::Npz => "NPZ",
            Format::Idx => "IDX",
            Format::Corpus => "corpus",
            Format::Split => "split of the corpus",
        })
    }
}

impl Format {
    /// Those of clouds and meshes, which a person can open.
    pub const GEOMETRIES: [Format; 7] =
        [Format::Off, Format::Obj, Format::Ply, Format::Pcd, Format::Text, Format::Npy, Format::Npz];

    /// What names of its files end in, lower case, the usual one first; none for what is not opened by name.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Off => &["off"],
            Format::Obj => &["obj"],
            Format::Ply => &["ply"],
            Format::Pcd => &["pcd"],
            Format::Text => &["xyz", "txt", "csv", "pts", "asc", "tsv"],
            Format::Npy => &["npy"],
            Format::Npz => &["npz"],
            Format::Idx | Format::Corpus | Format::Split => &[],
        }
    }

    /// [`Format::GEOMETRIES`] by their usual extensions, for people: `OFF, OBJ, PLY, PCD, XYZ, NPY or NPZ`.
    pub fn list() -> String {
        let names = Format::GEOMETRIES.map(|format| format.extensions()[0].to_uppercase());
        let (last, first) = (&names[names.len() - 1], &names[..names.len() - 1]);
        format!("{} or {last}", first.join(", "))
    }

    /// The format that the content shows beyond doubt, else the one of the extension, else the one that the text
    /// resembles.
    pub fn detect(name: &str, bytes: &[u8]) -> Option<Format> {
        by_magic(bytes).or_else(|| by_extension(name)).or_else(|| by_first_line(bytes))
    }

    /// Reads the bytes as this format, without the checks of [`crate::Geometry::checked`]; of several clouds the one at
    /// `index`, or none of them if there are fewer.
    pub(crate) fn parse(self, bytes: &[u8], index: usize) -> Result<Sample, DataError> {
        match self {
            Format::Off => off::read(&lines::text(bytes)).map(Sample::only),
            Format::Obj => obj::read(&lines::text(bytes)).map(Sample::only),
            Format::Ply => ply::read(bytes).map(Sample::only),
            Format::Pcd => pcd::read(bytes).map(Sample::only),
            Format::Text => text::read(&lines::text(bytes)).map(Sample::only),
            Format::Npy => npy::read(bytes, index),
            Format::Npz => npz::read(bytes, index),
            Format::Idx => Err(self.no_geometry("a file of images or labels")),
            Format::Corpus | Format::Split => Err(self.no_geometry("a file of documents or labels")),
        }
    }

    fn no_geometry(self, what: &str) -> DataError {
        DataError::Unsupported { format: self, what: what.into(), instead: "give a point cloud or a mesh" }
    }
}

fn by_magic(bytes: &[u8]) -> Option<Format> {
    const IDX_UNSIGNED_BYTES: [u8; 3] = [0, 0, 8];
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"ply\n") || begins(b"ply\r") {
        Some(Format::Ply)
    } else if begins(npy::MAGIC) {
        Some(Format::Npy)
    } else if begins(zip::MAGIC) {
        Some(Format::Npz)
    } else if begins(&IDX_UNSIGNED_BYTES) {
        Some(Format::Idx)
    } else {
        by_keyword(bytes)
    }
}

/// The keyword that opens a text format, after comments.
fn by_keyword(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(b"# .PCD") {
        return Some(Format::Pcd);
    }
    let line = first_line(bytes)?;
    let word = line.split_whitespace().next()?;
    if off::keyword(word).is_some() {
        return Some(Format::Off);
    }
    match word {
        "VERSION" | "FIELDS" => Some(Format::Pcd),
        "v" | "vn" | "vt" | "f" | "o" | "g" | "mtllib" | "usemtl" => Some(Format::Obj),
        _ => None,
    }
}

fn by_extension(name: &str) -> Option<Format> {
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    Format::GEOMETRIES.into_iter().find(|format| format.extensions().contains(&extension.as_str()))
}

/// Text whose first line is numbers, or names of columns, is points.
fn by_first_line(bytes: &[u8]) -> Option<Format> {
    text::resembles_points(&first_line(bytes)?).then_some(Format::Text)
}

/// The first line with content, if the beginning of the file is text at all.
fn first_line(bytes: &[u8]) -> Option<String> {
    const LOOKED_AT: usize = 4096;
    let start = &bytes[..bytes.len().min(LOOKED_AT)];
    let control = |b: &u8| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c);
    if start.iter().any(control) && !start.contains(&b'\n') {
        return None;
    }
    let line = lines::text(start).lines().map(str::trim).find(|line| !lines::is_comment(line))?.to_owned();
    (!line.bytes().any(|b| control(&b))).then_some(line)
}
