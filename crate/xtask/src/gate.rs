//! Runs stages one after another, to the end, and tells at the end what failed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::shell::{Shell, shown, tee};
use std::process::Command;

/// One part of the gate.
pub struct Stage {
    /// What `--only` names.
    pub name: &'static str,
    /// The heading: what it does.
    pub about: &'static str,
    /// Stages without which this one cannot work.
    pub needs: &'static [&'static str],
    pub run: fn(&Shell) -> Result<Count>,
}

/// What a stage ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
    pub ignored: usize,
}

impl Count {
    /// One thing that went well.
    pub const ONE: Self = Self { passed: 1, failed: 0, ignored: 0 };

    /// Counts a rule as one check and prints what it complains about.
    pub fn rule(&mut self, name: &str, faults: &[String]) {
        println!("{} {name}", if faults.is_empty() { "ok    " } else { "FAILED" });
        faults.iter().for_each(|fault| println!("         {fault}"));
        if faults.is_empty() { self.passed += 1 } else { self.failed += 1 }
    }

    /// Sums.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Runs a test runner and sums the `test result:` lines of all its binaries.
pub fn count_tests(command: &mut Command) -> Result<Count> {
    let mut count = Count::default();
    let status = tee(command, |line| count.add(parse_result_line(line).unwrap_or_default()))?;
    if !status.success() && count.failed == 0 {
        bail!("{} failed ({status}) before or after its tests", shown(command));
    }
    Ok(count)
}

/// `test result: ok. 3 passed; 1 failed; 2 ignored; …`
fn parse_result_line(line: &str) -> Option<Count> {
    let (_, rest) = line.split_once("test result: ")?;
    let (_, figures) = rest.split_once(". ")?;
    let figure = |word: &str| -> Option<usize> {
        let part = figures.split(';').find(|part| part.trim().ends_with(word))?;
        part.split_whitespace().next()?.parse().ok()
    };
    Some(Count { passed: figure("passed")?, failed: figure("failed")?, ignored: figure("ignored").unwrap_or(0) })
}

enum Verdict {
    Ran(Count),
    Broke(String),
    /// Names the stage that it would have needed.
    Impossible(&'static str),
}

struct Report {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

impl Report {
    fn count(&self) -> Count {
        match self.verdict {
            Verdict::Ran(count) => count,
            Verdict::Broke(_) | Verdict::Impossible(_) => Count { failed: 1, ..Count::default() },
        }
    }

    fn word(&self) -> &'static str {
        match &self.verdict {
            Verdict::Ran(Count { passed: 0, failed: 0, .. }) => "skipped",
            Verdict::Ran(Count { failed: 0, .. }) => "ok",
            Verdict::Ran(_) | Verdict::Broke(_) => "FAILED",
            Verdict::Impossible(_) => "NOT RUN",
        }
    }
}

/// Runs all stages and prints the table and the closing line; an error if any failed.
pub fn run(shell: &Shell, stages: &[&Stage]) -> Result<()> {
    let mut reports: Vec<Report> = Vec::new();
    for stage in stages {
        println!("\n== {}: {}", stage.name, stage.about);
        let started = Instant::now();
        let verdict = verdict(shell, stage, &reports);
        let report = Report { name: stage.name, verdict, took: started.elapsed() };
        println!("-- {}: {}, {}", report.name, report.word(), seconds(report.took));
        reports.push(report);
    }
    println!("\n{}", table(&reports));
    close(&reports)
}

fn verdict(shell: &Shell, stage: &Stage, before: &[Report]) -> Verdict {
    let failed = |need: &&&str| before.iter().any(|report| report.name == **need && report.count().failed > 0);
    if let Some(need) = stage.needs.iter().find(failed) {
        println!("not run: it needs the stage {need}, which failed");
        return Verdict::Impossible(need);
    }
    match (stage.run)(shell) {
        Ok(count) => Verdict::Ran(count),
        Err(error) => {
            println!("error: {error:#}");
            Verdict::Broke(format!("{error:#}"))
        }
    }
}

fn table(reports: &[Report]) -> String {
    let mut lines = vec![format!(
        "{:<14} {:<8} {:>7} {:>7} {:>8} {:>9}",
        "stage", "result", "passed", "failed", "ignored", "duration"
    )];
    for report in reports {
        let Count { passed, failed, ignored } = report.count();
        let (name, word, took) = (report.name, report.word(), seconds(report.took));
        lines.push(format!("{name:<14} {word:<8} {passed:>7} {failed:>7} {ignored:>8} {took:>9}"));
        match &report.verdict {
            Verdict::Broke(why) => lines.push(format!("               {}", why.lines().next().unwrap_or_default())),
            Verdict::Impossible(need) => lines.push(format!("               it needs {need}")),
            Verdict::Ran(_) => {}
        }
    }
    lines.join("\n")
}

/// The closing line is the last of standard output, plain, for people and for scripts.
fn close(reports: &[Report]) -> Result<()> {
    let mut total = Count::default();
    reports.iter().for_each(|report| total.add(report.count()));
    println!("\n{} passed, {} failed", total.passed, total.failed);
    let failed: Vec<&str> =
        reports.iter().filter(|report| report.count().failed > 0).map(|report| report.name).collect();
    if !failed.is_empty() {
        bail!("failed: {}; run one again with: cargo xtask test --only NAME", failed.join(", "));
    }
    Ok(())
}

fn seconds(took: Duration) -> String {
    let whole = took.as_secs();
    if whole < 60 { format!("{:.1} s", took.as_secs_f64()) } else { format!("{} min {:02} s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_cargo_and_of_the_browser_runner_are_read() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(parse_result_line(line), Some(Count { passed: 12, failed: 1, ignored: 2 }));
        let line = "test result: ok. 5 passed; 0 failed; 0 ignored; 0 filtered out; finished in 1.20s";
        assert_eq!(parse_result_line(line), Some(Count { passed: 5, failed: 0, ignored: 0 }));
        assert_eq!(parse_result_line("test cut::all ... ok"), None);
    }

    #[test]
    fn what_broke_counts_as_failed_and_stops_what_needs_it() {
        let shell = Shell::at_workspace().unwrap();
        let broken = Stage { name: "a", about: "", needs: &[], run: |_| bail!("no") };
        let needy = Stage { name: "b", about: "", needs: &["a"], run: |_| Ok(Count::ONE) };
        let free = Stage { name: "c", about: "", needs: &[], run: |_| Ok(Count::ONE) };
        let error = run(&shell, &[&broken, &needy, &free]).unwrap_err().to_string();
        assert!(error.starts_with("failed: a, b;"), "{error}");
        assert!(run(&shell, &[&needy, &free]).is_ok());
    }

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!(seconds(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
