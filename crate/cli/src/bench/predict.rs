//! Predictions against measured pairs: the sum over the table, by the measures of GCoDE's own test log, before and after
//! a calibration from ten frames, with the noise that the machine itself has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cleave_arch::Task;
use cleave_cost::pairs::{Accuracy, Pairs, Row};
use cleave_cost::{Calibration, Machines, Stages};
use serde_json::{Value, json};

use crate::output::{Align, Format, table};

/// What `predict` reads.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Predict")]
pub(super) struct PredictArgs {
    /// Measured pairs, by `cargo xtask bench predict` or `cleave train pairs`; several are judged one by one
    #[arg(long, value_name = "FILE")]
    pairs: Vec<PathBuf>,
}

/// Rows that a calibration takes; they are not judged.
const CALIBRATION: usize = 10;

struct Judged {
    pair: String,
    mbps: f64,
    lut: Accuracy,
    calibrated: Accuracy,
    floor: Accuracy,
}

pub(super) fn run(format: Format, args: &PredictArgs) -> Result<()> {
    if args.pairs.is_empty() {
        bail!("no pairs are named; give --pairs FILE, or run `cargo xtask bench predict`, which measures them");
    }
    let judged = args.pairs.iter().map(|path| judge(&read(path)?)).collect::<Result<Vec<_>>>()?;
    format.print(|| to_text(&judged), || to_json(&judged))
}

/// Reads measured pairs.
fn read(path: &Path) -> Result<Pairs> {
    let text = fs::read_to_string(path).with_context(|| format!("the pairs {} cannot be read", path.display()))?;
    Pairs::from_json(&text).with_context(|| format!("the pairs {}", path.display()))
}

fn judge(pairs: &Pairs) -> Result<Judged> {
    let mut machines = Machines::new(&pairs.profile);
    machines.link = machines.link.shaped((pairs.mbps > 0.0).then_some(pairs.mbps), pairs.delay_ms);
    machines.calibration = Calibration::default();
    let (first, rest) = pairs.rows.split_at(CALIBRATION.min(pairs.rows.len()));
    let stages = |rows: &[Row]| rows.iter().map(|row| predict(&machines, row)).collect::<Result<Vec<_>>>();
    let measured: Vec<f64> = rest.iter().map(Row::latency_ms).collect();
    let predicted = stages(rest)?;
    let calibration =
        Calibration::fit(&stages(first)?.into_iter().zip(first.iter().map(measured_stages)).collect::<Vec<_>>());
    let totals =
        |apply: &dyn Fn(Stages) -> Stages| predicted.iter().map(|stages| apply(*stages).total()).collect::<Vec<_>>();
    Ok(Judged {
        pair: pairs.pair.clone(),
        mbps: pairs.mbps,
        lut: Accuracy::of(&totals(&|stages| stages), &measured),
        calibrated: Accuracy::of(&totals(&|stages| calibration.apply(stages)), &measured),
        floor: Accuracy::noise_floor(rest),
    })
}

fn predict(machines: &Machines, row: &Row) -> Result<Stages> {
    let (plan, task) = (row.plan()?, Task::modelnet10());
    Ok(machines.uncalibrated(&plan, &plan.architecture().trace(&task), &task))
}

/// Medians of every stage.
fn measured_stages(row: &Row) -> Stages {
    let middle = |at: usize| {
        let values: Vec<f64> = row.runs.iter().map(|run| run[at]).collect();
        cleave_cost::stats::median(&values).unwrap_or(f64::NAN)
    };
    let [device, up, edge, down, total] = [0, 1, 2, 3, 4].map(middle);
    Stages { device, up, edge, down, rest: total - device - up - edge - down }
}

fn to_json(judged: &[Judged]) -> Value {
    let accuracy = |accuracy: &Accuracy| json!(accuracy);
    let one = |judged: &Judged| {
        json!({
            "pair": judged.pair, "mbps": judged.mbps, "lut": accuracy(&judged.lut),
            "lut_calibrated": accuracy(&judged.calibrated), "noise_floor": accuracy(&judged.floor),
        })
    };
    json!({ "bench": "predict", "pairs": judged.iter().map(one).collect::<Vec<_>>() })
}

fn to_text(judged: &[Judged]) -> String {
    use Align::{Left, Right};
    let heading = [
        ("pair", Left),
        ("predicted by", Left),
        ("MAPE %", Right),
        ("within 5 %", Right),
        ("within 10 %", Right),
        ("pairwise %", Right),
        ("Spearman", Right),
        ("rows", Right),
    ];
    let row = |pair: &str, by: &str, found: &Accuracy| {
        let figures =
            [found.mape, found.within_5, found.within_10, found.pairwise].map(|figure| format!("{figure:.1}"));
        let rest = [format!("{:.3}", found.spearman), found.n.to_string()];
        [vec![pair.to_owned(), by.to_owned()], figures.to_vec(), rest.to_vec()].concat()
    };
    let rows = |judged: &Judged| {
        let pair = format!("{}, {} Mbps", judged.pair, judged.mbps);
        [
            row(&pair, "table", &judged.lut),
            row("", "table, calibrated by 10", &judged.calibrated),
            row("", "another single frame", &judged.floor),
        ]
    };
    table(&heading, &judged.iter().flat_map(rows).collect::<Vec<_>>())
}
