//! LZF decompression, which PCD's `binary_compressed` uses (Lehmann, LibLZF; the format is its only documentation).
//!
//! A control byte below 32 is followed by that many plus one literal bytes; else its upper three bits are a length
//! less two (7: another byte adds to it) and its lower five with the next byte the distance back less one.

/// The `size` bytes that `packed` unfolds to; `None` if it is damaged or unfolds to another size.
pub(crate) fn unpack(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    // No capacity is taken from the header: a run is at most 264 bytes, so the output grows only with the input.
    let mut out = Vec::new();
    let mut rest = packed.iter();
    while let Some(&control) = rest.next() {
        if control < 32 {
            let literals = rest.as_slice().get(..usize::from(control) + 1)?;
            out.extend_from_slice(literals);
            rest.nth(usize::from(control))?;
        } else {
            let length = match control >> 5 {
                7 => 9 + usize::from(*rest.next()?),
                short => 2 + usize::from(short),
            };
            let distance = (usize::from(control & 31) << 8) + usize::from(*rest.next()?) + 1;
            let start = out.len().checked_sub(distance)?;
            // Byte by byte: a run may overlap its own output.
            (start..start + length).for_each(|from| out.push(out[from]));
        }
        if out.len() > size {
            return None;
        }
    }
    (out.len() == size).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_overlapping_runs() {
        // "ab", then 6 bytes from 2 back, then a long run (9 + 1) from 1 back.
        let packed = [1, b'a', b'b', 4 << 5, 1, 7 << 5, 1, 0];
        assert_eq!(unpack(&packed, 18).unwrap(), b"ababababbbbbbbbbbb");
    }

    #[test]
    fn damage_is_noticed() {
        assert_eq!(unpack(&[1, b'a'], 2), None, "a literal is missing");
        assert_eq!(unpack(&[0, b'a', 1 << 5, 9], 4), None, "a run begins before the start");
        assert_eq!(unpack(&[0, b'a'], 7), None, "another size than announced");
    }
}
