//! A plan as a grid of operators and workers: who computes which share, and what is sent between two operators.

use crate::format;
use cleave_contract::{OperatorRow, PartitionPlan, PartitionStep, SplitWay};

/// What a worker computes of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Its units: `24`, `all` or `–`.
    pub units: String,
    /// The same as a part of all units, 0..=1.
    pub part: f64,
}

/// A place in a pair of operators between which nothing is sent, as IOP makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// In none.
    Not,
    /// Split by output channels.
    First,
    /// Split by the input channels that these are.
    Second,
}

/// An operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its layer.
    pub layer: String,
    /// Its output's shape.
    pub output: String,
    /// In which way it is split.
    pub how: &'static str,
    /// Of each worker.
    pub shares: Vec<Share>,
    /// What is sent before it, if anything is.
    pub before: Option<String>,
    /// What is sent after it, if anything is.
    pub after: Option<String>,
    /// Whether it belongs to a pair.
    pub pair: Pair,
}

/// A way to split, in words.
pub fn way(how: SplitWay) -> &'static str {
    match how {
        SplitWay::Copies => "all",
        SplitWay::Alone => "one worker",
        SplitWay::Outputs => "output channels",
        SplitWay::Inputs => "input channels",
        SplitWay::Rows => "rows",
    }
}

/// The rows from top to bottom; none of a plan that has failed.
pub fn rows(operators: &[OperatorRow], plan: &PartitionPlan) -> Vec<Row> {
    let pairs = pairs(&plan.steps);
    let row = |((operator, step), pair): ((&OperatorRow, &PartitionStep), Pair)| {
        let [before, after] = sent(step);
        Row {
            layer: operator.layer.clone(),
            output: operator.output.clone(),
            how: way(step.how),
            shares: shares(step),
            before,
            after,
            pair,
        }
    };
    operators.iter().zip(&plan.steps).zip(pairs).map(row).collect()
}

fn shares(step: &PartitionStep) -> Vec<Share> {
    let total: u64 = step.units.iter().map(|units| u64::from(*units)).sum();
    let whole = || Share { units: "all".into(), part: 1.0 };
    let share = |units: &u32| match (step.how, units) {
        (SplitWay::Copies, _) => whole(),
        (_, 0) => Share { units: "–".into(), part: 0.0 },
        (SplitWay::Alone, _) => whole(),
        (_, units) => Share { units: format::count(*units as usize), part: f64::from(*units) / total.max(1) as f64 },
    };
    step.units.iter().map(share).collect()
}

/// Bytes are known of both exchanges of a step together: they are told with the last of them.
fn sent(step: &PartitionStep) -> [Option<String>; 2] {
    let [before, after] = step.messages.map(messages);
    let bytes = format::bytes(step.bytes as usize);
    match (before, after) {
        (Some(before), Some(after)) => {
            [Some(before), Some(format!("{after} of partial sums, {bytes} with those before"))]
        }
        (before, after) => [
            before.map(|before| format!("{before}, {bytes}")),
            after.map(|after| format!("{after} of partial sums, {bytes}")),
        ],
    }
}

fn messages(n: u32) -> Option<String> {
    match n {
        0 => None,
        1 => Some("1 message".into()),
        n => Some(format!("{} messages", format::count(n as usize))),
    }
}

fn pairs(steps: &[PartitionStep]) -> Vec<Pair> {
    let mut pairs = vec![Pair::Not; steps.len()];
    for (i, two) in steps.windows(2).enumerate() {
        let is_pair = two[0].how == SplitWay::Outputs && two[1].how == SplitWay::Inputs;
        if is_pair && two[0].messages[1] == 0 && two[1].messages[0] == 0 {
            (pairs[i], pairs[i + 1]) = (Pair::First, Pair::Second);
        }
    }
    pairs
}

