//! `cargo xtask bench search`: what the shipped networks take with every placement in the built worker in Chromium and a
//! native edge, whether seeded searches keep what they promise, and whether the dispatcher beats fixed choices.

use anyhow::Result;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::live::{Edge, TOKEN};
use crate::serve;
use crate::shell::Shell;
use crate::stages::bench_worker;
use crate::tools::{self, say};

/// The network that searched ones are held against.
const BASELINE: &str = "dgcnn10";
/// Accuracy on the test split that a searched network may lose to stand in the table: the test lets it in.
const LOSS: f64 = 0.01;

/// How much is measured.
#[derive(clap::Args)]
#[command(next_help_heading = "search")]
pub struct SearchOptions {
    /// Parts: table, seeds, dispatch.
    #[arg(long, value_delimiter = ',', default_value = "table,seeds,dispatch")]
    parts: Vec<String>,
    /// Frames of a placement or a found design.
    #[arg(long, default_value_t = 15)]
    median_of: usize,
    /// Seeded searches.
    #[arg(long, default_value_t = 50)]
    seeds: usize,
    /// Least accuracy that the dispatcher keeps to.
    #[arg(long, default_value_t = 0.93)]
    accuracy: f64,
    /// Most latency that the dispatcher keeps to, milliseconds: it then runs the most accurate instead of the fastest.
    #[arg(long)]
    latency: Option<f64>,
    /// How many times slower the device is emulated; the profile is of the device as it is.
    #[arg(long, default_value_t = 1.0)]
    slow: f64,
}

/// Measures and prints.
pub fn run(shell: &Shell, options: &SearchOptions, as_json: bool) -> Result<()> {
    tools::chromium(shell)?;
    let (page, reports) = serve::start(vec![shell.dist(), bench_worker(shell)?, shell.root().join("www")])?;
    let edge = Edge::on_free_port(shell, &format!("http://{page}"))?;
    let _running = edge.start()?;
    say("measuring in the browser: a minute for the profile, then some minutes");
    let url = format!(
        "http://{page}/search.html#edge=ws://{}/ws&token={TOKEN}&runs={}&seeds={}&accuracy={}{}&slow={}&parts={}",
        edge.address(),
        options.median_of,
        options.seeds,
        options.accuracy,
        options.latency.map(|millis| format!("&latency={millis}")).unwrap_or_default(),
        options.slow,
        options.parts.join(",")
    );
    let _browser = Browser::open(shell, &url)?;
    let mut found = Found { slow: options.slow, ..Found::default() };
    while let Some(figure) = serve::next_figure(&reports)? {
        found.take(figure);
    }
    if as_json {
        println!("{}", found.json());
    } else {
        found.print();
    }
    Ok(())
}

/// Everything that was reported.
#[derive(Default)]
struct Found {
    slow: f64,
    textbook: Value,
    rows: Vec<Value>,
    searches: Vec<Value>,
    dispatched: Value,
    fixed: Vec<Value>,
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

impl Found {
    fn take(&mut self, mut figure: Value) {
        for (key, list) in [("row", &mut self.rows), ("search", &mut self.searches), ("fixed", &mut self.fixed)] {
            if let Some(value) = figure.get_mut(key) {
                list.push(value.take());
            }
        }
        for (key, one) in [("textbook", &mut self.textbook), ("dispatched", &mut self.dispatched)] {
            if let Some(value) = figure.get_mut(key) {
                *one = value.take();
            }
        }
    }

    /// The row of a placement at a rate that is fastest, of the baseline or of networks that lose no more than allowed.
    fn fastest(&self, mbps: f64, is_baseline: bool, placements: &[&str]) -> Option<&Value> {
        let least =
            self.rows.iter().find(|row| word(row, "name") == BASELINE).map(|row| number(row, "accuracy") - LOSS);
        let fits = |row: &&Value| {
            number(row, "mbps") == mbps
                && placements.contains(&word(row, "placement"))
                && (word(row, "name") == BASELINE) == is_baseline
                && (is_baseline || least.is_some_and(|least| number(row, "accuracy") >= least))
        };
        self.rows.iter().filter(fits).min_by(|a, b| number(a, "millis").total_cmp(&number(b, "millis")))
    }

