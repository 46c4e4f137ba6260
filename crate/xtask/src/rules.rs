//! What `cargo xtask check` asks of the files themselves, beside format and lints. Each rule is one function that
//! returns the sentences it has to complain about.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::absence;
use crate::document::{Architecture, Platform, claimed_paths};
use crate::gate::Count;
use crate::metadata::{self, Member};
use crate::shell::Shell;
use crate::source::{self, Source};

/// Beyond this a file has become two; about 150 is the aim.
const MOST_LINES: usize = 600;
/// A backticked path below these is a claim that it exists.
const CLAIMED: [&str; 5] = ["crate/", "tests/", "www/", ".ci/", ".cargo/"];

/// ARCHITECTURE.md of this workspace.
pub fn architecture(shell: &Shell) -> Result<Architecture> {
    Architecture::parse(&read(shell.root(), "ARCHITECTURE.md")?)
}

/// Runs all rules and prints every complaint.
pub fn check(shell: &Shell) -> Result<Count> {
    let document = architecture(shell)?;
    let members = metadata::members(shell)?;
    let sources = sources(shell, &members)?;
    let root = shell.root();
    let mut count = Count::default();
    count.rule("the map agrees with cargo", &absence::compare_map(&document, &members));
    for row in &document.crates {
        if let Some(member) = members.iter().find(|member| member.noun() == row.noun) {
            count.rule(&format!("{} knows nothing it must not", row.noun), &absence::violations(shell, row, member)?);
        }
    }
    count.rule("every file says what it is", &headless(&sources));
    count.rule("no file is too long", &too_long(&sources));
    count.rule(
        "libraries do not ask for the platform",
        &marked(&sources, &document, &CFG_WASM, &platform_free(&document)),
    );
    count.rule("unsafe code only where it explains itself", &marked(&sources, &document, &UNSAFE, &[]));
    count.rule("every exception is still needed", &unused_exceptions(&sources, &document));
    count.rule("every dependency has its reason", &dependencies(&read(root, "Cargo.toml")?, &document));
    for name in ["README.md", "ARCHITECTURE.md"] {
        count.rule(&format!("every path in {name} exists"), &missing_paths(root, &read(root, name)?));
    }
    Ok(count)
}

fn sources(shell: &Shell, members: &[Member]) -> Result<Vec<Source>> {
    let lists = members.iter().map(|member| source::below(shell.root(), &member.folder));
    Ok(lists.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn headless(sources: &[Source]) -> Vec<String> {
    let bare = sources.iter().filter(|file| !file.text.starts_with("//!"));
    bare.map(|file| format!("{} does not open with //! and what it is", file.path)).collect()
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines > MOST_LINES);
    long.map(|(file, lines)| format!("{} has {lines} lines; split it before {MOST_LINES}", file.path)).collect()
}

/// A rule that forbids some text in code, and has exceptions.
struct Mark {
    name: &'static str,
    found: fn(&str) -> bool,
}

const CFG_WASM: Mark = Mark { name: "cfg(wasm)", found: asks_for_wasm };
const UNSAFE: Mark = Mark { name: "unsafe", found: allows_unsafe };

fn asks_for_wasm(code: &str) -> bool {
    let packed: String = code.split_whitespace().collect();
    ["target_family=\"wasm\"", "target_arch=\"wasm32\"", "cfg(wasm)"].iter().any(|mark| packed.contains(mark))
}

fn allows_unsafe(code: &str) -> bool {
    code.lines().filter_map(|line| line.trim().strip_prefix('#')).any(|attribute| {
        let inner = attribute.trim_start_matches('!');
        inner.starts_with("[allow(unsafe_code") || inner.starts_with("[expect(unsafe_code")
    })
}

/// Files that carry the mark without an exception; `nouns` limits the rule to these crates, empty means all.
fn marked(sources: &[Source], document: &Architecture, mark: &Mark, nouns: &[&str]) -> Vec<String> {
    let concerned = |file: &&Source| {
        nouns.is_empty() || nouns.iter().any(|noun| file.path.starts_with(&format!("crate/{noun}/src/")))
    };
    let excepted =
        |file: &Source| document.exceptions.iter().any(|it| it.rule == mark.name && file.path.starts_with(&it.path));
    let hits = sources.iter().filter(concerned).filter(|file| (mark.found)(&file.code()) && !excepted(file));
    hits.map(|file| {
        format!("{}: {} is not allowed here; an exception needs a reason in ARCHITECTURE.md", file.path, mark.name)
    })
    .collect()
}

fn platform_free(document: &Architecture) -> Vec<&str> {
    document.nouns(Platform::Both)
}

fn unused_exceptions(sources: &[Source], document: &Architecture) -> Vec<String> {
    let mut faults = Vec::new();
    for exception in &document.exceptions {
        match [CFG_WASM, UNSAFE].iter().find(|mark| mark.name == exception.rule) {
            None => {
                faults.push(format!("the exception for {} names an unknown rule, {:?}", exception.path, exception.rule))
            }
            Some(mark)
                if sources.iter().any(|file| file.path.starts_with(&exception.path) && (mark.found)(&file.code())) => {}
            Some(_) => faults.push(format!("{} no longer needs its exception from {}", exception.path, exception.rule)),
        }
    }
    faults
}

fn dependencies(manifest: &str, document: &Architecture) -> Vec<String> {
    let named = workspace_dependencies(manifest);
    let silent = named.iter().filter(|name| !document.dependencies.contains(name));
    let gone = document.dependencies.iter().filter(|name| !named.contains(name));
    silent
        .map(|name| format!("{name} is a workspace dependency without a reason in ARCHITECTURE.md"))
        .chain(gone.map(|name| format!("ARCHITECTURE.md gives a reason for {name}, which is no workspace dependency")))
        .collect()
}

/// Names under `[workspace.dependencies]` that are not our own crates.
fn workspace_dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]").skip(1);
    let names = section.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split(['=', '.']).next());
    let is_key =
        |name: &&str| !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter));
    names.map(str::trim).filter(is_key).filter(|name| !name.starts_with("cleave-")).map(str::to_owned).collect()
}

