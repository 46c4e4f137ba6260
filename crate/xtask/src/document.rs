//! ARCHITECTURE.md as data. The map of crates, the exceptions and the dependencies are markdown tables that people
//! read and this program executes, so the document cannot rot.

use anyhow::{Context, Result, bail};

/// Which machines a crate is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A library or leaf that compiles for both and contains no `cfg` on the platform.
    Both,
    /// A program of this machine.
    Native,
    /// Only ever wasm32; left out of native builds.
    Wasm32,
}

/// One row of the map.
#[derive(Debug)]
pub struct Crate {
    /// Folder name.
    pub noun: String,
    pub platform: Platform,
    /// Nouns of the crates that it depends on: exactly these.
    pub knows: Vec<String>,
    /// Packages (`burn*`) and paths (`std::fs`).
    pub must_not_know: Vec<String>,
}

/// A file that may do what its crate may not.
#[derive(Debug, PartialEq, Eq)]
pub struct Exception {
    pub path: String,
    pub rule: String,
}

/// What the document says.
#[derive(Debug)]
pub struct Architecture {
    pub crates: Vec<Crate>,
    pub exceptions: Vec<Exception>,
    pub dependencies: Vec<String>,
}

impl Architecture {
    /// Reads the three tables, told apart by their header rows.
    pub fn parse(markdown: &str) -> Result<Self> {
        let map = table(markdown, &["crate", "does", "built for", "knows", "must not know"])?;
        let exceptions = table(markdown, &["path", "rule", "reason"])?;
        let dependencies = table(markdown, &["dependency", "reason"])?;
        Ok(Self {
            crates: map.iter().map(|row| parse_crate(row)).collect::<Result<_>>()?,
            exceptions: exceptions
                .iter()
                .flat_map(|row| ticked(&row[0]).into_iter().zip(ticked(&row[1])))
                .map(|(path, rule)| Exception { path, rule })
                .collect(),
            dependencies: dependencies.iter().flat_map(|row| ticked(&row[0])).collect(),
        })
    }

    /// Nouns of the crates with this platform.
    pub fn nouns(&self, platform: Platform) -> Vec<&str> {
        self.crates.iter().filter(|row| row.platform == platform).map(|row| row.noun.as_str()).collect()
    }
}

fn parse_crate(row: &[String]) -> Result<Crate> {
    let noun = ticked(&row[0]).into_iter().next().context("a row of the map names no crate in `backticks`")?;
    let platform = match row[2].as_str() {
        "both" => Platform::Both,
        "native" => Platform::Native,
        "wasm32" => Platform::Wasm32,
        other => bail!("`{noun}` is built for {other:?}; write both, native or wasm32"),
    };
    Ok(Crate { noun, platform, knows: ticked(&row[3]), must_not_know: ticked(&row[4]) })
}

/// The rows of the table whose header cells are exactly these.
fn table(markdown: &str, header: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut lines = markdown.lines().skip_while(|line| cells(line) != header);
    if lines.next().is_none() {
        bail!("ARCHITECTURE.md has no table with the header | {} |", header.join(" | "));
    }
    let rows: Vec<Vec<String>> = lines.skip(1).map(cells).take_while(|row| !row.is_empty()).collect();
    match rows.iter().find(|row| row.len() != header.len()) {
        Some(row) => bail!("a row of the table | {} | has {} cells: {row:?}", header.join(" | "), row.len()),
        None => Ok(rows),
    }
}

fn cells(line: &str) -> Vec<String> {
    let Some(inner) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
        return Vec::new();
    };
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Everything between backticks.
pub fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Paths that a document claims to exist: backticked ones below `folders`, and the relative targets of its links.
pub fn claimed_paths(markdown: &str, folders: &[&str]) -> Vec<String> {
    let prose: Vec<&str> = markdown.split("```").step_by(2).collect();
    let ticks = prose.iter().flat_map(|part| ticked(part));
    let named =
        ticks.filter(|path| folders.iter().any(|folder| path.starts_with(folder)) && !path.contains(['*', ' ']));
    let links = prose.iter().flat_map(|part| part.split("](").skip(1));
    let targets = links.filter_map(|rest| rest.split([')', '#']).next()).filter(|target| !target.contains("://"));
    named.chain(targets.map(str::to_owned)).filter(|path| !path.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
# Map
| crate | does | built for | knows | must not know |
|---|---|---|---|---|
| `arch` | words | both | – | `burn*`, `std::fs` |
| `edge` | serves | native | `arch` | `leptos` |

| path | rule | reason |
|---|---|---|
| `crate/model/src/kernel` | `unsafe` | intrinsics |

| dependency | reason |
|---|---|
| `axum`, `tower` | the server |
";

    #[test]
    fn the_tables_are_read() {
        let document = Architecture::parse(DOCUMENT).unwrap();
        assert_eq!(document.nouns(Platform::Both), ["arch"]);
        assert_eq!(document.crates[0].must_not_know, ["burn*", "std::fs"]);
        assert!(document.crates[0].knows.is_empty());
        assert_eq!(document.crates[1].knows, ["arch"]);
        assert_eq!(document.exceptions[0].rule, "unsafe");
        assert_eq!(document.dependencies, ["axum", "tower"]);
    }

    #[test]
    fn a_missing_table_is_named() {
        let error = Architecture::parse(&DOCUMENT.replace("dependency", "library")).unwrap_err().to_string();
        assert!(error.contains("| dependency | reason |"), "{error}");
    }

    #[test]
    fn a_wrong_platform_and_a_ragged_row_are_named() {
        let error = Architecture::parse(&DOCUMENT.replace("| native |", "| linux |")).unwrap_err().to_string();
        assert!(error.contains("`edge` is built for \"linux\""), "{error}");
        let error = Architecture::parse(&DOCUMENT.replace("| the server |", "| a | b |")).unwrap_err().to_string();
        assert!(error.contains("has 3 cells"), "{error}");
    }

    #[test]
    fn claimed_paths_are_ticks_below_the_folders_and_relative_links_outside_code() {
        let text = "see `crate/arch`, `burn`, `crate/*`, [map](ARCHITECTURE.md#map), [burn](https://burn.dev) \n\
                    ```\n`crate/never`\n```\n![x](www/picture.png)";
        assert_eq!(claimed_paths(text, &["crate/"]), ["crate/arch", "ARCHITECTURE.md", "www/picture.png"]);
    }
}
