//! Text for a link: bytes compressed and written in letters, digits, `-` and `_`, so that a whole search with the figures
//! of its machines fits behind the `#` of an address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use thiserror::Error;

/// Most bytes that a text may hold.
pub const MOST_BYTES: usize = 1 << 20;
/// Slowest and smallest but one: a text is made once and read by people's mail programs.
const LEVEL: u8 = 9;

/// Why a text holds nothing.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ShareError {
    /// Not in the alphabet, or cut off.
    #[error("the link is damaged, perhaps cut off while it was copied; copy all of it")]
    Damaged,
    /// More than fits.
    #[error("the link holds more than {MOST_BYTES} bytes; a search has about 50,000")]
    TooLong,
}

/// Bytes to text.
pub fn to_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(compress_to_vec(bytes, LEVEL))
}

/// Text to bytes.
///
/// # Errors
/// [`ShareError`] if it was not made by [`to_text`], or holds too much.
pub fn from_text(text: &str) -> Result<Vec<u8>, ShareError> {
    let packed = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| ShareError::Damaged)?;
    decompress_to_vec_with_limit(&packed, MOST_BYTES).map_err(|why| match why.status {
        miniz_oxide::inflate::TINFLStatus::HasMoreOutput => ShareError::TooLong,
        _ => ShareError::Damaged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_needs_no_escaping() {
        let bytes: Vec<u8> = (0..5_000u32).flat_map(|i| (i % 97).to_le_bytes()).collect();
        let text = to_text(&bytes);
        assert!(text.len() < bytes.len() / 4 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)));
        assert_eq!(from_text(&format!(" {text}\n")), Ok(bytes));
    }

    #[test]
    fn what_is_cut_off_or_foreign_or_too_long_is_refused() {
        let text = to_text(b"a search and all of its machines, a search and all of its machines");
        assert_eq!(from_text(&text[..text.len() - 5]), Err(ShareError::Damaged));
        assert_eq!(from_text("no base64!"), Err(ShareError::Damaged));
        assert_eq!(from_text(&to_text(&vec![0; MOST_BYTES + 1])), Err(ShareError::TooLong));
    }
}
