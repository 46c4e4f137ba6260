//! Inputs: generated furniture and opened files, as clouds of the size that the network reads.

use cleave_contract::{Cloud, Place};
use cleave_data::{DataError, Sample, furniture, sample};
use std::sync::Arc;

/// Points of a preview.
const PREVIEW_POINTS: usize = 256;

/// One shape of every class, small.
///
/// # Errors
/// None for the classes that there are.
pub fn gallery(seed: u64) -> Result<Vec<Cloud>, DataError> {
    (0..furniture::CLASSES.len()).map(|class| generate(class, PREVIEW_POINTS, seed)).collect()
}

/// Where an input comes from; it is made anew when another network reads another number of points.
#[derive(Clone, Debug)]
pub enum Source {
    /// Generated furniture.
    Furniture {
        /// Position in [`furniture::CLASSES`].
        class: usize,
        /// Its seed.
        seed: u64,
    },
    /// A file that somebody opened.
    File {
        /// Its name.
        name: String,
        /// Its content.
        bytes: Arc<[u8]>,
        /// Which of its clouds.
        index: usize,
    },
}

impl Source {
    /// The input as a cloud of so many points.
    ///
    /// # Errors
    /// A class that does not exist; a file that cannot be read, with the place and what was expected.
    pub fn cloud(&self, n_points: usize) -> Result<Cloud, DataError> {
        match self {
            Self::Furniture { class, seed } => generate(*class, n_points, *seed),
            Self::File { name, bytes, index } => open(name, bytes, *index, n_points),
        }
    }
}

fn generate(class: usize, n_points: usize, seed: u64) -> Result<Cloud, DataError> {
    let points = furniture::generate(class, n_points, seed)?;
    let name = furniture::CLASSES[class];
    Ok(Cloud { name: format!("{name} {seed}"), class: Some(name.into()), points, place: None })
}

fn open(name: &str, bytes: &[u8], index: usize, n_points: usize) -> Result<Cloud, DataError> {
    let Sample { geometry, of, class } = cleave_data::read(name, bytes, index)?;
    let points = sample::to_cloud(&geometry, n_points, 0)?;
    Ok(Cloud { name: name.into(), class, points, place: Some(Place { index, of }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gallery_has_a_shape_of_every_class() {
        let gallery = gallery(1).expect("every class can be made");
        let names: Vec<&str> = gallery.iter().filter_map(|cloud| cloud.class.as_deref()).collect();
        assert_eq!(names, furniture::CLASSES);
        assert!(gallery.iter().all(|cloud| cloud.points.len() == 3 * PREVIEW_POINTS));
    }

    #[test]
    fn an_input_is_made_anew_for_another_number_of_points() {
        let file = Source::File { name: "two.xyz".into(), bytes: Arc::from(&b"0 0 0\n1 0 0\n0 1 0\n"[..]), index: 0 };
        for source in [Source::Furniture { class: 2, seed: 3 }, file] {
            for n in [3, 64] {
                assert_eq!(source.cloud(n).map(|cloud| cloud.points.len()), Ok(3 * n));
            }
        }
        assert!(Source::Furniture { class: 99, seed: 1 }.cloud(8).is_err());
    }
}