/// What is sent after the last operator: what the plan sends and no step does.
pub fn answer(plan: &PartitionPlan) -> Option<String> {
    let of_steps: usize = plan.steps.iter().flat_map(|step| step.messages).map(|n| n as usize).sum();
    let bytes: u64 = plan.steps.iter().map(|step| step.bytes).sum();
    let rest = messages(plan.messages.saturating_sub(of_steps) as u32)?;
    Some(format!("{rest} of the answer, {}", format::bytes(plan.bytes.saturating_sub(bytes) as usize)))
}

/// The grid in a sentence.
pub fn summary(operators: &[OperatorRow], plan: &PartitionPlan) -> String {
    let ways = [SplitWay::Outputs, SplitWay::Inputs, SplitWay::Rows, SplitWay::Alone, SplitWay::Copies];
    let count = |how: SplitWay| plan.steps.iter().filter(|step| step.how == how).count();
    let counted = ways.into_iter().map(|how| (way(how), count(how))).filter(|(_, n)| *n > 0);
    let words: Vec<String> = counted.map(|(way, n)| format!("{n} by {way}")).collect();
    let pairs = pairs(&plan.steps).into_iter().filter(|pair| *pair == Pair::First).count();
    let paired = match pairs {
        0 => String::new(),
        1 => "; 1 pair without messages between".into(),
        n => format!("; {n} pairs without messages between"),
    };
    format!(
        "{} operators: {}{paired}.",
        operators.len(),
        words.join(", ").replace("by one worker", "on one worker").replace("by all", "on all")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::tests::{partitions, plan};
    use cleave_contract::PartitionStrategy::Iop;

    fn step(how: SplitWay, units: &[u32], messages: [u32; 2]) -> PartitionStep {
        PartitionStep { how, units: units.to_vec(), messages, bytes: 2_000 }
    }

    #[test]
    fn a_pair_has_its_messages_around_it() {
        let told = partitions(vec![plan(Iop, 10.0)]);
        let rows = rows(&told.operators, &told.plans[0]);
        assert_eq!([rows[0].pair, rows[1].pair], [Pair::First, Pair::Second]);
        assert_eq!(rows[0].shares[0], Share { units: "3".into(), part: 0.75 });
        assert_eq!((rows[0].before.as_deref(), rows[0].after.as_deref()), (Some("1 message, 1.0 kB"), None));
        assert_eq!(rows[1].after.as_deref(), Some("2 messages of partial sums, 1.5 kB"));
        assert_eq!(answer(&told.plans[0]).as_deref(), Some("1 message of the answer, 500 B"));
        let words = summary(&told.operators, &told.plans[0]);
        assert_eq!(words, "2 operators: 1 by output channels, 1 by input channels; 1 pair without messages between.");
    }

    #[test]
    fn messages_between_make_no_pair() {
        let steps = [step(SplitWay::Outputs, &[1, 1], [0, 0]), step(SplitWay::Inputs, &[1, 1], [2, 2])];
        assert_eq!(pairs(&steps), [Pair::Not, Pair::Not]);
        let [before, after] = sent(&steps[1]);
        assert_eq!(before.as_deref(), Some("2 messages"));
        assert_eq!(after.as_deref(), Some("2 messages of partial sums, 2.0 kB with those before"));
        assert_eq!(sent(&steps[0]), [None, None]);
    }

    #[test]
    fn who_has_all_and_who_has_nothing_is_said_in_words() {
        let units = |how, units: &[u32]| -> Vec<String> {
            shares(&step(how, units, [0, 0])).into_iter().map(|share| share.units).collect()
        };
        assert_eq!(units(SplitWay::Alone, &[0, 1]), ["–", "all"]);
        assert_eq!(units(SplitWay::Copies, &[1, 1]), ["all", "all"]);
        assert_eq!(units(SplitWay::Rows, &[28, 0]), ["28", "–"]);
        assert!(shares(&step(SplitWay::Rows, &[0, 0], [0, 0])).iter().all(|share| share.part == 0.0));
    }
}
