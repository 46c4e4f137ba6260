//! Rust files as text: which there are, which of their lines are code that ships, which paths they name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A source file of the workspace.
pub struct Source {
    /// Relative to the workspace root, with `/`.
    pub path: String,
    pub text: String,
}

/// Every `.rs` file below `folder` (itself relative to `root`), by path; build outputs and case data are passed over.
pub fn below(root: &Path, folder: &str) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files)?;
    files.sort();
    files.iter().map(|file| read(root, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, file: &Path) -> Result<Source> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let relative = file.strip_prefix(root).unwrap_or(file);
    Ok(Source { path: relative.to_string_lossy().replace('\\', "/"), text })
}

impl Source {
    /// The lines that ship: no comments, nothing from the first `#[cfg(test)]` on.
    pub fn code(&self) -> String {
        let shipped = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        shipped.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// True for files that hold tests alone.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/") || self.path.contains("/benches/")
    }
}

/// True if the code names this path, written out or through a `use` tree.
pub fn names_path(code: &str, banned: &str) -> bool {
    imported(code).iter().any(|path| starts_with_path(path, banned)) || written_out(code, banned)
}

fn written_out(code: &str, banned: &str) -> bool {
    code.match_indices(banned).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + banned.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn starts_with_path(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// All paths of all `use` declarations, with the braces opened.
fn imported(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("use ") {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let tree = code[at + 4..].split(';').next().unwrap_or_default();
        expand("", tree.trim(), &mut paths);
    }
    paths
}

fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    match tree.split_once('{') {
        None => paths.push(format!("{prefix}{}", tree.split(" as ").next().unwrap_or(tree).trim())),
        Some((head, rest)) => {
            let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
            let prefix = format!("{prefix}{}", head.trim());
            for branch in branches(inner) {
                expand(&prefix, branch.trim(), paths);
            }
        }
    }
}

/// Splits at the commas that stand in no brace.
fn branches(tree: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_written_out_and_through_nested_imports() {
        assert!(names_path("let t = std::time::Instant::now();", "std::time::Instant"));
        assert!(names_path("use std::time::{Duration, Instant};", "std::time::Instant"));
        assert!(names_path("use std::{fmt, time::{self, Instant as Now}};", "std::time::Instant"));
        assert!(names_path("use std::{\n    collections::{BTreeMap, HashMap},\n    fs,\n};", "std::fs"));
        assert!(names_path("pub use std::fs::File;", "std::fs"));
    }

    #[test]
    fn relatives_of_a_path_are_not_it() {
        assert!(!names_path("use std::time::Duration;", "std::time::Instant"));
        assert!(!names_path("let x = std::time::InstantLike;", "std::time::Instant"));
        assert!(!names_path("use crate::fs::File; fn fuse (x: u8) {}", "std::fs"));
    }

    #[test]
    fn comments_and_tests_do_not_ship() {
        let text = "//! std::fs\nfn a() {} // std::net\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        let source = Source { path: "crate/a/src/lib.rs".into(), text: text.into() };
        assert_eq!(source.code(), "\nfn a() {} ");
    }
}
