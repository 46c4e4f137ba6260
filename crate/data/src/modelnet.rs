//! A set of labelled clouds in one NPZ: `points` int16 `[n, n_points, 3]` in units of 1 / 32767, `labels` u8 `[n]`,
//! `classes` text. The form in which training and evaluation get ModelNet10; the data itself is never ours to ship.

use crate::format::{Npy, Zip, array, npy_bytes, zip_bytes};
use crate::{DataError, Format, Place};

/// What a set is called, and the files that it stands in, in a folder of data.
pub const NAME: &str = "ModelNet10";
/// Its training part.
pub const TRAIN: &str = "modelnet10_1024_train.npz";
/// Its test part, which no search sees.
pub const TEST: &str = "modelnet10_1024_test.npz";

/// Labelled clouds of one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Flat `[n, n_points, 3]`: centred, radius one.
    pub points: Vec<f32>,
    /// Index into `classes` for each cloud.
    pub labels: Vec<u8>,
    /// Points of one cloud.
    pub n_points: usize,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl Dataset {
    /// Number of clouds.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no cloud.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Points of cloud `index`, flat `[n_points, 3]`; `None` beyond the last.
    pub fn cloud(&self, index: usize) -> Option<&[f32]> {
        self.points.chunks_exact((self.n_points * 3).max(1)).nth(index)
    }
}

impl Dataset {
    /// Clouds of their first `n` points: the points of a cloud are in no order.
    pub fn thinned(&self, n: usize) -> Self {
        let n = n.min(self.n_points);
        let clouds = self.points.chunks_exact((self.n_points * 3).max(1));
        Self { points: clouds.flat_map(|cloud| &cloud[..n * 3]).copied().collect(), n_points: n, ..self.clone() }
    }

    /// At most `n` clouds, spread evenly over the set.
    pub fn spread(&self, n: usize) -> Self {
        let all: Vec<usize> = (0..self.len()).collect();
        self.picked(&evenly(&all, n))
    }

    /// At most `n` clouds, as many of one class as of another as far as there are, spread evenly over each class.
    pub fn balanced(&self, n: usize) -> Self {
        let each = n / self.classes.len().max(1);
        let of = |class| (0..self.len()).filter(|at| usize::from(self.labels[*at]) == class).collect::<Vec<_>>();
        let picked: Vec<usize> = (0..self.classes.len()).flat_map(|class| evenly(&of(class), each)).collect();
        self.picked(&picked)
    }

    fn picked(&self, which: &[usize]) -> Self {
        Self {
            points: which.iter().flat_map(|at| self.cloud(*at).unwrap_or_default()).copied().collect(),
            labels: which.iter().map(|at| self.labels[*at]).collect(),
            n_points: self.n_points,
            classes: self.classes.clone(),
        }
    }

    /// The set without, and the set of, every `n`-th cloud of each class.
    pub fn split(&self, n: usize) -> (Self, Self) {
        let mut seen = vec![0usize; self.classes.len()];
        let empty = Self { points: Vec::new(), labels: Vec::new(), classes: self.classes.clone(), ..*self };
        let (mut rest, mut aside) = (empty.clone(), empty);
        for (cloud, label) in self.points.chunks_exact((self.n_points * 3).max(1)).zip(&self.labels) {
            let count = &mut seen[usize::from(*label)];
            *count += 1;
            let to = if count.is_multiple_of(n.max(1)) { &mut aside } else { &mut rest };
            to.points.extend_from_slice(cloud);
            to.labels.push(*label);
        }
        (rest, aside)
    }
}

/// At most `n` of these, evenly spread.
fn evenly(all: &[usize], n: usize) -> Vec<usize> {
    let n = n.min(all.len());
    (0..n).map(|i| all[i * all.len() / n]).collect()
}

/// Full scale of the stored coordinates.
pub(crate) const SCALE: f32 = 32767.0;

