//! Labelled images: Fashion-MNIST (Xiao, Rasul and Vollgraf 2017) from its IDX files, packed with gzip or not.

use crate::format::idx::{self, Images};
use crate::{DataError, Format, Place};

/// Fashion-MNIST's classes in the order of its labels.
pub const FASHION: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Mean and deviation of ImageNet's red, green and blue, by which torchvision's networks expect their input.
const IMAGENET: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

/// What a network of one channel or of three reads of an image: `rgba` holds red, green, blue and opacity of each pixel,
/// row by row, as on white paper. One channel is brightness, 0 to 1 (ITU-R BT.601), as Fashion-MNIST's; three are ImageNet's,
/// normalised. The result is channel by channel, row by row.
///
/// # Errors
/// [`DataError::Pixels`]: another number of bytes; [`DataError::Channels`]: neither one channel nor three.
pub fn from_rgba(rgba: &[u8], channels: usize, [height, width]: [usize; 2]) -> Result<Vec<f32>, DataError> {
    if rgba.len() != 4 * height * width {
        return Err(DataError::Pixels { found: rgba.len(), height, width });
    }
    let part = |pixel: &[u8], channel: usize| {
        let [colour, opacity] = [pixel[channel], pixel[3]].map(|byte| f32::from(byte) / 255.0);
        colour * opacity + 1.0 - opacity
    };
    let pixels = || rgba.chunks_exact(4);
    match channels {
        1 => {
            let brightness = |p: &[u8]| 0.299 * part(p, 0) + 0.587 * part(p, 1) + 0.114 * part(p, 2);
            Ok(pixels().map(brightness).collect())
        }
        3 => {
            let plane = |(channel, (mean, deviation)): (usize, (f32, f32))| {
                pixels().map(move |pixel| (part(pixel, channel) - mean) / deviation)
            };
            Ok(IMAGENET.into_iter().enumerate().flat_map(plane).collect())
        }
        found => Err(DataError::Channels { found }),
    }
}

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
    fn pixels_become_what_networks_read() {
        let rgba = [255, 255, 255, 255, 255, 0, 0, 255, 0, 0, 0, 0, 51, 51, 51, 255];
        let grey = from_rgba(&rgba, 1, [2, 2]).unwrap();
        let wanted = [1.0, 0.299, 1.0, 0.2];
        assert!(grey.iter().zip(wanted).all(|(found, wanted): (&f32, f32)| (found - wanted).abs() < 1e-6), "{grey:?}");
        let colour = from_rgba(&rgba, 3, [1, 4]).unwrap();
        assert_eq!(colour.len(), 12);
        assert!((colour[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6 && (colour[4 + 1] + 0.456 / 0.224).abs() < 1e-6);
        let why = |rgba: &[u8], channels| from_rgba(rgba, channels, [2, 2]).unwrap_err().to_string();
        assert!(why(&rgba[..12], 1).contains("12 bytes") && why(&rgba[..12], 1).contains("2 × 2"));
        assert!(why(&rgba, 2).contains("2 channels"));
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
