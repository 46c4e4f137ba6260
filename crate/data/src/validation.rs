//! Clouds that judge architectures while a search runs, in a form that travels from an edge to a page.
//!
//! Both parts come from the training set: statistics are measured on a few clouds that networks are trained on, accuracies
//! on clouds that were kept aside ([`ASIDE`]) and that no shared weights have seen. The test set stays unseen by searches.
//!
//! One body, little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `CLVJ` |
//! | 1 | version, 1 |
//! | 1 | number of classes |
//! | 2 | points of a cloud |
//! | 2 | clouds for statistics |
//! | 2 | clouds that judge |
//! | 1 + length, each class | its name: length, UTF-8 |
//! | 1, each cloud | its class; first those for statistics |
//! | 6 × points, each cloud | x, y, z as i16 in units of 1 / 32767; first those for statistics |

use crate::ASIDE;
use crate::modelnet::{Dataset, SCALE};
use thiserror::Error;

/// Most clouds that judge, as many of each class as far as there are: 20 of each of ten. ModelNet10's test part has its classes
/// nearly even, its training part does not; shared weights are right on fewer of such clouds than of those drawn evenly from
/// the training part, as `cleave search` does.
pub const JUDGES: usize = 200;
/// Most clouds that statistics are measured on: two of each of ten classes.
pub const CALIBRATION: usize = 20;
/// Most points of a cloud: with these a body has at most 1.4 MB.
pub const MOST_POINTS: usize = 1024;

const MAGIC: [u8; 4] = *b"CLVJ";
const VERSION: u8 = 1;
/// Bytes in front of the names.
const HEADER_BYTES: usize = 12;

/// Bytes that are no validation set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a validation set: {found} was found where {expected} was expected")]
pub struct ValidationError {
    /// What is there.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

/// What an architecture is judged with.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Clouds that statistics are measured on.
    pub calibration: Dataset,
    /// Clouds that accuracies are measured on.
    pub judges: Dataset,
}

impl Validation {
    /// Takes both parts from a training set.
    pub fn of(training: &Dataset) -> Self {
        let (rest, aside) = training.thinned(MOST_POINTS).split(ASIDE);
        Self { calibration: rest.balanced(CALIBRATION), judges: aside.balanced(JUDGES) }
    }

    /// The body. Classes beyond 255, and names beyond 255 bytes, are cut: ModelNet40 has 40.
    pub fn encode(&self) -> Vec<u8> {
        let parts = [&self.calibration, &self.judges];
        let classes: Vec<&[u8]> = self.judges.classes.iter().take(255).map(|name| cut(name)).collect();
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, classes.len() as u8]);
        for count in [self.judges.n_points, self.calibration.len(), self.judges.len()] {
            bytes.extend((count as u16).to_le_bytes());
        }
        for name in classes {
            bytes.push(name.len() as u8);
            bytes.extend(name);
        }
        bytes.extend(parts.iter().flat_map(|part| &part.labels));
        let coordinate = |value: &f32| ((value * SCALE).round() as i16).to_le_bytes();
        bytes.extend(parts.iter().flat_map(|part| &part.points).flat_map(coordinate));
        bytes
    }

    /// Reads a body; no count in it is believed before its bytes are there.
    ///
    /// # Errors
    /// [`ValidationError`] for anything but what [`Validation::encode`] writes, and for a part without clouds.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValidationError> {
        let (header, mut rest) = take(bytes, HEADER_BYTES)?;
        if header[..4] != MAGIC || header[4] != VERSION {
            return Err(bad(format!("{:02x?}", &header[..5]), "`CLVJ` and version 1"));
        }
        let count = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let (n_points, n_calibration, n_judges) = (count(6), count(8), count(10));
        if n_points == 0 || n_calibration == 0 || n_judges == 0 {
            let found = format!("{n_calibration} and {n_judges} clouds of {n_points} points");
            return Err(bad(found, "at least one of each"));
        }
        let mut classes = Vec::new();
        for _ in 0..header[5] {
            let (length, after) = take(rest, 1)?;
            let (name, after) = take(after, length[0].into())?;
            let name = str::from_utf8(name).map_err(|_| bad("other bytes".into(), "a name in UTF-8"))?;
            classes.push(name.to_owned());
            rest = after;
        }
        let (labels, rest) = take(rest, n_calibration + n_judges)?;
        if let Some(label) = labels.iter().find(|label| usize::from(**label) >= classes.len()) {
            return Err(bad(format!("the class {label}"), &format!("a class below {}", classes.len())));
        }
        let (points, rest) = take(rest, labels.len().saturating_mul(6 * n_points))?;
        if !rest.is_empty() {
            return Err(bad(format!("{} bytes", rest.len()), "the end"));
        }
        let points: Vec<f32> =
            points.chunks_exact(2).map(|raw| f32::from(i16::from_le_bytes([raw[0], raw[1]])) / SCALE).collect();
        let (few, many) = (labels.split_at(n_calibration), points.split_at(3 * n_points * n_calibration));
        let part = |labels: &[u8], points: &[f32]| Dataset {
            points: points.to_vec(),
            labels: labels.to_vec(),
            n_points,
            classes: classes.clone(),
        };
        Ok(Self { calibration: part(few.0, many.0), judges: part(few.1, many.1) })
    }
}

