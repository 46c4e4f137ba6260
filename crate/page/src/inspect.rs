//! One design as a pipeline over two lanes: its operations in order on the tier that runs them, and what crosses the link
//! between them. Shapes and bytes follow from the plan and the task, as for the network in use; times are the worker's.

use crate::format;
use crate::pipeline::{Row, Use, boundary, rows};
use crate::price::{PARTS, Part};
use cleave_arch::{ArchError, LinkCodec, Mapping, Plan, Task, Tier};
use cleave_contract::{Inspection, Price};

/// One column of the drawing.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// An operation, in the lane of its tier.
    Operation {
        /// Counted from 1.
        number: usize,
        /// What it is.
        row: Row,
        /// Predicted time, if it was told.
        millis: Option<f64>,
    },
    /// Values change the lane.
    Crossing {
        /// Where they go.
        to: Tier,
        /// Before compression.
        bytes: usize,
        /// `features 1024 × 64`.
        content: String,
    },
}

/// The columns from input to answer.
///
/// # Errors
/// The architecture's own error if the plan is not one.
pub fn stages(inspection: &Inspection, codec: LinkCodec) -> Result<Vec<Stage>, ArchError> {
    let plan = inspection.plan.parse::<Plan>()?.with_codec(codec);
    let task = Task {
        n_points: inspection.n_points,
        in_channels: inspection.in_channels,
        k: inspection.k,
        n_classes: inspection.n_classes,
        graph: plan.architecture().graph_source(),
    }
    .checked()?;
    let mapping = Mapping::of_plan(plan, task);
    let crossings = mapping.crossings();
    let mut stages = Vec::new();
    for (op, row) in rows(&mapping).into_iter().enumerate() {
        if crossings.contains(&op) {
            let sent = boundary(&mapping, op);
            stages.push(Stage::Crossing { to: mapping.tier_of(op), bytes: sent.bytes, content: sent.content });
        }
        let millis = inspection.op_ms.get(op).copied().filter(|_| row.use_ == Use::Needed);
        stages.push(Stage::Operation { number: op + 1, row, millis });
    }
    if mapping.tier_of(mapping.n_steps() - 1) == Tier::Edge {
        // The logits, one f32 each, return whatever the codec is.
        let content = format!("logits {}", format::shape(&[1, task.n_classes]));
        stages.push(Stage::Crossing { to: Tier::Device, bytes: 4 * task.n_classes, content });
    }
    Ok(stages)
}

/// A part of the price with its share of the whole, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Which.
    pub part: Part,
    /// Milliseconds.
    pub millis: f64,
    /// Where its piece of the bar begins.
    pub start: f64,
    /// How long its piece is.
    pub length: f64,
}

/// The price as one bar.
pub fn shares(price: &Price) -> Vec<Share> {
    let total = price.total_ms().max(1e-9);
    let mut start = 0.0;
    let share = |part: Part| {
        let millis = part.of(price);
        let share = Share { part, millis, start, length: millis / total };
        start += share.length;
        share
    };
    PARTS.into_iter().map(share).collect()
}

/// What else a frame costs, in words.
pub fn costs(price: &Price) -> String {
    let edge = match price.edge_peak_bytes {
        0 => String::new(),
        bytes => format!(", {} on the edge", format::bytes(bytes as usize)),
    };
    format!(
        "{} ± {} a frame; up to {:.1} frames/s; peak memory {} on the device{edge}; {:.1} mJ a frame on the device, an estimate.",
        format::millis(price.total_ms()),
        format::millis(price.uncertainty_ms),
        price.frames_per_second,
        format::bytes(price.device_peak_bytes as usize),
        price.energy_millijoules
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::price::tests::price;

    /// kNN, aggregate (3 → 6), combine 64, pool; one millisecond for each.
    pub(crate) fn inspection(plan: &str) -> Inspection {
        Inspection {
            plan: plan.into(),
            n_points: 1024,
            in_channels: 3,
            k: 20,
            n_classes: 10,
            price: price(1.0),
            op_ms: vec![1.0; 5],
        }
    }

    /// One letter per operation (its tier) and an arrow with bytes per crossing.
    fn drawn(plan: &str, codec: &str) -> String {
        let stages = stages(&inspection(plan), codec.parse().unwrap()).unwrap();
        let word = |stage: &Stage| match stage {
            Stage::Operation { row, .. } if row.tier == Tier::Device => "D".to_owned(),
            Stage::Operation { .. } => "E".into(),
            Stage::Crossing { to: Tier::Edge, bytes, .. } => format!("↓{bytes}"),
            Stage::Crossing { bytes, .. } => format!("↑{bytes}"),
        };
        stages.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_operation_is_in_its_lane_and_every_crossing_says_its_bytes() {
        assert_eq!(drawn("3 2 1 4,0 6 3 0", "f32"), "D D D D D");
        assert_eq!(drawn("3 2 5 1 4,0 6 0 3 0", "f32"), format!("D D ↓{} E E E ↑40", 1024 * 6 * 4));
        assert_eq!(drawn("3 2 5 1 4,0 6 0 3 0", "f16"), format!("D D ↓{} E E E ↑40", 1024 * 6 * 2));
        assert_eq!(drawn("5 3 2 1 5 4,0 0 6 3 0 0", "f32"), format!("↓{} E E E ↑{} D D", 1024 * 3 * 4, 1024 * 64 * 4));
        assert_eq!(drawn("3 2 1 4 5,0 6 3 0 0", "f32"), format!("D D D D ↓{} E ↑40", 64 * 4));
    }

    #[test]
    fn operations_have_names_shapes_and_times_unless_they_are_skipped() {
        // The first graph is replaced before anybody reads it.
        let mut told = inspection("3 3 2 1 4,0 0 6 3 0");
        told.op_ms = vec![0.5, 1.5, 2.5];
        let stages = stages(&told, LinkCodec::default()).unwrap();
        let Stage::Operation { number, row, millis } = &stages[2] else { panic!("{stages:?}") };
        assert_eq!(
            (*number, row.label.as_str(), row.shape.as_str(), *millis),
            (3, "aggregate max", "1024 × 6", Some(2.5))
        );
        let times = stages.iter().map(|stage| match stage {
            Stage::Operation { millis, .. } => *millis,
            Stage::Crossing { .. } => None,
        });
        assert_eq!(times.collect::<Vec<_>>(), [None, Some(1.5), Some(2.5), None, None, None]);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        assert!(stages(&inspection("99,0"), LinkCodec::default()).is_err());
        assert!(stages(&Inspection { k: 0, ..inspection("3 2 1 4,0 6 3 0") }, LinkCodec::default()).is_err());
    }

    #[test]
    fn the_parts_fill_the_bar() {
        let shares = shares(&price(6.0));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let ends = shares.iter().map(|share| share.start + share.length);
        assert!(ends.zip([0.6, 0.8, 0.9, 0.95, 1.0]).all(|(end, wanted)| near(end, wanted)), "{shares:?}");
        assert!(shares.windows(2).all(|pair| near(pair[1].start, pair[0].start + pair[0].length)));
        let words = costs(&Price { edge_peak_bytes: 0, ..price(6.0) });
        assert!(words.starts_with("10.0 ms ± 1.0 ms") && !words.contains("on the edge"), "{words}");
    }
}
