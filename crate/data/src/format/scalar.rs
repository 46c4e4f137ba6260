//! Numbers in binary files: the types that PLY, PCD and NPY have in common, read as f64, which holds each exactly
//! but the largest 64-bit integers.

/// Type of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    F32,
    F64,
}

/// Order of the bytes of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Little,
    Big,
}

impl Scalar {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Scalar::I8 | Scalar::U8 => 1,
            Scalar::I16 | Scalar::U16 | Scalar::F16 => 2,
            Scalar::I32 | Scalar::U32 | Scalar::F32 => 4,
            Scalar::I64 | Scalar::U64 | Scalar::F64 => 8,
        }
    }

    /// The number at the start of `bytes`; `None` if they are too few.
    pub fn read(self, bytes: &[u8], endian: Endian) -> Option<f64> {
        Some(match self {
            Scalar::I8 => f64::from(i8::from_le_bytes(take(bytes, endian)?)),
            Scalar::U8 => f64::from(u8::from_le_bytes(take(bytes, endian)?)),
            Scalar::I16 => f64::from(i16::from_le_bytes(take(bytes, endian)?)),
            Scalar::U16 => f64::from(u16::from_le_bytes(take(bytes, endian)?)),
            Scalar::I32 => f64::from(i32::from_le_bytes(take(bytes, endian)?)),
            Scalar::U32 => f64::from(u32::from_le_bytes(take(bytes, endian)?)),
            Scalar::I64 => i64::from_le_bytes(take(bytes, endian)?) as f64,
            Scalar::U64 => u64::from_le_bytes(take(bytes, endian)?) as f64,
            Scalar::F16 => half(u16::from_le_bytes(take(bytes, endian)?)),
            Scalar::F32 => f64::from(f32::from_le_bytes(take(bytes, endian)?)),
            Scalar::F64 => f64::from_le_bytes(take(bytes, endian)?),
        })
    }
}

/// The number of a binary16 of IEEE 754: a sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 0x1F, bits & 0x3FF);
    let magnitude = match (exponent, fraction) {
        (0, _) => f64::from(fraction) * 2f64.powi(-24),
        (0x1F, 0) => f64::INFINITY,
        (0x1F, _) => f64::NAN,
        _ => f64::from_bits((u64::from(exponent) + 1023 - 15) << 52 | u64::from(fraction) << 42),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The first `N` bytes in little-endian order.
fn take<const N: usize>(bytes: &[u8], endian: Endian) -> Option<[u8; N]> {
    let mut raw = *bytes.first_chunk::<N>()?;
    if endian == Endian::Big {
        raw.reverse();
    }
    Some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_and_signs() {
        assert_eq!(Scalar::I16.read(&[0xFE, 0xFF], Endian::Little), Some(-2.0));
        assert_eq!(Scalar::I16.read(&[0x01, 0x02], Endian::Big), Some(258.0));
        assert_eq!(Scalar::F32.read(&[0x3F, 0x80, 0, 0], Endian::Big), Some(1.0));
        assert_eq!(Scalar::F64.read(&[0; 7], Endian::Big), None);
    }

    #[test]
    fn half_precision_as_the_standard_has_it() {
        let cases = [(0x3C00, 1.0), (0xC500, -5.0), (0x3555, 0.333_251_953_125), (0x7BFF, 65504.0)];
        let tiny = [(0x0001, 2f64.powi(-24)), (0x8400, -(2f64.powi(-14))), (0x03FF, 1023.0 * 2f64.powi(-24))];
        for (bits, number) in cases.into_iter().chain(tiny) {
            assert_eq!(half(bits), number, "{bits:#06X}");
        }
        assert!(half(0x8000) == 0.0 && half(0x8000).is_sign_negative());
        assert!(half(0xFC00) == f64::NEG_INFINITY && half(0x7C01).is_nan());
        assert_eq!(Scalar::F16.read(&[0x3C, 0], Endian::Big), Some(1.0));
    }
}