/// Decodes the set from the bytes of the NPZ.
///
/// # Errors
/// A damaged zip, an array that is missing or has another shape, a label without a class.
pub fn decode(bytes: &[u8]) -> Result<Dataset, DataError> {
    let zip = Zip::open(bytes)?;
    let [points, labels, classes] = ["points", "labels", "classes"].map(|name| array(&zip, name));
    let (points, labels, classes) = (points?, labels?, classes?);
    let points = Npy::parse(&points)?;
    let labels: Vec<u8> = Npy::parse(&labels)?.numbers()?.map(|label| label as u8).collect();
    let classes = Npy::parse(&classes)?.strings()?;
    let n_points = match points.shape[..] {
        [n, n_points, 3] if n == labels.len() => n_points,
        _ => return Err(bad(format!("points of shape {:?}", points.shape), format!("[{}, n, 3]", labels.len()))),
    };
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes.len()) {
        return Err(bad(format!("the label {label}"), format!("labels below {}", classes.len())));
    }
    let points = points.numbers()?.map(|value| value as f32 / SCALE).collect();
    Ok(Dataset { points, labels, n_points, classes })
}

/// The bytes of the NPZ, not compressed: what [`decode`] reads, for sets of one's own.
pub fn encode(set: &Dataset) -> Vec<u8> {
    let points = set.points.iter().flat_map(|value| ((value * SCALE).round() as i16).to_le_bytes()).collect::<Vec<_>>();
    let longest = set.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(1);
    let padded = |name: &String| name.chars().chain(std::iter::repeat('\0')).take(longest).collect::<Vec<_>>();
    let characters = set.classes.iter().flat_map(padded).flat_map(|character| u32::from(character).to_le_bytes());
    let (text, names) = (format!("<U{longest}"), characters.collect::<Vec<_>>());
    zip_bytes(&[
        ("points.npy", npy_bytes("<i2", &[set.len(), set.n_points, 3], &points)),
        ("labels.npy", npy_bytes("|u1", &[set.len()], &set.labels)),
        ("classes.npy", npy_bytes(&text, &[set.classes.len()], &names)),
    ])
}

fn bad(found: String, expected: String) -> DataError {
    DataError::Malformed { format: Format::Npz, place: Place::Header, found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_each_class_is_set_aside() {
        let labels: Vec<u8> = (0..40).map(|i| (i % 2) as u8).collect();
        let points = (0..40 * 6).map(|i| (i / 6) as f32).collect();
        let all = Dataset { points, labels, n_points: 2, classes: vec!["a".into(), "b".into()] };
        let (rest, aside) = all.split(10);
        assert_eq!((rest.len(), aside.len()), (36, 4));
        assert_eq!(aside.labels, [0, 1, 0, 1]);
        assert_eq!(aside.points.iter().step_by(6).copied().collect::<Vec<_>>(), [18.0, 19.0, 38.0, 39.0]);
    }

    #[test]
    fn a_set_that_is_written_is_read_back() {
        let points = [0.0, 1.0, -1.0, 0.25, 0.5, 0.75].map(|value| (value * SCALE).round() / SCALE).to_vec();
        let set = Dataset { points, labels: vec![1, 0], n_points: 1, classes: vec!["tâble".into(), "bed".into()] };
        assert_eq!(decode(&encode(&set)), Ok(set));
    }

    #[test]
    fn a_small_class_gives_all_that_it_has() {
        let points = (0..12 * 3).map(|i| (i / 3) as f32).collect();
        let labels = [vec![0; 10], vec![1; 2]].concat();
        let all = Dataset { points, labels, n_points: 1, classes: vec!["a".into(), "b".into()] };
        let firsts = |set: Dataset| set.points.iter().step_by(3).copied().collect::<Vec<_>>();
        assert_eq!(firsts(all.balanced(10)), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 11.0]);
        assert_eq!(firsts(all.spread(3)), [0.0, 4.0, 8.0]);
        assert!(all.balanced(1).is_empty());
    }
}
