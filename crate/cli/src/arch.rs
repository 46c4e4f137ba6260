//! `cleave arch`: what a network takes, operation by operation, and what every cut sends.

use anyhow::{Context, Result};
use cleave_arch::{Architecture, Codec, LinkCodec, Live, Mapping, Plan, Slot, Step, Task, Tier, Trace};
use cleave_wire::LinkShape;
use serde_json::{Value, json};

use crate::output::{Format, grouped, table};
use crate::predict::{PredictArgs, Prediction, Pricer};
use crate::task::{self, TaskArgs};

const CODECS: [Codec; 3] = [Codec::F32, Codec::F16, Codec::I8];

/// Arguments of `cleave arch`.
#[derive(clap::Args, Debug)]
pub(crate) struct ArchArgs {
    /// Operation ids, a comma, function ids, such as "3 2 1 4 5,0 6 3 0 0", or `dgcnn`; `given: ` before the ids of a
    /// network whose input brings its graph
    #[arg(value_name = "OPS,FUNCTIONS")]
    text: String,
    #[command(flatten)]
    task: TaskArgs,
    /// How values cross the link: f32, f16 or i8, each with or without +lz4
    #[arg(long, default_value_t)]
    codec: LinkCodec,
    #[command(flatten)]
    predict: PredictArgs,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &ArchArgs) -> Result<()> {
    let plan = parse_plan(&args.text)?.with_codec(args.codec);
    let pricer = args.predict.pricer(&LinkShape::UNSHAPED)?;
    let sizes = Task { graph: plan.architecture().graph_source(), ..Task::modelnet10() };
    let account = Account::new(plan, args.task.over(sizes)?, &pricer);
    Format::from_flag(args.json).print(|| account.to_text(), || account.to_json())
}

/// The text form, or the name `dgcnn`.
pub(crate) fn parse_plan(text: &str) -> Result<Plan> {
    if text.eq_ignore_ascii_case("dgcnn") {
        return Ok(Plan::whole(Architecture::dgcnn(), Tier::Device));
    }
    text.parse().with_context(|| format!("the architecture \"{text}\""))
}

/// One network on two tiers for one task, and what that takes.
struct Account {
    plan: Plan,
    task: Task,
    trace: Trace,
    /// Milliseconds of every operation, then of the classifier.
    op_times: Vec<f64>,
    prediction: Prediction,
    /// Of every single cut, before operation 0 to the end.
    cuts: Vec<Prediction>,
}

impl Account {
    /// Traces the plan and prices it and every single cut.
    fn new(plan: Plan, task: Task, pricer: &Pricer) -> Self {
        let trace = plan.architecture().trace(&task);
        let mapping = Mapping::of_plan(plan.clone(), task);
        let op_times = pricer.prices.machines().step_times(&mapping);
        let (prediction, cuts) = (pricer.price(&mapping), pricer.cuts(&mapping));
        Self { plan, task, trace, op_times, prediction, cuts }
    }

    /// Everything, for programs. Positions count operations, not communicates; cut `i` is before operation `i`.
    fn to_json(&self) -> Value {
        let n_ops = self.trace.steps.len();
        json!({
            "plan": self.plan.to_string(),
            "architecture": self.plan.architecture().to_string(),
            "codec": self.plan.codec().to_string(),
            "task": task::to_json(&self.task),
            "operations": self.trace.steps.iter().enumerate().zip(&self.op_times)
                .map(|((i, step), ms)| self.step_json(i, step, *ms)).collect::<Vec<_>>(),
            "classifier": self.classifier_json(),
            "cuts": (0..=n_ops).map(|at| self.cut_json(at)).collect::<Vec<_>>(),
            "segments": self.plan.segments().iter().map(segment_json).collect::<Vec<_>>(),
            "totals": self.totals_json(),
            "prediction": self.prediction.to_json(),
        })
    }

    fn step_json(&self, at: usize, step: &Step, predicted_ms: f64) -> Value {
        let (id, function) = step.op.ids();
        json!({
            "position": at, "operation": step.op.to_string(), "id": id, "function": function,
            "tier": self.plan.tier_of(at).to_string(), "input": step.input, "output": step.output,
            "flops": step.flops, "params": step.params, "peak_bytes": step.peak_bytes, "dead": step.dead,
            "predicted_ms": predicted_ms, "cut_bytes_before": self.bytes_json(at),
        })
    }

