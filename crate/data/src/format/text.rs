//! Points as numbers in columns: XYZ, TXT, CSV, PTS, ASC. The first three columns are x, y, z unless a line of names
//! says otherwise; columns are separated by white space, comma or semicolon; a first line with one whole number is
//! a count, as in PTS.

use super::Format;
use super::lines::{Line, Lines};
use crate::{DataError, Geometry};

/// Reads a cloud.
pub(crate) fn read(text: &str) -> Result<Geometry, DataError> {
    let mut points = Vec::new();
    let mut columns = [0, 1, 2];
    for (index, line) in Lines::new(Format::Text, text).enumerate() {
        match first_line_kind(line, index) {
            FirstLine::Count => {}
            FirstLine::Names(named) => columns = named,
            FirstLine::Point => points.push(point(line, columns)?),
        }
    }
    Ok(Geometry::Points(points))
}

/// Whether an unknown file that begins like this is worth reading as points.
pub(crate) fn resembles_points(line: &str) -> bool {
    let n_numbers = words(line).filter(|word| word.parse::<f32>().is_ok()).count();
    (n_numbers >= 3 && n_numbers == words(line).count()) || named_columns(line).is_some()
}

enum FirstLine {
    Count,
    Names([usize; 3]),
    Point,
}

fn first_line_kind(line: Line, index: usize) -> FirstLine {
    if index > 0 {
        return FirstLine::Point;
    }
    let mut all = words(line.text);
    if let (Some(only), None) = (all.next(), all.next())
        && only.parse::<u64>().is_ok()
    {
        return FirstLine::Count;
    }
    named_columns(line.text).map_or(FirstLine::Point, FirstLine::Names)
}

/// The columns. Between commas or semicolons a column may be empty and still counts; runs of blanks are one gap.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let by_blanks = !line.contains([',', ';']);
    let separator = move |c: char| if by_blanks { c.is_whitespace() } else { c == ',' || c == ';' };
    let columns = line.split(separator).map(|word| word.trim().trim_matches('"'));
    columns.filter(move |word| !by_blanks || !word.is_empty())
}

/// Which columns are called x, y and z.
fn named_columns(line: &str) -> Option<[usize; 3]> {
    let find = |name: &str| words(line).position(|word| word.eq_ignore_ascii_case(name));
    Some([find("x")?, find("y")?, find("z")?])
}

fn point(line: Line, columns: [usize; 3]) -> Result<[f32; 3], DataError> {
    let at = |column| {
        let word = words(line.text).nth(column);
        line.number(word, "three numbers x y z, separated by blanks, commas or semicolons")
    };
    Ok([at(columns[0])?, at(columns[1])?, at(columns[2])?])
}
