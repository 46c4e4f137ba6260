//! Predictions against measured pairs: the sum over the table, by the measures of GCoDE's own test log, before and after
//! a calibration from ten frames, with how far a plan's own frames are apart.

use std::path::PathBuf;

use anyhow::{Result, bail};
use cleave_app::pricing::Predictor;
use cleave_arch::{Mapping, Task};
use cleave_cost::graph::PlanGraph;
use cleave_cost::pairs::{Accuracy, Pairs, Row};
use cleave_cost::{Calibration, Machines, Stages};
use serde_json::{Value, json};

use crate::output::{Format, table};
use crate::predict::{read_pairs, read_predictor};
use crate::train::predictor::{graphs, machines};

/// What `predict` reads.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Predict")]
pub(super) struct PredictArgs {
    /// Measured pairs, by `cargo xtask bench predict` or `cleave train pairs`; several are judged one by one
    #[arg(long, value_name = "FILE")]
    pairs: Vec<PathBuf>,
    /// A predictor, by `cleave train predictor`; without it the table alone is judged
    #[arg(long, value_name = "FILE.safetensors")]
    predictor: Option<PathBuf>,
    /// Judge only plans that take at least so many milliseconds; those of GCoDE's own test log take 14.9 and more
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    from_ms: f64,
}

/// Rows that a calibration takes; they are not judged.
const CALIBRATION: usize = 10;

struct Judged {
    pair: String,
    mbps: f64,
    lut: Accuracy,
    calibrated: Accuracy,
    /// The learned predictor, as it is and scaled by the same ten frames.
    learned: Option<[Accuracy; 2]>,
    /// Repetitions of the machine itself: one frame, and half of the frames, as predictions of the others.
    noise: [Accuracy; 2],
}

pub(super) fn run(format: Format, args: &PredictArgs) -> Result<()> {
    if args.pairs.is_empty() {
        bail!("no pairs are named; give --pairs FILE, or run `cargo xtask bench predict`, which measures them");
    }
    let predictor = args.predictor.as_deref().map(read_predictor).transpose()?;
    let judged = args
        .pairs
        .iter()
        .map(|path| judge(&long(read_pairs(path)?, args.from_ms), predictor.as_ref()))
        .collect::<Result<Vec<_>>>()?;
    format.print(|| to_text(&judged), || to_json(&judged))
}

/// Without the plans that take less, but with those that calibrate.
fn long(mut pairs: Pairs, from_ms: f64) -> Pairs {
    let mut at = 0;
    pairs.rows.retain(|row| {
        at += 1;
        at <= CALIBRATION || row.latency_ms() >= from_ms
    });
    pairs
}

fn judge(pairs: &Pairs, predictor: Option<&Predictor>) -> Result<Judged> {
    let machines = machines(pairs);
    let (first, rest) = pairs.rows.split_at(CALIBRATION.min(pairs.rows.len()));
    let stages = |rows: &[Row]| rows.iter().map(|row| predict(&machines, row)).collect::<Result<Vec<_>>>();
    let measured: Vec<f64> = rest.iter().map(Row::latency_ms).collect();
    let predicted = stages(rest)?;
    let calibration =
        Calibration::fit(&stages(first)?.into_iter().zip(first.iter().map(measured_stages)).collect::<Vec<_>>());
    let totals =
        |apply: &dyn Fn(Stages) -> Stages| predicted.iter().map(|stages| apply(*stages).total()).collect::<Vec<_>>();
    let learned = predictor.map(|predictor| learned(pairs, predictor, &measured)).transpose()?;
    Ok(Judged {
        pair: pairs.pair.clone(),
        mbps: pairs.mbps,
        lut: Accuracy::of(&totals(&|stages| stages), &measured),
        calibrated: Accuracy::of(&totals(&|stages| calibration.apply(stages)), &measured),
        learned,
        noise: [Accuracy::of_a_frame(rest), Accuracy::of_half_the_frames(rest)],
    })
}

/// Without and with the factor that the first rows give.
fn learned(pairs: &Pairs, predictor: &Predictor, measured: &[f64]) -> Result<[Accuracy; 2]> {
    let (graphs, latencies): (Vec<PlanGraph>, Vec<f64>) = graphs(pairs)?.into_iter().unzip();
    let predicted = predictor.latencies(&graphs)?;
    let n = CALIBRATION.min(latencies.len());
    let ratios: Vec<f64> =
        predicted[..n].iter().zip(&latencies).map(|(predicted, measured)| measured / predicted).collect();
    let factor = cleave_cost::stats::median(&ratios).unwrap_or(1.0);
    let scaled: Vec<f64> = predicted[n..].iter().map(|latency| factor * latency).collect();
    Ok([Accuracy::of(&predicted[n..], measured), Accuracy::of(&scaled, measured)])
}

fn predict(machines: &Machines, row: &Row) -> Result<Stages> {
    Ok(machines.uncalibrated(&Mapping::of_plan(row.plan()?, Task::modelnet10())))
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
    let one = |judged: &Judged| {
        json!({
            "pair": judged.pair, "mbps": judged.mbps, "lut": judged.lut, "lut_calibrated": judged.calibrated,
            "noise_frame": judged.noise[0], "noise_half": judged.noise[1],
            "gin": judged.learned.map(|[plain, _]| plain), "gin_calibrated": judged.learned.map(|[_, scaled]| scaled),
        })
    };
    // The first pair's best predictor is the headline.
    let best = judged.first().map(|first| first.learned.map_or(first.lut, |[plain, _]| plain));
    json!({
        "bench": "predict", "mape": best.map(|best| best.mape), "within_5": best.map(|best| best.within_5),
        "within_10": best.map(|best| best.within_10), "pairwise": best.map(|best| best.pairwise),
        "noise_mape": judged.first().map(|first| first.noise[1].mape), "pairs": judged.iter().map(one).collect::<Vec<_>>(),
    })
}

fn to_text(judged: &[Judged]) -> String {
    let heading =
        ["pair", "predicted by", ">MAPE %", ">within 5 %", ">within 10 %", ">pairwise %", ">Spearman", ">rows"];
    let row = |pair: &str, by: &str, found: &Accuracy| {
        let figures =
            [found.mape, found.within_5, found.within_10, found.pairwise].map(|figure| format!("{figure:.1}"));
        let rest = [format!("{:.3}", found.spearman), found.n.to_string()];
        [vec![pair.to_owned(), by.to_owned()], figures.to_vec(), rest.to_vec()].concat()
    };
    let rows = |judged: &Judged| {
        let pair = format!("{}, {} Mbps", judged.pair, judged.mbps);
        let mut rows = vec![row(&pair, "table", &judged.lut), row("", "table, calibrated by 10", &judged.calibrated)];
        if let Some([plain, scaled]) = &judged.learned {
            rows.extend([row("", "GIN", plain), row("", "GIN, calibrated by 10", scaled)]);
        }
        let [frame, half] = &judged.noise;
        rows.extend([row("", "one frame of the others", frame), row("", "half the frames of the others", half)]);
        rows
    };
    table(&heading, judged.iter().flat_map(rows))
}