    fn classifier_json(&self) -> Value {
        let classifier = &self.trace.classifier;
        json!({
            "tier": self.plan.tier_of_classifier().to_string(), "input": classifier.input, "layers": classifier.layers,
            "flops": classifier.flops, "params": classifier.params, "predicted_ms": self.op_times.last(),
        })
    }

    fn cut_json(&self, at: usize) -> Value {
        let live: Vec<Value> = self.trace.live_before(at).iter().map(live_json).collect();
        let is_used = self.plan.crossings().contains(&at);
        json!({
            "before": at, "bytes": self.bytes_json(at), "live": live, "used": is_used,
            "prediction": self.cuts[at].to_json(),
        })
    }

    /// Payload of a cut before compression and framing.
    fn bytes_json(&self, at: usize) -> Value {
        let bytes = CODECS.map(|codec| (codec.to_string(), json!(self.trace.cut_bytes(at, codec))));
        Value::Object(bytes.into_iter().collect())
    }

    fn totals_json(&self) -> Value {
        json!({
            "flops": self.trace.flops(), "params": self.trace.params(), "peak_bytes": self.trace.peak_bytes(),
            "device_flops": self.flops_of(Tier::Device), "edge_flops": self.flops_of(Tier::Edge),
            "uplink_bytes": self.link_bytes(Tier::Edge), "downlink_bytes": self.link_bytes(Tier::Device),
        })
    }

    fn flops_of(&self, tier: Tier) -> u64 {
        let steps = self.trace.steps.iter().enumerate().filter(|(i, _)| self.plan.tier_of(*i) == tier);
        let classifier = if self.plan.tier_of_classifier() == tier { self.trace.classifier.flops } else { 0 };
        steps.fold(classifier, |sum, (_, step)| sum.saturating_add(step.flops))
    }

    /// What crosses towards `tier` in one frame, logits included: they always travel as f32.
    fn link_bytes(&self, tier: Tier) -> usize {
        let crossings = self.plan.crossings();
        let towards = crossings.iter().filter(|at| self.plan.tier_of(**at) == tier);
        let cuts: usize = towards.map(|at| self.trace.cut_bytes(*at, self.plan.codec().codec)).sum();
        let answer_returns = tier == Tier::Device && self.plan.tier_of_classifier() == Tier::Edge;
        cuts + if answer_returns { self.task.n_classes * size_of::<f32>() } else { 0 }
    }

    /// A table of operations, one of cuts, and totals, for people.
    fn to_text(&self) -> String {
        let Task { n_points, in_channels, k, n_classes, .. } = self.task;
        format!(
            "{}\n{n_points} points of {in_channels} channels, k = {k}, {n_classes} classes, link codec {}\n\n{}\n{}\n{}\n{}",
            self.plan,
            self.plan.codec(),
            self.steps_text(),
            self.cuts_text(),
            self.totals_text(),
            self.prediction.to_text()
        )
    }

    fn steps_text(&self) -> String {
        let heading = [">at", "operation", "tier", ">input", ">output", ">FLOPs", ">parameters", ">peak bytes", ""];
        let mut rows: Vec<Vec<String>> =
            self.trace.steps.iter().enumerate().map(|(i, step)| self.step_row(i, step)).collect();
        let classifier = &self.trace.classifier;
        rows.push(vec![
            String::new(),
            "classifier".into(),
            self.plan.tier_of_classifier().to_string(),
            shape([1, classifier.input]),
            shape([1, self.task.n_classes]),
            grouped(classifier.flops),
            grouped(classifier.params),
        ]);
        table(&heading, rows)
    }

    fn step_row(&self, at: usize, step: &Step) -> Vec<String> {
        vec![
            at.to_string(),
            step.op.to_string(),
            self.plan.tier_of(at).to_string(),
            shape(step.input),
            shape(step.output),
            grouped(step.flops),
            grouped(step.params),
            grouped(step.peak_bytes),
            if step.dead { "dead: nobody reads its graph".into() } else { String::new() },
        ]
    }

