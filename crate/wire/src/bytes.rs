//! Little-endian reading and writing. The reader never reserves memory for a length that it has not seen bytes for.

use crate::error::WireError;
use crate::header::{HEADER_BYTES, KIND_AT};
use crate::limits::Limits;

/// Appends fields, one after the other in a chain.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }
    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    /// f32 values, all at once: one by one they would take longer than the copy.
    pub(crate) fn floats(&mut self, values: &[f32]) -> &mut Self {
        let start = self.0.len();
        self.0.resize(start + 4 * values.len(), 0);
        let (places, _) = self.0[start..].as_chunks_mut::<4>();
        places.iter_mut().zip(values).for_each(|(place, value)| *place = value.to_le_bytes());
        self
    }
    /// A text with its length as u16; cut at a character where it exceeds [`Limits::MAX_TEXT_BYTES`].
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(Limits::MAX_TEXT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.u16(end as u16).raw(&text.as_bytes()[..end])
    }
    /// Every item in order, behind their number as u16.
    pub(crate) fn list<T>(&mut self, items: &[T], write: impl Fn(&T, &mut Self)) -> &mut Self {
        self.u16(items.len() as u16);
        items.iter().for_each(|item| write(item, self));
        self
    }
    /// Says which message this is: overwrites the header's kind.
    pub(crate) fn kind(&mut self, kind: u8) -> &mut Self {
        self.0[KIND_AT] = kind;
        self
    }
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
    /// Overwrites the header's length.
    pub(crate) fn length(&mut self, bytes: u32) {
        self.0[KIND_AT + 1..HEADER_BYTES].copy_from_slice(&bytes.to_le_bytes());
    }
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes fields off the front.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    last: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, last: "header" }
    }
    pub(crate) fn raw(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], WireError> {
        self.last = field;
        let short = WireError::Short { field, needed: len, present: self.rest.len() };
        let (front, rest) = self.rest.split_at_checked(len).ok_or(short)?;
        self.rest = rest;
        Ok(front)
    }
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.raw(field, N)?);
        Ok(out)
    }
    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        Ok(self.array::<1>(field)?[0])
    }
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }
    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }
    pub(crate) fn hash(&mut self, field: &'static str) -> Result<[u8; 32], WireError> {
        self.array(field)
    }
    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, WireError> {
        let len = usize::from(self.u16(field)?);
        check_limit(field, len as u64, Limits::MAX_TEXT_BYTES as u64, "bytes")?;
        let bytes = self.raw(field, len)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::Text { field })
    }
    /// Everything that is left.
    pub(crate) fn tail(&mut self, field: &'static str) -> &'a [u8] {
        self.last = field;
        std::mem::take(&mut self.rest)
    }
    /// Nothing may be left over.
    pub(crate) fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(WireError::Trailing { bytes, after: self.last }),
        }
    }
}

/// `value` must not exceed `limit`.
pub(crate) fn check_limit(field: &'static str, value: u64, limit: u64, unit: &'static str) -> Result<(), WireError> {
    if value > limit {
        return Err(WireError::Limit { field, value, limit, unit });
    }
    Ok(())
}
