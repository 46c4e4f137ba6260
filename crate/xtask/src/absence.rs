//! Architecture as a list of absences: what each crate must not know, read from the map in ARCHITECTURE.md and
//! compared with the dependency tree and the sources.

use anyhow::Result;

use crate::document::{Architecture, Crate, Platform};
use crate::metadata::{Member, packages_below};
use crate::shell::Shell;
use crate::source::{self, names_path};

/// The map's rows and cargo's members: the same crates, knowing the same crates. Returns what differs.
pub fn compare_map(document: &Architecture, members: &[Member]) -> Vec<String> {
    let mut faults = Vec::new();
    for member in members {
        match document.crates.iter().find(|row| row.noun == member.noun()) {
            None => faults.push(format!("`{}` is a workspace member but has no row in the map", member.noun())),
            Some(row) => faults.extend(compare_row(row, member)),
        }
    }
    let gone = document.crates.iter().filter(|row| !members.iter().any(|member| member.noun() == row.noun));
    faults.extend(gone.map(|row| format!("the map has a row for `{}`, which is no workspace member", row.noun)));
    faults
}

fn compare_row(row: &Crate, member: &Member) -> Vec<String> {
    let mut faults = Vec::new();
    if member.package != package_name(&row.noun) {
        faults.push(format!("{} is named {}; write {}", member.folder, member.package, package_name(&row.noun)));
    }
    let known: Vec<&str> = member.knows.iter().map(|package| package.trim_start_matches("cleave-")).collect();
    for noun in known.iter().filter(|noun| !row.knows.iter().any(|written| written == *noun)) {
        faults.push(format!("`{}` depends on `{noun}`, which the map does not say", row.noun));
    }
    for noun in row.knows.iter().filter(|noun| !known.contains(&noun.as_str())) {
        faults.push(format!("the map says that `{}` knows `{noun}`, on which it does not depend", row.noun));
    }
    faults
}

/// Everything that this crate knows and must not, one sentence each.
pub fn violations(shell: &Shell, row: &Crate, member: &Member) -> Result<Vec<String>> {
    let (paths, packages): (Vec<&String>, Vec<&String>) =
        row.must_not_know.iter().partition(|name| name.contains("::"));
    let mut faults = Vec::new();
    for target in targets(row.platform) {
        let known = packages_below(shell, &member.package, *target)?;
        let hits = packages.iter().flat_map(|pattern| known.iter().filter(|name| matches(name, pattern)));
        faults.extend(hits.map(|name| {
            format!("`{}` must not know {name}; see: cargo tree -p {} -i {name} -e normal", row.noun, member.package)
        }));
    }
    for file in source::below(shell.root(), &member.folder)?.iter().filter(|file| !file.is_test()) {
        let code = file.code();
        let hits = paths.iter().filter(|path| names_path(&code, path));
        faults.extend(hits.map(|path| format!("`{}` must not know {path}, which {} names", row.noun, file.path)));
    }
    faults.sort_unstable();
    faults.dedup();
    Ok(faults)
}

/// The targets whose dependency tree counts; a native crate's wasm32 tree is nobody's business.
fn targets(platform: Platform) -> &'static [Option<&'static str>] {
    const WASM: Option<&str> = Some("wasm32-unknown-unknown");
    match platform {
        Platform::Both => &[None, WASM],
        Platform::Native => &[None],
        Platform::Wasm32 => &[WASM],
    }
}

/// `cleave-arch` of `arch`.
pub fn package_name(noun: &str) -> String {
    format!("cleave-{noun}")
}

fn matches(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(noun: &str, knows: &[&str]) -> Crate {
        let knows = knows.iter().map(|noun| (*noun).to_owned()).collect();
        Crate { noun: noun.into(), platform: Platform::Both, knows, must_not_know: Vec::new() }
    }

    fn member(noun: &str, knows: &[&str]) -> Member {
        let knows = knows.iter().map(|noun| package_name(noun)).collect();
        Member { package: package_name(noun), folder: format!("crate/{noun}"), knows }
    }

    fn map(crates: Vec<Crate>) -> Architecture {
        Architecture { crates, exceptions: Vec::new(), dependencies: Vec::new() }
    }

    #[test]
    fn an_agreeing_map_has_no_faults() {
        let document = map(vec![row("arch", &[]), row("wire", &["arch"])]);
        assert!(compare_map(&document, &[member("arch", &[]), member("wire", &["arch"])]).is_empty());
    }

    #[test]
    fn every_difference_is_told() {
        let document = map(vec![row("arch", &["wire"]), row("ghost", &[])]);
        let faults = compare_map(&document, &[member("arch", &["data"]), member("new", &[])]);
        assert_eq!(faults.len(), 4, "{faults:#?}");
    }

    #[test]
    fn a_star_stands_for_any_ending_and_nothing_else_does() {
        assert!(matches("burn-flex", "burn*") && matches("burn", "burn*"));
        assert!(matches("tokio", "tokio") && !matches("tokio-util", "tokio"));
    }
}