    fn cuts_text(&self) -> String {
        let crossings = self.plan.crossings();
        let n_ops = self.trace.steps.len();
        let row = |at: usize| {
            let bytes = CODECS.map(|codec| grouped(self.trace.cut_bytes(at, codec) as u64));
            let live: Vec<String> = self.trace.live_before(at).iter().map(live_text).collect();
            let used = if crossings.contains(&at) { "  <- cut here" } else { "" };
            let place = if at == n_ops { "classifier".into() } else { at.to_string() };
            [vec![place], bytes.to_vec(), vec![live.join(", ") + used]].concat()
        };
        table(&[">cut before", ">f32", ">f16", ">i8", "bytes of"], (0..=n_ops).map(row))
    }

    fn totals_text(&self) -> String {
        let of = |tier| grouped(self.flops_of(tier));
        let link = |tier| grouped(self.link_bytes(tier) as u64);
        format!(
            "{} FLOPs ({} on the device, {} on the edge), {} parameters, peak {} bytes on one tier\n\
             per frame {} bytes to the edge, {} bytes back",
            grouped(self.trace.flops()),
            of(Tier::Device),
            of(Tier::Edge),
            grouped(self.trace.params()),
            grouped(self.trace.peak_bytes()),
            link(Tier::Edge),
            link(Tier::Device)
        )
    }
}

fn shape([rows, cols]: [usize; 2]) -> String {
    format!("[{rows}, {cols}]")
}

fn slot_name(slot: Slot) -> String {
    match slot {
        Slot::Features => "features".into(),
        Slot::Graph => "graph".into(),
        Slot::SkipSource => "skip source".into(),
        Slot::Joined(m) => format!("edge convolution {m}"),
    }
}

fn live_text(live: &Live) -> String {
    format!("{} {}", slot_name(live.slot), shape([live.rows, live.cols]))
}

fn live_json(live: &Live) -> Value {
    json!({ "slot": slot_name(live.slot), "rows": live.rows, "cols": live.cols })
}

fn segment_json(segment: &cleave_arch::Stretch) -> Value {
    json!({
        "tier": segment.tier.to_string(), "first": segment.ops.start, "end": segment.ops.end,
        "classifier": segment.classifier,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    fn account(text: &str) -> Account {
        let pricer = PredictArgs::default().pricer(&LinkShape::UNSHAPED).unwrap();
        Account::new(parse_plan(text).unwrap(), Task::modelnet10(), &pricer)
    }

    #[test]
    fn every_operation_and_every_cut_is_listed() {
        let json = account("3 2 1 4 5,0 6 3 3 0").to_json();
        let operations = json["operations"].as_array().unwrap();
        assert_eq!(operations.len(), 4);
        assert_eq!(operations[1]["output"], json!([1024, 6]));
        assert_eq!(operations[3]["tier"], "device");
        assert_eq!(json["classifier"]["tier"], "edge");
        let cuts = json["cuts"].as_array().unwrap();
        assert_eq!(cuts.len(), 5);
        // One pooled row of 64 ‖ 64 channels: i8 has a scale for 16 of them.
        assert_eq!(cuts[4]["bytes"], json!({ "f32": 512, "f16": 256, "i8": 160 }));
        assert_eq!((&cuts[4]["used"], &cuts[3]["used"]), (&json!(true), &json!(false)));
        assert_eq!((&json["totals"]["uplink_bytes"], &json["totals"]["downlink_bytes"]), (&json!(512), &json!(40)));
    }

    #[test]
    fn the_tiers_share_all_flops() {
        let totals = &account("3 6 5 3 6 7 5 4,0 3 0 0 3 0 0 3").to_json()["totals"];
        let sum = totals["device_flops"].as_u64().unwrap() + totals["edge_flops"].as_u64().unwrap();
        assert_eq!(totals["flops"].as_u64(), Some(sum));
    }

    #[test]
    fn people_see_what_is_dead_and_where_the_cut_is() {
        let text = account("3 5 3 2 4,0 0 0 6 0").to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().any(|line| line.contains("sample kNN") && line.contains("dead")), "{text}");
        assert!(lines.iter().any(|line| line.contains("features [1024, 3]") && line.contains("<- cut here")), "{text}");
    }

    #[test]
    fn the_name_dgcnn_stands_for_its_text() {
        assert_eq!(parse_plan("dgcnn").unwrap().architecture(), &Architecture::dgcnn());
        let why = format!("{:#}", parse_plan("9,0").unwrap_err());
        assert!(why.contains("\"9,0\"") && why.contains("operation id 9"), "{why}");
    }
}
