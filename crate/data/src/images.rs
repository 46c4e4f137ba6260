//! Labelled images: Fashion-MNIST (Xiao, Rasul and Vollgraf 2017) from its IDX files, packed with gzip or not.

use crate::format::idx::{self, Images};
use crate::{DataError, Format, Place};

/// Fashion-MNIST's classes in the order of its labels.
pub const FASHION: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Images with a label each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    images: Images,
    labels: Vec<u8>,
}

impl ImageSet {
    /// From a file of images and one of labels.
    ///
    /// # Errors
    /// [`DataError`]: another kind of file, one cut short, another number of labels than of images, no image at all, or
    /// a label that is not among `classes`.
    pub fn decode(images: &[u8], labels: &[u8], classes: usize) -> Result<Self, DataError> {
        let (images, labels) = (idx::images(images)?, idx::labels(labels)?);
        let wrong = |found: String, expected: String| {
            Err(DataError::Malformed { format: Format::Idx, place: Place::Data, found, expected })
        };
        let values = images.n_rows * images.n_columns;
        let n = images.pixels.len() / values.max(1);
        if n == 0 || n != labels.len() {
            return wrong(format!("{n} images and {} labels", labels.len()), "a label for each image".into());
        }
        if let Some(label) = labels.iter().find(|label| usize::from(**label) >= classes) {
            return wrong(format!("the label {label}"), format!("labels from 0 to {}", classes - 1));
        }
        Ok(Self { images, labels })
    }

    /// How many there are; at least one.
    pub fn n(&self) -> usize {
        self.labels.len()
    }

    /// Height and width, pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.images.n_rows, self.images.n_columns]
    }

    /// Class of an image.
    pub fn label(&self, at: usize) -> usize {
        usize::from(self.labels[at])
    }

    /// Its pixels, row-major, 0 to 1.
    pub fn pixels(&self, at: usize) -> impl Iterator<Item = f32> {
        let values = self.images.n_rows * self.images.n_columns;
        self.images.pixels[at * values..][..values].iter().map(|pixel| f32::from(*pixel) / 255.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lengths: &[u32], content: &[u8]) -> Vec<u8> {
        let lengths: Vec<u8> = lengths.iter().flat_map(|length| length.to_be_bytes()).collect();
        [&[0, 0, 8, (lengths.len() / 4) as u8], &lengths[..], content].concat()
    }

    #[test]
    fn images_and_labels_belong_together() {
        let images = file(&[2, 1, 2], &[0, 255, 51, 102]);
        let set = ImageSet::decode(&images, &file(&[2], &[3, 9]), 10).unwrap();
        assert_eq!((set.n(), set.size(), set.label(1)), (2, [1, 2], 9));
        assert_eq!(set.pixels(1).collect::<Vec<_>>(), [0.2, 0.4]);
        let why = |labels: &[u8]| {
            ImageSet::decode(&images, &file(&[labels.len() as u32], labels), 10).unwrap_err().to_string()
        };
        assert!(why(&[1]).contains("2 images and 1 labels"), "{}", why(&[1]));
        assert!(why(&[1, 10]).contains("the label 10, expected labels from 0 to 9"), "{}", why(&[1, 10]));
    }
}
