//! NPZ: NumPy arrays in a zip, one `name.npy` each. The cloud is the array with a usual name, or the only one.

use super::Format;
use super::npy;
use super::zip::Zip;
use crate::{DataError, Place, Sample};

/// Names that hold points in practice, the most telling first.
const USUAL: [&str; 7] = ["points", "pos", "xyz", "vertices", "pointcloud", "data", "arr_0"];

/// Reads the cloud at `index`, and its class if the file has one label for each.
pub(crate) fn read(bytes: &[u8], index: usize) -> Result<Sample, DataError> {
    let zip = Zip::open(bytes)?;
    let usual = USUAL.iter().find_map(|name| zip.find(&format!("{name}.npy")));
    let member = match (usual, zip.members()) {
        (Some(member), _) | (None, [member]) => member,
        (None, members) => return Err(ambiguous(members.iter().map(|member| member.name.as_str()))),
    };
    let sample = npy::read(&zip.unpack(member)?, index)?;
    let class = class(&zip, index, sample.of);
    Ok(Sample { class, ..sample })
}

/// What `labels` and `classes` say of one cloud. They are no part of a cloud: where they do not fit, there is no class.
fn class(zip: &Zip, index: usize, of: usize) -> Option<String> {
    let member = |name: &str| zip.unpack(zip.find(name)?).ok();
    let (labels, classes) = (member("labels.npy")?, member("classes.npy")?);
    let labels: Vec<f64> = npy::Npy::parse(&labels).ok()?.numbers().ok()?.collect();
    let label = (labels.len() == of).then(|| labels.get(index))??;
    npy::Npy::parse(&classes).ok()?.strings().ok()?.into_iter().nth(*label as usize)
}

/// Content of the array `name`, an NPY, which must be there.
pub(crate) fn array(zip: &Zip, name: &str) -> Result<Vec<u8>, DataError> {
    let names = || zip.members().iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", ");
    let missing = || DataError::Malformed {
        format: Format::Npz,
        place: Place::Header,
        found: format!("the arrays [{}]", names()),
        expected: format!("an array {name} among them"),
    };
    zip.unpack(zip.find(&format!("{name}.npy")).ok_or_else(missing)?)
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