    /// (a) to (f) of a rate, with what each gains over (a).
    fn table(&self, mbps: f64) -> Vec<Value> {
        let wanted = [
            ("(a) DGCNN on the device", true, &["device"][..]),
            ("(b) DGCNN on the edge", true, &["edge"]),
            ("(c) DGCNN at its best cut", true, &["cut"]),
            ("(d) searched, on the device", false, &["device"]),
            ("(e) searched, then cut", false, &["cut"]),
            ("(f) searched, on the edge", false, &["edge"]),
        ];
        let Some(base) = self.fastest(mbps, true, &["device"]) else { return Vec::new() };
        let line = |(label, is_baseline, placements): (&str, bool, &[&str])| {
            let row = self.fastest(mbps, is_baseline, placements)?;
            let less = |key: &str, from: &Value| 1.0 - number(row, key) / number(from, key);
            Some(json!({
                "label": label, "mbps": mbps, "name": row["name"], "plan": row["plan"], "accuracy": row["accuracy"],
                "millis": row["millis"], "predicted_ms": row["predicted_ms"], "energy_mj": row["energy"],
                "device_peak_bytes": row["bytes"], "times_faster": number(base, "millis") / number(row, "millis"),
                "less_memory": less("bytes", base), "less_energy": less("energy", base),
                "times_faster_than_textbook": number(&self.textbook, "millis") / number(row, "millis"),
                "less_memory_than_textbook": less("bytes", &self.textbook),
                "less_energy_than_textbook": less("energy", &self.textbook),
            }))
        };
        wanted.into_iter().filter_map(line).collect()
    }

    fn kept(&self) -> usize {
        self.searches.iter().filter(|search| number(search, "millis") <= number(search, "limit")).count()
    }

    fn gain(&self) -> Option<f64> {
        let best = self.fixed.iter().map(|fixed| number(fixed, "mean")).min_by(f64::total_cmp)?;
        Some(1.0 - number(&self.dispatched, "mean") / best)
    }

    fn json(&self) -> Value {
        let table = [self.table(40.0), self.table(10.0)].concat();
        json!({
            "device_slowdown": self.slow, "table": table, "textbook": self.textbook, "rows": self.rows,
            "searches": self.searches, "searches_within_limit": self.kept(), "dispatched": self.dispatched,
            "fixed": self.fixed, "dispatch_gain": self.gain(),
        })
    }

    fn print(&self) {
        if self.slow != 1.0 {
            println!("the device is emulated {} × slower than this browser; the edge is as it is", self.slow);
        }
        for mbps in [40.0, 10.0] {
            self.print_table(mbps);
        }
        if !self.searches.is_empty() {
            let most = |key: &str| self.searches.iter().map(|search| number(search, key)).fold(0.0, f64::max);
            let least = self.searches.iter().map(|search| number(search, "per_second")).fold(f64::INFINITY, f64::min);
            println!(
                "\n{} of {} searches: the measured latency is within the limit; at most {:.1} s each; {least:.0} to {:.0} \
                 candidates a second",
                self.kept(),
                self.searches.len(),
                most("seconds"),
                most("per_second")
            );
        }
        if let Some(gain) = self.gain() {
            self.print_dispatch(gain);
        }
    }

    fn print_table(&self, mbps: f64) {
        let rows = self.table(mbps);
        if rows.is_empty() {
            return;
        }
        println!(
            "\nat {mbps} Mbps                 network        accuracy   latency    energy    memory   × faster   memory   energy"
        );
        for row in rows {
            println!(
                "{:<28} {:<14} {:>6.2} %  {:>6.1} ms {:>6.0} mJ {:>6.2} MB    {:>6.1}  {:>+6.1} %  {:>+6.1} %",
                word(&row, "label"),
                word(&row, "name"),
                100.0 * number(&row, "accuracy"),
                number(&row, "millis"),
                number(&row, "energy_mj"),
                number(&row, "device_peak_bytes") / 1e6,
                number(&row, "times_faster"),
                0.0 - 100.0 * number(&row, "less_memory"),
                0.0 - 100.0 * number(&row, "less_energy"),
            );
            println!(
                "{:>46} against unfused DGCNN: × {:.1}, memory {:+.1} %, energy {:+.1} %",
                "",
                number(&row, "times_faster_than_textbook"),
                0.0 - 100.0 * number(&row, "less_memory_than_textbook"),
                0.0 - 100.0 * number(&row, "less_energy_than_textbook"),
            );
        }
        println!(
            "DGCNN unfused, all distances sorted, on the device: {:.0} ms, {:.0} mJ, {:.1} MB",
            number(&self.textbook, "millis"),
            number(&self.textbook, "energy"),
            number(&self.textbook, "bytes") / 1e6
        );
    }

