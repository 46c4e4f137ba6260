//! Command-line cases as folders.
//!
//! A folder holds `cmd`, the arguments of `cleave` (words, double quotes around blanks), `expect`, and whatever files
//! the command reads; it runs in the folder. In `cmd`, `{edge}` stands for the host and port of a running edge,
//! `{token}` for its token, `{closed}` for a port of this machine on which nobody listens. Each line of `expect` is
//! `code N`, the exit code, or `stderr TEXT` or `stdout TEXT`, a fragment that has to be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::link::PATIENCE;

/// One folder.
pub struct Case {
    /// Its name.
    pub name: String,
    folder: PathBuf,
    words: Vec<String>,
    expect: Expect,
}

#[derive(Default)]
struct Expect {
    code: i32,
    stderr: Vec<String>,
    stdout: Vec<String>,
}

/// What stands for what in `cmd`.
pub type Places<'a> = &'a [(&'a str, String)];

impl Case {
    /// All cases below `folder`, by name.
    ///
    /// # Errors
    /// A folder that is not as this module's documentation says.
    pub fn all(folder: &Path) -> Result<Vec<Self>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            folders.push(entry?.path());
        }
        folders.retain(|path| path.is_dir());
        folders.sort();
        folders.into_iter().map(|path| Self::read(&path).with_context(|| path.display().to_string())).collect()
    }

    fn read(folder: &Path) -> Result<Self> {
        let text = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("{name} cannot be read"));
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).context("it has no name")?;
        Ok(Self { name, folder: folder.to_owned(), words: words(&text("cmd")?)?, expect: expect(&text("expect")?)? })
    }

    /// Whether `cmd` mentions a place.
    pub fn mentions(&self, place: &str) -> bool {
        self.words.iter().any(|word| word.contains(place))
    }

    /// Runs `program` and says what was not as expected; empty if all was.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn run(&self, program: &Path, places: Places) -> Result<Vec<String>> {
        let fill = |word: &String| places.iter().fold(word.clone(), |word, (place, value)| word.replace(place, value));
        let mut command = Command::new(program);
        command.args(self.words.iter().map(fill)).current_dir(&self.folder);
        Ok(self.expect.compare(&output(&mut command)?))
    }
}

/// Runs a command that prints little; one that does not end in time is killed.
///
/// # Errors
/// If it cannot be started, or did not end within [`PATIENCE`].
pub fn output(command: &mut Command) -> Result<Output> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    while child.try_wait()?.is_none() {
        if started.elapsed() > PATIENCE {
            child.kill()?;
            bail!("{command:?} did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(child.wait_with_output()?)
}

impl Expect {
    fn compare(&self, output: &Output) -> Vec<String> {
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut faults = Vec::new();
        if output.status.code() != Some(self.code) {
            faults.push(format!("{}, not code {}; it said: {stderr}{stdout}", output.status, self.code));
        }
        let missing = |stream: &str, text: &str, parts: &[String]| {
            let lacks = parts.iter().filter(|part| !text.contains(part.as_str()));
            lacks.map(|part| format!("{stream} lacks \"{part}\": {text}")).collect::<Vec<_>>()
        };
        faults.extend(missing("stderr", &stderr, &self.stderr));
        faults.extend(missing("stdout", &stdout, &self.stdout));
        if stderr.contains("panicked") || stderr.contains("backtrace") {
            faults.push(format!("it panicked: {stderr}"));
        }
        // Code 2 is the command-line parser's, which adds a hint on usage.
        if self.code == 1 && (!stderr.starts_with("error: ") || stderr.trim_end().lines().count() != 1) {
            faults.push(format!("the error is not one line that begins with \"error: \": {stderr}"));
        }
        faults
    }
}

fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').context("a double quote is not closed")?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

fn expect(text: &str) -> Result<Expect> {
    let mut expect = Expect::default();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("code", code)) => expect.code = code.parse().with_context(|| format!("`{line}`"))?,
            Some(("stderr", part)) => expect.stderr.push(part.to_owned()),
            Some(("stdout", part)) => expect.stdout.push(part.to_owned()),
            _ => bail!("`{line}` in expect; a line is `code N`, `stderr TEXT` or `stdout TEXT`"),
        }
    }
    Ok(expect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("arch \"3 4,0 0\"  --json\n").unwrap(), ["arch", "3 4,0 0", "--json"]);
        assert_eq!(words("a \"\" b").unwrap(), ["a", "", "b"]);
        assert!(words("a \"b").is_err());
    }

    #[test]
    fn expectations_are_read_line_by_line() {
        let read = expect("code 1\nstderr a b\n\nstdout c\n").unwrap();
        assert_eq!((read.code, read.stderr, read.stdout), (1, vec!["a b".to_owned()], vec!["c".to_owned()]));
        assert!(expect("stder a").is_err());
    }
}
