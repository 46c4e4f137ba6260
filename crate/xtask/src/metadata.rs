//! What cargo itself says of the workspace: its members and who depends on whom.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell::{Shell, capture};

/// A workspace member.
pub struct Member {
    /// `cleave-arch`.
    pub package: String,
    /// Its folder, relative to the workspace root: `crate/arch`, `tests`.
    pub folder: String,
    /// Normal dependencies that are members themselves.
    pub knows: Vec<String>,
}

impl Member {
    /// The noun: the last part of the folder.
    pub fn noun(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

/// Where cargo puts what it builds.
pub fn target_folder(shell: &Shell) -> Result<PathBuf> {
    Ok(PathBuf::from(text(&metadata(shell)?["target_directory"])))
}

fn metadata(shell: &Shell) -> Result<Value> {
    let printed = capture(&mut shell.cargo("metadata --no-deps --format-version 1"))?;
    serde_json::from_str(&printed).context("cargo metadata did not print JSON")
}

/// All members, by folder.
pub fn members(shell: &Shell) -> Result<Vec<Member>> {
    let document = metadata(shell)?;
    let root = text(&document["workspace_root"]);
    let mut members: Vec<Member> = list(&document["packages"]).iter().map(|package| member(package, &root)).collect();
    members.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(members)
}

fn member(package: &Value, root: &str) -> Member {
    let manifest = text(&package["manifest_path"]).replace('\\', "/");
    let folder = manifest.trim_end_matches("/Cargo.toml").trim_start_matches(&root.replace('\\', "/"));
    let knows = list(&package["dependencies"])
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && !dependency["path"].is_null())
        .map(|dependency| text(&dependency["name"]));
    Member {
        package: text(&package["name"]),
        folder: folder.trim_start_matches('/').to_owned(),
        knows: knows.collect(),
    }
}

/// Every package that `package` is built from on `target` (`None`: this machine), itself left out.
pub fn packages_below(shell: &Shell, package: &str, target: Option<&str>) -> Result<Vec<String>> {
    let mut command = shell.cargo("tree --edges normal --prefix none --format {p}");
    command.args(["--package", package]);
    if let Some(target) = target {
        command.args(["--target", target]);
    }
    Ok(tree_names(&capture(&mut command)?, package))
}

fn tree_names(printed: &str, package: &str) -> Vec<String> {
    let first_words = printed.lines().filter_map(|line| line.split_whitespace().next());
    let mut names: Vec<String> = first_words.filter(|name| *name != package).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_becomes_its_names_once_each_without_its_root() {
        let printed = "cleave-wire v0.1.0 (/x/crate/wire)\nserde v1.0.0\nhalf v2.0.0\nserde v1.0.0 (*)\n";
        assert_eq!(tree_names(printed, "cleave-wire"), ["half", "serde"]);
    }

    #[test]
    fn only_normal_path_dependencies_are_known() {
        let package: Value = serde_json::from_str(
            r#"{"name":"cleave-a","manifest_path":"/w/crate/a/Cargo.toml","dependencies":[
                {"name":"cleave-b","kind":null,"path":"/w/crate/b"},
                {"name":"cleave-c","kind":"dev","path":"/w/crate/c"},
                {"name":"serde","kind":null}]}"#,
        )
        .unwrap();
        let member = member(&package, "/w");
        assert_eq!((member.folder.as_str(), member.noun()), ("crate/a", "a"));
        assert_eq!(member.knows, ["cleave-b"]);
    }
}
