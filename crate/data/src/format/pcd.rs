//! PCD, the Point Cloud Library's format, version 0.7: ASCII, binary, and binary compressed by LZF, where each field
//! of all points stands together. Only x, y and z are read. Format: PCL's tutorial "The PCD file format".

use super::Format;
use super::lines::{Lines, text};
use super::lzf;
use super::pcd_layout::{Layout, Storage};
use super::scalar::Endian;
use crate::{DataError, Geometry, Place};

/// Reads a cloud.
pub(crate) fn read(bytes: &[u8]) -> Result<Geometry, DataError> {
    let (layout, data) = Layout::split(bytes)?;
    let points = match layout.storage {
        Storage::Ascii => read_ascii(&layout, bytes, data)?,
        Storage::Binary => read_binary(&layout, data)?,
        Storage::Compressed => read_compressed(&layout, data)?,
    };
    Ok(Geometry::Points(points))
}

fn short(layout: &Layout, each: u64, has: usize) -> DataError {
    let (count, has) = (layout.n_points, has as u64);
    DataError::Short { format: Format::Pcd, what: "points".into(), count, needs: count.saturating_mul(each), has }
}

fn read_ascii(layout: &Layout, bytes: &[u8], data: &[u8]) -> Result<Vec<[f32; 3]>, DataError> {
    const SHORTEST: u64 = "0 0 0".len() as u64;
    if layout.n_points > data.len() as u64 / SHORTEST {
        return Err(short(layout, SHORTEST, data.len()));
    }
    let header = &bytes[..bytes.len() - data.len()];
    let n_header_lines = header.iter().filter(|&&b| b == b'\n').count();
    let data = text(data);
    let mut lines = Lines::new(Format::Pcd, &data).starting_after(n_header_lines);
    let columns = layout.xyz.map(|field| layout.column(field));
    let mut points = Vec::with_capacity(layout.n_points as usize);
    for index in 0..layout.n_points {
        let line = lines.expect(|| format!("point {} of {}", index + 1, layout.n_points))?;
        let at = |column| line.number(line.words().nth(column), "a number for each of FIELDS");
        points.push([at(columns[0])?, at(columns[1])?, at(columns[2])?]);
    }
    Ok(points)
}

fn read_binary(layout: &Layout, data: &[u8]) -> Result<Vec<[f32; 3]>, DataError> {
    let stride = layout.stride();
    let n_points = fitting(layout, data.len())?;
    let offsets = layout.xyz.map(|field| layout.offset(field));
    collect(layout, data, n_points, |point, axis| point * stride + offsets[axis])
}

fn read_compressed(layout: &Layout, data: &[u8]) -> Result<Vec<[f32; 3]>, DataError> {
    let bad = |found: &str, expected: &str| DataError::Malformed {
        format: Format::Pcd,
        place: Place::Data,
        found: found.into(),
        expected: expected.into(),
    };
    let sizes = data.as_chunks::<4>().0;
    let [packed, unpacked, ..] = *sizes else {
        return Err(bad("the end of the file", "the compressed and the uncompressed size"));
    };
    let [packed, unpacked] = [packed, unpacked].map(|raw| u32::from_le_bytes(raw) as usize);
    let n_points = fitting(layout, unpacked)?;
    let packed_bytes = data[8..].get(..packed).ok_or_else(|| {
        bad(&format!("{} compressed bytes", data.len() - 8), &format!("{packed}, as the data says; it is cut short"))
    })?;
    let raw = lzf::unpack(packed_bytes, unpacked)
        .ok_or_else(|| bad("damaged compressed data", &format!("LZF data of {unpacked} bytes")))?;
    let starts = layout.xyz.map(|field| layout.offset(field) * n_points);
    let sizes = layout.xyz.map(|field| layout.fields[field].size());
    collect(layout, &raw, n_points, |point, axis| starts[axis] + point * sizes[axis])
}

/// The number of points, which `has` bytes really hold.
fn fitting(layout: &Layout, has: usize) -> Result<usize, DataError> {
    let stride = layout.stride() as u64;
    let needs = layout.n_points.checked_mul(stride).filter(|&needs| needs <= has as u64);
    needs.map(|_| layout.n_points as usize).ok_or_else(|| short(layout, stride, has))
}

/// The points whose coordinates stand where `position(point, axis)` says.
fn collect(
    layout: &Layout,
    data: &[u8],
    n_points: usize,
    position: impl Fn(usize, usize) -> usize,
) -> Result<Vec<[f32; 3]>, DataError> {
    let scalars = layout.xyz.map(|field| layout.fields[field].scalar);
    let coordinate = |point, axis: usize| {
        let bytes = data.get(position(point, axis)..)?;
        scalars[axis].read(bytes, Endian::Little).map(|value| value as f32)
    };
    let point = |index| Some([coordinate(index, 0)?, coordinate(index, 1)?, coordinate(index, 2)?]);
    let points: Option<Vec<_>> = (0..n_points).map(point).collect();
    points.ok_or_else(|| short(layout, layout.stride() as u64, data.len()))
}
