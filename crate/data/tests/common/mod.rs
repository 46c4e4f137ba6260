//! Finds the case files; shared by the suites.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of all cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/case")
}

/// Every input of the readers, with what is expected of it, in a fixed order.
pub fn cases() -> Vec<(PathBuf, String)> {
    let mut cases = Vec::new();
    for format in fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in fs::read_dir(format).unwrap().map(|entry| entry.unwrap().path()) {
            let expect = PathBuf::from(format!("{}.expect", path.display()));
            if expect.exists() {
                cases.push((path, fs::read_to_string(expect).unwrap()));
            }
        }
    }
    cases.sort();
    assert!(cases.len() > 100, "only {} cases found", cases.len());
    cases
}