/// The first bytes of a name that fit its length.
fn cut(name: &str) -> &[u8] {
    let end = (0..=name.len().min(255)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    &name.as_bytes()[..end]
}

fn take(bytes: &[u8], n: usize) -> Result<(&[u8], &[u8]), ValidationError> {
    bytes.split_at_checked(n).ok_or_else(|| bad(format!("the end after {} bytes", bytes.len()), &format!("{n} bytes")))
}

fn bad(found: String, expected: &str) -> ValidationError {
    ValidationError { found, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;

    /// Clouds of four points that tell by their first coordinate which they are.
    fn training() -> Dataset {
        let labels: Vec<u8> = (0..400).map(|i| u8::from(i % 4 == 0)).collect();
        let points = (0..400 * 12).map(|i| (i / 12) as f32 / SCALE).collect();
        Dataset { points, labels, n_points: 4, classes: vec!["chair".into(), "tâble".into()] }
    }

    #[test]
    fn judges_were_kept_aside_and_statistics_are_of_the_rest() {
        let validation = Validation::of(&training());
        // A tenth of 100 and of 300.
        assert_eq!((validation.judges.len(), validation.calibration.len()), (40, 20));
        let firsts =
            |set: &Dataset| -> Vec<u32> { set.points.iter().step_by(12).map(|x| (x * SCALE).round() as u32).collect() };
        let (_, aside) = training().split(ASIDE);
        let aside = firsts(&aside);
        assert!(firsts(&validation.judges).iter().all(|cloud| aside.contains(cloud)));
        assert!(firsts(&validation.calibration).iter().all(|cloud| !aside.contains(cloud)));
        assert_eq!(validation.calibration.labels.iter().filter(|label| **label == 0).count(), 10);
    }

    #[test]
    fn a_body_comes_back_and_every_other_length_is_refused() {
        let validation = Validation::of(&training());
        let bytes = validation.encode();
        assert_eq!(bytes.len(), 12 + 6 + 7 + 60 + 60 * 24);
        assert_eq!(Validation::decode(&bytes), Ok(validation));
        assert!((0..bytes.len()).all(|end| Validation::decode(&bytes[..end]).is_err()));
        let why = Validation::decode(&[bytes, vec![0]].concat()).unwrap_err();
        assert_eq!(why.to_string(), "not a validation set: 1 bytes was found where the end was expected");
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_panics() {
        let bytes = Validation::of(&training()).encode();
        let says = |at: usize, byte: u8| {
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            Validation::decode(&damaged).unwrap_err().to_string()
        };
        assert!(says(4, 2).contains("version 1"));
        assert!(says(6, 0).contains("clouds of 0 points"));
        assert!(says(12 + 6 + 7, 2).contains("the class 2"));
        let mut rng = SplitMix64::new(3);
        for _ in 0..2_000 {
            let mut damaged = bytes.clone();
            (0..1 + rng.scaled_below(4)).for_each(|_| damaged[rng.scaled_below(40)] = rng.next_u64() as u8);
            if let Ok(read) = Validation::decode(&damaged) {
                assert_eq!(read.judges.points.len(), read.judges.len() * read.judges.n_points * 3);
            }
        }
    }
}