fn missing_paths(root: &Path, markdown: &str) -> Vec<String> {
    let claimed = claimed_paths(markdown, &CLAIMED);
    claimed.iter().filter(|path| !root.join(path).exists()).map(|path| format!("{path} does not exist")).collect()
}

fn read(root: &Path, name: &str) -> Result<String> {
    fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Crate, Exception};

    fn file(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    fn excepting(path: &str, rule: &str) -> Architecture {
        let row = Crate { noun: "model".into(), platform: Platform::Both, knows: vec![], must_not_know: vec![] };
        let exceptions = vec![Exception { path: path.into(), rule: rule.into() }];
        Architecture { crates: vec![row], exceptions, dependencies: vec!["serde".into(), "old".into()] }
    }

    #[test]
    fn a_platform_question_is_found_only_in_libraries_and_without_exception() {
        let document = excepting("crate/model/src/kernel", "cfg(wasm)");
        let asks = "//! x\n#[cfg(target_arch  = \"wasm32\")]\nfn a() {}\n";
        let sources = [
            file("crate/model/src/kernel/simd.rs", asks),
            file("crate/model/src/lib.rs", asks),
            file("crate/device/src/lib.rs", asks),
        ];
        let faults = marked(&sources, &document, &CFG_WASM, &platform_free(&document));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("crate/model/src/lib.rs"));
        assert!(unused_exceptions(&sources, &document).is_empty());
        assert_eq!(unused_exceptions(&sources[1..], &document).len(), 1);
    }

    #[test]
    fn the_lint_that_denies_unsafe_is_not_unsafe() {
        assert!(allows_unsafe("#![allow(unsafe_code)]") && !allows_unsafe("#![deny(unsafe_code)]"));
    }

    #[test]
    fn dependencies_are_compared_both_ways() {
        let manifest = "[workspace.dependencies]\ncleave-arch = { path = \"x\" }\n# burn = 1\nserde = { version = \"1\", features = [\n  \"derive\",\n] }\nrayon.workspace = true\n[profile.release]\nlto = false\n";
        assert_eq!(workspace_dependencies(manifest), ["serde", "rayon"]);
        assert_eq!(dependencies(manifest, &excepting("", "")).len(), 2);
    }

    #[test]
    fn a_file_that_does_not_open_with_its_purpose_is_named() {
        assert_eq!(
            headless(&[file("a.rs", "//! a"), file("b.rs", "use x;")]),
            ["b.rs does not open with //! and what it is"]
        );
    }
}
