//! Tensors ↔ bytes.
//!
//! | field | bytes |
//! |---|---|
//! | number of tensors | u16 |
//! | of each: element | u8: 0 f32, 1 f16, 2 i8 with scales, 3 u16 |
//! | packing | u8: 0 none, 1 LZ4 block, 2 LZ4 block over byte planes |
//! | rank | u8 |
//! | dimensions | u32 × rank |
//! | stored bytes | u32 |
//! | payload | row-major; i8: all scales (f32) first, of columns, of maps, or of 16 values of a single row |
//!
//! Neighbour indexes stay u16 under every codec, and a tensor of rank 1 (an answer's logits) stays f32: it is small,
//! and every digit of it counts. The unpacked size follows from element and shape alone, so a
//! compressed payload cannot claim one. Where LZ4 does not make a tensor smaller it is stored as it is.

mod element;
mod planes;

use cleave_arch::array::{Array, Data};
use cleave_arch::{Codec, Compression, LinkCodec};

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;
use element::Element;
use planes::Packing;

/// The tensors of one message in their wire form. Nothing is known of the bytes until [`Packed::unpack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// Writes `arrays` with `codec`.
    ///
    /// # Errors
    /// [`WireError::Unrepresentable`] where f16 or i8 meet a value that is not finite or too large for f16;
    /// [`WireError::Value`] for a dimension of 0.
    pub fn pack(arrays: &[Array], codec: LinkCodec) -> Result<Packed, WireError> {
        let count = u16::try_from(arrays.len()).map_err(|_| WireError::Limit {
            field: "tensors",
            value: arrays.len() as u64,
            limit: u16::MAX.into(),
            unit: "tensors",
        })?;
        let mut writer = Writer::with_capacity(64);
        writer.u16(count);
        for (tensor, array) in arrays.iter().enumerate() {
            write_array(array, codec, tensor, &mut writer)?;
        }
        Ok(Packed(writer.finish()))
    }

    /// Reads the tensors. Nothing larger than `limits` allows is reserved, whatever the bytes claim.
    ///
    /// # Errors
    /// Any [`WireError`] of lengths, limits, tags and compression.
    pub fn unpack(&self, limits: &Limits) -> Result<Vec<Array>, WireError> {
        let mut reader = Reader::new(&self.0);
        let count = reader.u16("number of tensors")?;
        check_limit("number of tensors", count.into(), limits.max_tensors.into(), "tensors")?;
        let mut room = limits.max_tensor_bytes;
        let arrays = (0..usize::from(count))
            .map(|tensor| read_array(&mut reader, tensor, limits, &mut room))
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(arrays)
    }

    /// Takes bytes from a message as they are.
    pub fn from_bytes(bytes: Vec<u8>) -> Packed {
        Packed(bytes)
    }

    /// The wire form.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of the wire form.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for no bytes at all, which is not even an empty list of tensors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn write_array(array: &Array, codec: LinkCodec, tensor: usize, writer: &mut Writer) -> Result<(), WireError> {
    let element = element_of(array, codec.codec);
    if array.shape.contains(&0) {
        return Err(WireError::Value { field: "dimension", found: 0, right: "at least 1" });
    }
    let raw = element.write(array, tensor)?;
    let (packing, stored) = match codec.compression {
        Compression::None => (Packing::Raw, raw),
        Compression::Lz4 => planes::compress(raw, element.plane_bytes()),
    };
    writer.u8(element.tag()).u8(packing.tag()).u8(array.shape.len() as u8);
    for dim in &array.shape {
        writer.u32(*dim as u32);
    }
    writer.u32(stored.len() as u32).raw(&stored);
    Ok(())
}

fn element_of(array: &Array, codec: Codec) -> Element {
    match (&array.data, codec) {
        (Data::U16(_), _) => Element::U16,
        (Data::F32(_), Codec::F16) if array.shape.len() > 1 => Element::F16,
        (Data::F32(_), Codec::I8) if array.shape.len() > 1 => Element::I8,
        (Data::F32(_), _) => Element::F32,
    }
}

fn read_array(reader: &mut Reader<'_>, tensor: usize, limits: &Limits, room: &mut u64) -> Result<Array, WireError> {
    let element = Element::from_tag(reader.u8("element")?)?;
    let packing = Packing::from_tag(reader.u8("packing")?)?;
    let shape = read_shape(reader, limits)?;
    let values = shape.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim as u64)).unwrap_or(u64::MAX);
    let needed = element.bytes(values, Codec::scales(&shape).0 as u64);
    let in_memory = needed.max(values.saturating_mul(element.memory_bytes()));
    check_limit("unpacked tensors", in_memory, *room, "bytes")?;
    *room -= in_memory;
    let stored = reader.u32("stored bytes")? as usize;
    let payload = reader.raw("payload", stored)?;
    let needed = needed as usize;
    match packing {
        Packing::Raw if stored != needed => Err(WireError::Stored { tensor, shape, stored, needed }),
        Packing::Raw => element.read(payload, shape),
        Packing::Lz4 => element.read(&planes::decompress(payload, needed, tensor)?, shape),
        Packing::Lz4Planes => {
            let sorted = planes::decompress(payload, needed, tensor)?;
            element.read(&planes::join(&sorted, element.plane_bytes()), shape)
        }
    }
}

fn read_shape(reader: &mut Reader<'_>, limits: &Limits) -> Result<Vec<usize>, WireError> {
    let rank = reader.u8("rank")?;
    check_limit("rank", rank.into(), limits.max_rank.into(), "dimensions")?;
    let mut shape = Vec::with_capacity(rank.into());
    for _ in 0..rank {
        match reader.u32("dimension")? {
            0 => return Err(WireError::Value { field: "dimension", found: 0, right: "at least 1" }),
            dim => shape.push(dim as usize),
        }
    }
    Ok(shape)
}
