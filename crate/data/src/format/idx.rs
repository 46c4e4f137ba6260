//! IDX, the format of MNIST and Fashion-MNIST: images and labels as unsigned bytes, big-endian lengths;
//! packed with gzip or not.
//!
//! Format: LeCun, Cortes and Burges, "The MNIST database", section "File formats".

use super::{Format, gzip};
use crate::{DataError, Place};

/// Grey images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Height in pixels.
    pub n_rows: usize,
    /// Width in pixels.
    pub n_columns: usize,
    /// Flat `[n, n_rows, n_columns]`, 0 to 255.
    pub pixels: Vec<u8>,
}

/// Reads a file of images, `[n, rows, columns]`.
///
/// # Errors
/// [`DataError::Malformed`] for another type or number of dimensions, [`DataError::Short`] for a file cut short.
pub fn images(bytes: &[u8]) -> Result<Images, DataError> {
    let bytes = gzip::unpacked(bytes, Format::Idx)?;
    let ([_, n_rows, n_columns], pixels) = split::<3>(&bytes, "pixels")?;
    Ok(Images { n_rows, n_columns, pixels: pixels.to_vec() })
}

/// Reads a file of labels, `[n]`.
///
/// # Errors
/// As for [`images`].
pub fn labels(bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let bytes = gzip::unpacked(bytes, Format::Idx)?;
    split::<1>(&bytes, "labels").map(|(_, labels)| labels.to_vec())
}

fn split<'b, const DIMENSIONS: usize>(
    bytes: &'b [u8],
    what: &str,
) -> Result<([usize; DIMENSIONS], &'b [u8]), DataError> {
    let magic = [0, 0, 8, DIMENSIONS as u8];
    let header = bytes.strip_prefix(&magic).and_then(|rest| rest.split_at_checked(DIMENSIONS * 4));
    let (lengths, data) = header.ok_or_else(|| DataError::Malformed {
        format: Format::Idx,
        place: Place::Header,
        found: format!("\"{}\"", bytes[..bytes.len().min(4)].escape_ascii()),
        expected: format!("\"{}\" and {DIMENSIONS} lengths: {what} as unsigned bytes", magic.escape_ascii()),
    })?;
    let raw = lengths.as_chunks::<4>().0;
    let lengths = std::array::from_fn(|i| u32::from_be_bytes(raw[i]) as usize);
    let count = lengths.iter().try_fold(1u64, |product, &length| product.checked_mul(length as u64));
    let count = count.unwrap_or(u64::MAX);
    let content = usize::try_from(count).ok().and_then(|count| data.get(..count));
    let has = data.len() as u64;
    let content =
        content.ok_or(DataError::Short { format: Format::Idx, what: what.into(), count, needs: count, has })?;
    Ok((lengths, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_images_and_their_labels() {
        let file = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3][..], &[1, 2, 3, 4, 5, 6]].concat();
        let images = images(&file).unwrap();
        assert_eq!((images.n_rows, images.n_columns, images.pixels), (1, 3, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(labels(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9]).unwrap(), [7, 9]);
    }

    #[test]
    fn wrong_kind_and_lying_length_are_named() {
        let wrong = labels(&[0, 0, 8, 3, 0, 0, 0, 2]).unwrap_err().to_string();
        assert!(wrong.contains(r#"found "\x00\x00\x08\x03", expected "\x00\x00\x08\x01""#), "{wrong}");
        let lying = labels(&[0, 0, 8, 1, 0xFF, 0xFF, 0xFF, 0xFF, 7]).unwrap_err().to_string();
        assert!(lying.contains("announces 4294967295 labels") && lying.contains("1 bytes follow"), "{lying}");
    }
}