    fn print_dispatch(&self, gain: f64) {
        let means = |of: &Value| {
            let means = of["means"].as_array().map(Vec::as_slice).unwrap_or_default();
            means.iter().map(|mean| format!("{:.1}", mean.as_f64().unwrap_or(f64::NAN))).collect::<Vec<_>>().join(", ")
        };
        println!(
            "\ndispatcher, 100 → 5 → 40 Mbps: {:.1} ms ({}), {} frames, {} not as planned",
            number(&self.dispatched, "mean"),
            means(&self.dispatched),
            number(&self.dispatched, "frames"),
            number(&self.dispatched, "other")
        );
        for decision in self.dispatched["decided"].as_array().into_iter().flatten() {
            println!(
                "  {:.0} ms after {} Mbps: {}",
                number(decision, "after_ms"),
                number(decision, "mbps"),
                word(decision, "reason")
            );
        }
        for fixed in &self.fixed {
            println!(
                "fixed {:<14} {:<40} {:.1} ms ({})",
                word(fixed, "name"),
                word(fixed, "plan"),
                number(fixed, "mean"),
                means(fixed)
            );
        }
        println!("{:.1} % less than the best fixed choice", 100.0 * gain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, accuracy: f64, placement: &str, millis: f64) -> Value {
        json!({ "row": {
            "name": name, "accuracy": accuracy, "mbps": 40.0, "placement": placement, "millis": millis, "energy": millis,
            "bytes": 1e6 * millis,
        } })
    }

    #[test]
    fn the_fastest_that_loses_little_stands_in_the_table() {
        let mut found = Found::default();
        for figure in [
            row("dgcnn10", 0.94, "device", 100.0),
            row("dgcnn10", 0.94, "edge", 50.0),
            row("dgcnn10", 0.94, "cut", 60.0),
            row("small", 0.925, "cut", 1.0),
            row("good", 0.935, "cut", 5.0),
            row("good", 0.935, "device", 8.0),
            row("small", 0.925, "edge", 1.0),
            row("good", 0.935, "edge", 4.0),
            row("slow", 0.945, "cut", 20.0),
        ] {
            found.take(figure);
        }
        let table = found.table(40.0);
        let names: Vec<&str> = table.iter().map(|row| word(row, "name")).collect();
        assert_eq!(names, ["dgcnn10", "dgcnn10", "dgcnn10", "good", "good", "good"]);
        assert_eq!(number(&table[4], "times_faster"), 20.0);
        assert_eq!(number(&table[4], "less_memory"), 0.95);
        assert_eq!((word(&table[5], "label"), number(&table[5], "times_faster")), ("(f) searched, on the edge", 25.0));
        assert!(found.table(10.0).is_empty());
    }

    #[test]
    fn searches_and_dispatching_are_counted() {
        let mut found = Found::default();
        found.take(json!({ "search": { "limit": 5.0, "millis": 4.9 } }));
        found.take(json!({ "search": { "limit": 5.0, "millis": 5.1 } }));
        found.take(json!({ "dispatched": { "mean": 6.0 } }));
        assert_eq!(found.gain(), None);
        found.take(json!({ "fixed": { "mean": 10.0 } }));
        found.take(json!({ "fixed": { "mean": 12.0 } }));
        assert_eq!((found.kept(), found.gain()), (1, Some(0.4)));
    }
}
