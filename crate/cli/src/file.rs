//! Files that a person names: every error says what the file is and where it lies.

use std::fs;
use std::path::Path;

use anyhow::{Context, Error, Result};

/// The bytes of a file that is `what`, such as "the profile".
pub(crate) fn read(what: &str, path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{what} {} cannot be read", path.display()))
}

/// What a file of bytes holds.
pub(crate) fn parse<T, E: Into<Error>>(
    what: &str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T> {
    parse(&read(what, path)?).map_err(E::into).with_context(|| format!("{what} {}", path.display()))
}

/// What a file of text holds.
pub(crate) fn parse_text<T, E: Into<Error>>(
    what: &str,
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("{what} {} cannot be read", path.display()))?;
    parse(&text).map_err(E::into).with_context(|| format!("{what} {}", path.display()))
}

/// Writes a file.
pub(crate) fn write(what: &str, path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).with_context(|| format!("{what} {} cannot be written", path.display()))
}

/// Writes a file beside its place and renames it: a process that ends in between leaves the old one whole.
pub(crate) fn replace(what: &str, path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let beside = path.with_extension("part");
    let written = fs::write(&beside, content).and_then(|()| fs::rename(&beside, path));
    written.with_context(|| format!("{what} {} cannot be written", path.display()))
}

/// Its name without folder and ending.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
