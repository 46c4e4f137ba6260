//! A set of labelled clouds in one NPZ: `points` int16 `[n, n_points, 3]` in units of 1 / 32767, `labels` u8 `[n]`,
//! `classes` text. The form in which training and evaluation get ModelNet10; the data itself is never ours to ship.

use crate::format::{Npy, Zip, array};
use crate::{DataError, Format, Place};

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
        let n = n.min(self.len());
        let at = |i: usize| i * self.len() / n.max(1);
        Self {
            points: (0..n).flat_map(|i| self.cloud(at(i)).unwrap_or_default()).copied().collect(),
            labels: (0..n).map(|i| self.labels[at(i)]).collect(),
            ..self.clone()
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

/// Full scale of the stored coordinates.
const SCALE: f32 = 32767.0;

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
}
