//! How one value of a tensor is written.

use cleave_arch::Codec;
use cleave_arch::array::{Array, Data};
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::WireError;

/// Largest magnitude of an i8 value: symmetric, so −128 is not used.
const I8_LARGEST: f32 = 127.0;

/// The form of one value on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    /// IEEE half precision, rounded to nearest even: relative error ≤ 2⁻¹¹ for normal values.
    F16,
    /// round(v / scale) with scale = max|v| / 127 of the values that share it ([`Codec::scales`]): error ≤ scale / 2.
    I8,
    U16,
}

impl Element {
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::I8 => 2,
            Self::U16 => 3,
        }
    }

    pub(super) fn from_tag(tag: u8) -> Result<Self, WireError> {
        match tag {
            0 => Ok(Self::F32),
            1 => Ok(Self::F16),
            2 => Ok(Self::I8),
            3 => Ok(Self::U16),
            found => {
                let right = "0 (f32), 1 (f16), 2 (i8) or 3 (u16)";
                Err(WireError::Value { field: "element", found: found.into(), right })
            }
        }
    }

    /// Bytes of one value in memory after unpacking.
    pub(super) fn memory_bytes(self) -> u64 {
        match self {
            Self::U16 => 2,
            _ => 4,
        }
    }

    /// Bytes per value that belong together when bytes are sorted into planes.
    pub(super) fn plane_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::U16 => 2,
            Self::I8 => 1,
        }
    }

    /// Payload bytes of so many values with so many scales; saturates.
    pub(super) fn bytes(self, values: u64, scales: u64) -> u64 {
        match self {
            Self::I8 => values.saturating_add(scales.saturating_mul(4)),
            _ => values.saturating_mul(self.plane_bytes() as u64),
        }
    }

    /// The payload of `array`; `tensor` is its position, for the error.
    pub(super) fn write(self, array: &Array, tensor: usize) -> Result<Vec<u8>, WireError> {
        match &array.data {
            Data::U16(values) => Ok(le_bytes(values.iter().map(|v| v.to_le_bytes()))),
            Data::F32(values) => match self {
                Self::F16 => write_f16(values, tensor),
                Self::I8 => write_i8(values, Codec::scales(&array.shape), tensor),
                Self::F32 | Self::U16 => Ok(le_bytes(values.iter().map(|v| v.to_le_bytes()))),
            },
        }
    }

    /// The array of a payload whose length was checked against the shape.
    pub(super) fn read(self, payload: &[u8], shape: Vec<usize>) -> Result<Array, WireError> {
        let data = match self {
            Self::F32 => Data::F32(chunks(payload).map(f32::from_le_bytes).collect()),
            Self::U16 => Data::U16(chunks(payload).map(u16::from_le_bytes).collect()),
            Self::F16 => Data::F32(read_f16(payload)),
            Self::I8 => Data::F32(read_i8(payload, Codec::scales(&shape))?),
        };
        Ok(Array { shape, data })
    }
}

fn le_bytes<const N: usize>(values: impl ExactSizeIterator<Item = [u8; N]>) -> Vec<u8> {
    let mut out = vec![0; values.len() * N];
    for (place, value) in out.chunks_exact_mut(N).zip(values) {
        place.copy_from_slice(&value);
    }
    out
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|chunk| {
        let mut value = [0; N];
        value.copy_from_slice(chunk);
        value
    })
}

fn check_range(values: &[f32], tensor: usize, codec: &'static str, largest: f32) -> Result<(), WireError> {
    match values.iter().position(|v| !v.is_finite() || v.abs() > largest) {
        None => Ok(()),
        Some(position) => Err(WireError::Unrepresentable { tensor, position, value: values[position], codec, largest }),
    }
}

fn write_f16(values: &[f32], tensor: usize) -> Result<Vec<u8>, WireError> {
    check_range(values, tensor, "f16", f16::MAX.to_f32())?;
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    Ok(le_bytes(halves.iter().map(|h| h.to_le_bytes())))
}

fn read_f16(payload: &[u8]) -> Vec<f32> {
    let halves: Vec<f16> = chunks(payload).map(f16::from_le_bytes).collect();
    let mut values = vec![0.0; halves.len()];
    halves.convert_to_f32_slice(&mut values);
    values
}

fn write_i8(values: &[f32], (n_scales, run): (usize, usize), tensor: usize) -> Result<Vec<u8>, WireError> {
    check_range(values, tensor, "i8", f32::MAX)?;
    let scales = scales(values, n_scales, run);
    let mut out = le_bytes(scales.iter().map(|s| s.to_le_bytes()));
    out.reserve(values.len());
    for round in values.chunks(n_scales * run) {
        for (part, &scale) in round.chunks(run).zip(&scales) {
            out.extend(part.iter().map(|v| quantise(*v, scale) as u8));
        }
    }
    Ok(out)
}

/// max|v| / 127 of what shares a scale; 0 for zeros. Never subnormal: dividing by such a scale overflows.
fn scales(values: &[f32], n_scales: usize, run: usize) -> Vec<f32> {
    let mut largest = vec![0.0f32; n_scales];
    for round in values.chunks(n_scales * run) {
        for (part, most) in round.chunks(run).zip(&mut largest) {
            *most = part.iter().fold(*most, |most, v| most.max(v.abs()));
        }
    }
    let scale = |most: f32| if most == 0.0 { 0.0 } else { (most / I8_LARGEST).max(f32::MIN_POSITIVE) };
    largest.into_iter().map(scale).collect()
}

fn quantise(value: f32, scale: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    (value / scale).round().clamp(-I8_LARGEST, I8_LARGEST) as i8
}

fn read_i8(payload: &[u8], (n_scales, run): (usize, usize)) -> Result<Vec<f32>, WireError> {
    let (scales, values) = payload.split_at(n_scales * 4);
    let scales: Vec<f32> = chunks(scales).map(f32::from_le_bytes).collect();
    if let Some(bad) = scales.iter().find(|s| !s.is_finite() || **s < 0.0) {
        let right = "the bits of a finite f32 that is not negative";
        return Err(WireError::Value { field: "scale", found: bad.to_bits().into(), right });
    }
    let mut out = Vec::with_capacity(values.len());
    for round in values.chunks(n_scales * run) {
        for (part, scale) in round.chunks(run).zip(&scales) {
            out.extend(part.iter().map(|q| f32::from(*q as i8) * scale));
        }
    }
    Ok(out)
}
