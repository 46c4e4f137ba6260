//! The edge's validation set on its way here, piece by piece: the next is asked for when one has come, so that frames and
//! pings wait for no more than one.

use cleave_wire::{Limits, ToEdge, ValidationSet};

use crate::error::DownloadError;

/// How the edge's validation set comes: parts, then all of it or the reason why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    /// So much is here.
    Part {
        /// Bytes.
        bytes: u64,
        /// Bytes of all of it.
        total: u64,
    },
    /// The whole body.
    Whole(ValidationSet, Vec<u8>),
    /// It does not come.
    Failed(DownloadError),
}

#[derive(Debug)]
pub(super) struct Download {
    set: ValidationSet,
    body: Vec<u8>,
}

impl Download {
    /// Begins to fetch what an edge has.
    pub(super) fn new(set: Option<&ValidationSet>) -> Result<Self, DownloadError> {
        let set = set.ok_or(DownloadError::NoClouds)?.clone();
        match set.bytes {
            bytes if bytes > Limits::MAX_VALIDATION_BYTES => Err(DownloadError::TooLarge { bytes }),
            _ => Ok(Self { set, body: Vec::new() }),
        }
    }

    /// The message that asks for the next piece.
    pub(super) fn ask(&self) -> ToEdge {
        ToEdge::Validation { offset: self.body.len() as u32 }
    }

    /// Takes a piece.
    pub(super) fn take(&mut self, offset: u32, piece: &[u8]) -> Fetched {
        let (bytes, total) = (self.body.len() + piece.len(), self.set.bytes as usize);
        if offset as usize != self.body.len() || piece.is_empty() || bytes > total {
            let (here, found) = (self.body.len(), piece.len());
            return Fetched::Failed(DownloadError::Unasked { found, offset, here, total });
        }
        self.body.extend_from_slice(piece);
        match bytes == total {
            true => Fetched::Whole(self.set.clone(), std::mem::take(&mut self.body)),
            false => Fetched::Part { bytes: bytes as u64, total: total as u64 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bytes: u32) -> ValidationSet {
        ValidationSet { name: "test".into(), clouds: 1, bytes, digest: 0 }
    }

    #[test]
    fn pieces_come_in_order_and_end_with_all_of_it() {
        let mut download = Download::new(Some(&set(5))).unwrap();
        assert_eq!(download.ask(), ToEdge::Validation { offset: 0 });
        assert_eq!(download.take(0, &[1, 2, 3]), Fetched::Part { bytes: 3, total: 5 });
        assert_eq!(download.ask(), ToEdge::Validation { offset: 3 });
        assert_eq!(download.take(3, &[4, 5]), Fetched::Whole(set(5), vec![1, 2, 3, 4, 5]));
    }

    #[test]
    fn what_was_not_asked_for_ends_it_with_words() {
        assert!(Download::new(None).unwrap_err().to_string().contains("no clouds"));
        assert!(Download::new(Some(&set(u32::MAX))).unwrap_err().to_string().contains("at most 16777216"));
        for (offset, piece) in [(1, &[1][..]), (0, &[]), (0, &[0; 6])] {
            let taken = Download::new(Some(&set(5))).unwrap().take(offset, piece);
            assert!(
                matches!(&taken, Fetched::Failed(why) if why.to_string().contains("byte 0 of 5 was asked for")),
                "{taken:?}"
            );
        }
    }
}
