//! NPZ: NumPy arrays in a zip, one `name.npy` each. The cloud is the array with a usual name, or the only one.

use super::Format;
use super::npy;
use super::zip::Zip;
use crate::{DataError, Geometry, Place};

/// Names that hold points in practice, the most telling first.
const USUAL: [&str; 7] = ["points", "pos", "xyz", "vertices", "pointcloud", "data", "arr_0"];

/// Reads a cloud.
pub(crate) fn read(bytes: &[u8]) -> Result<Geometry, DataError> {
    let zip = Zip::open(bytes)?;
    let usual = USUAL.iter().find_map(|name| zip.find(&format!("{name}.npy")));
    let member = match (usual, zip.members()) {
        (Some(member), _) | (None, [member]) => member,
        (None, members) => return Err(ambiguous(members.iter().map(|member| member.name.as_str()))),
    };
    npy::read(&zip.unpack(member)?)
}

fn ambiguous<'n>(names: impl Iterator<Item = &'n str>) -> DataError {
    const LISTED: usize = 8;
    let names: Vec<&str> = names.take(LISTED).collect();
    DataError::Malformed {
        format: Format::Npz,
        place: Place::Header,
        found: format!("the arrays [{}]", names.join(", ")),
        expected: format!("one array, or one that is called {}", USUAL.join(", ")),
    }
}
