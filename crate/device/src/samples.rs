//! Inputs: generated furniture and opened files, as clouds of the size that the network reads.

use cleave_contract::{Cloud, Place};
use cleave_data::{Format, Sample, furniture, sample};
use std::rc::Rc;

/// Points of a preview.
const PREVIEW_POINTS: usize = 256;

/// One shape of every class, small.
pub fn gallery(seed: u64) -> Result<Vec<Cloud>, String> {
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
        bytes: Rc<[u8]>,
        /// Which of its clouds.
        index: usize,
    },
}

impl Source {
    /// The input as a cloud of so many points.
    pub fn cloud(&self, n_points: usize) -> Result<Cloud, String> {
        match self {
            Self::Furniture { class, seed } => generate(*class, n_points, *seed),
            Self::File { name, bytes, index } => open(name, bytes, *index, n_points),
        }
    }

    /// What is said when there is no cloud: what failed, and the remedy.
    pub fn complaint(&self) -> (String, String) {
        match self {
            Self::Furniture { .. } => ("The shape could not be made".into(), "Choose another class.".into()),
            Self::File { name, .. } => (
                format!("{name} could not be read"),
                format!("Open a file with a point cloud or mesh: {}.", Format::list()),
            ),
        }
    }
}

fn generate(class: usize, n_points: usize, seed: u64) -> Result<Cloud, String> {
    let points = furniture::generate(class, n_points, seed).map_err(|why| why.to_string())?;
    let name = furniture::CLASSES[class];
    Ok(Cloud { name: format!("{name} {seed}"), class: Some(name.into()), points, place: None })
}

fn open(name: &str, bytes: &[u8], index: usize, n_points: usize) -> Result<Cloud, String> {
    let Sample { geometry, of, class } = cleave_data::read(name, bytes, index).map_err(|why| why.to_string())?;
    let points = sample::to_cloud(&geometry, n_points, 0).map_err(|why| why.to_string())?;
    Ok(Cloud { name: name.into(), class, points, place: Some(Place { index, of }) })
}
