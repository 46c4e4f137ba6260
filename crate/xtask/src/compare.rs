//! One truth: what the worker found in the browser is found by the command line, too, to the last bit: a search, a price
//! list and a partition plan by the same profile, link, settings and seed.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::metadata;
use crate::shell::{Shell, capture};

/// The folder with the profile that both are given: of two real machines, corrected by made-up frames.
pub const CASE: &str = "crate/xtask/case";

/// Has the command line do what the page's message says, and compares; a sentence for the log.
pub fn with_command(shell: &Shell, message: &str) -> Result<String> {
    let page: Value = serde_json::from_str(message).context("the page's message is no JSON")?;
    let program = metadata::target_folder(shell)?.join("release/cleave");
    let profile = shell.root().join(CASE).join("profile.json").display().to_string();
    let run = |arguments: Vec<String>| -> Result<Value> {
        let mut command = Command::new(&program);
        command.current_dir(shell.root()).args(&arguments).arg("--json");
        serde_json::from_str(&capture(&mut command)?).with_context(|| format!("cleave {}", arguments.join(" ")))
    };
    let priced = arguments("arch", [("--profile", profile.clone())]);
    let priced = run([priced, vec![text(&page, "plan")?.to_owned()]].concat())?;
    let cuts = cuts(&page, &priced)?;
    let designs = designs(&page, &run(search(&page["request"], &profile)?)?)?;
    let times = metadata::target_folder(shell)?.join("compared-times.json");
    std::fs::write(&times, text(&page, "times")?).context("the times cannot be written")?;
    let times = times.display().to_string();
    let plans = plans(&page, &run(partition(&page["partition"], &times)?)?)?;
    Ok(format!("command line and worker agree on {cuts} prices, {designs} designs and {plans} partition plans"))
}

fn text<'a>(page: &'a Value, key: &str) -> Result<&'a str> {
    page[key].as_str().with_context(|| format!("the page's message has no {key}"))
}

fn list<'a>(of: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    let list = of[key].as_array().with_context(|| format!("there is no list of {key}"))?;
    ensure!(!list.is_empty(), "there are no {key} to compare");
    Ok(list)
}

fn search(request: &Value, profile: &str) -> Result<Vec<String>> {
    let number = |key: &str| request[key].to_string();
    let word = |key: &str| request[key].as_str().map(str::to_lowercase).with_context(|| format!("no {key}"));
    Ok(arguments(
        "search",
        [
            ("--device", profile.to_owned()),
            ("--strategy", word("strategy")?),
            ("--latency-ms", number("latency_ms")),
            ("--candidates", number("candidates")),
            ("--evaluations", number("evaluations")),
            ("--seed", number("seed")),
            ("--codec", word("codec")?),
        ],
    ))
}

fn partition(request: &Value, times: &str) -> Result<Vec<String>> {
    let count = request["slower"].as_array().context("no workers")?.len();
    Ok(arguments(
        "partition",
        [
            ("--network", request["network"].as_str().context("no network")?.to_owned()),
            ("--count", count.to_string()),
            ("--setup-ms", request["setup_ms"].to_string()),
            ("--mbps", request["mbps"].to_string()),
            ("--delay-ms", request["delay_ms"].to_string()),
            ("--times", times.to_owned()),
        ],
    ))
}

fn arguments<const N: usize>(command: &str, options: [(&str, String); N]) -> Vec<String> {
    let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    std::iter::once(command.to_owned()).chain(options).collect()
}

/// Equal to the last bit: both sides print the shortest number that reads back as the same.
fn same(what: &str, page: &[Value], command: &[Value]) -> Result<usize> {
    ensure!(page.len() == command.len(), "{what}: {} in the browser, {} by the command", page.len(), command.len());
    match page.iter().zip(command).find(|(page, command)| page != command) {
        Some((page, command)) => bail!("{what} differ: {page} in the browser, {command} by the command"),
        None => Ok(page.len()),
    }
}

fn cuts(page: &Value, command: &Value) -> Result<usize> {
    let told = list(page, "cuts")?.iter().map(|cut| {
        json!([
            cut["device_ms"],
            cut["up_ms"],
            cut["edge_ms"],
            cut["down_ms"],
            cut["other_ms"],
            cut["energy_millijoules"],
            cut["device_peak_bytes"],
            cut["edge_peak_bytes"],
        ])
    });
    let printed = list(command, "cuts")?.iter().map(|cut| {
        let price = &cut["prediction"];
        json!([
            price["device_ms"],
            price["uplink_ms"],
            price["edge_ms"],
            price["downlink_ms"],
            price["other_ms"],
            price["energy_mj_estimate"],
            price["device_peak_bytes"],
            price["edge_peak_bytes"],
        ])
    });
    same("prices", &told.map(floats).collect::<Vec<_>>(), &printed.map(floats).collect::<Vec<_>>())
}

fn designs(page: &Value, command: &Value) -> Result<usize> {
    let told = list(page, "designs")?.iter().map(|design| {
        json!([
            design["plan"],
            design["accuracy"],
            design["latency_ms"],
            design["energy_millijoules"],
            design["device_peak_bytes"],
            design["link_bytes"],
        ])
    });
    let printed = list(command, "zoo")?.iter().map(|design| {
        let metrics = &design["metrics"];
        json!([
            design["plan"],
            design["accuracy"],
            metrics["latency_ms"],
            metrics["energy_mj"],
            metrics["device_bytes"],
            metrics["link_bytes"],
        ])
    });
    let sorted = |designs: Vec<Value>| {
        let mut designs: Vec<Value> = designs.into_iter().map(floats).collect();
        designs.sort_by_key(|design| design[0].to_string());
        designs
    };
    same("designs", &sorted(told.collect()), &sorted(printed.collect()))
}

fn plans(page: &Value, command: &Value) -> Result<usize> {
    let told = list(page, "plans")?
        .iter()
        .map(|plan| json!([plan["strategy"], plan["millis"], plan["messages"], plan["bytes"], plan["energy_joules"]]));
    let printed = list(command, "plans")?
        .iter()
        .map(|plan| json!([plan["strategy"], plan["ms"], plan["messages"], plan["bytes"], plan["energy_joules"]]));
    same("partition plans", &told.map(floats).collect::<Vec<_>>(), &printed.map(floats).collect::<Vec<_>>())
}

/// JavaScript prints 2.0 as 2: every number as a float.
fn floats(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(floats).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_whatever_their_form_and_to_the_last_bit() {
        let page =
            json!({ "plans": [{ "strategy": "iop", "millis": 2, "messages": 4, "bytes": 10, "energy_joules": 0.5 }] });
        let with = |ms: f64| json!({ "plans": [{ "strategy": "iop", "ms": ms, "messages": 4, "bytes": 10, "energy_joules": 0.5 }] });
        assert_eq!(plans(&page, &with(2.0)).unwrap(), 1);
        let why = plans(&page, &with(2.0 + f64::EPSILON * 2.0)).unwrap_err().to_string();
        assert!(why.contains("partition plans differ"), "{why}");
        assert!(plans(&page, &json!({ "plans": [] })).is_err());
    }
}
