//! The dispatcher in words: what runs, what it is measured by, what there is to choose from, and what was decided why.

use crate::format;
use crate::pipeline::step_word;
use cleave_arch::{Mapping, Task};
use cleave_contract::{Choice, Decision, Dispatch, Goal};

/// Decisions on show.
pub const SHOWN: usize = 12;

/// The goals with their words, in the order in which they are offered.
pub const GOALS: [(&str, Goal); 3] =
    [("fastest", Goal::Fastest), ("most accurate", Goal::MostAccurate), ("least energy", Goal::LeastEnergy)];

/// A decision in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Minutes and seconds since the worker started.
    pub at: String,
    /// From what to what.
    pub change: String,
    /// Why.
    pub reason: String,
}

/// The latest decisions, newest first.
pub fn decisions(dispatch: &Dispatch) -> Vec<Told> {
    let name = |index: usize| dispatch.choices.get(index).map_or_else(|| "–".into(), choice_words);
    let told = |decision: &Decision| Told {
        at: format::clock(decision.at_ms),
        change: format!("{} → {}", name(decision.from), name(decision.to)),
        reason: format::sentence(&decision.reason),
    };
    dispatch.decisions.iter().rev().take(SHOWN).map(told).collect()
}

/// A choice with its placement: `gnn10, cut before operation 4`.
pub fn choice_words(choice: &Choice) -> String {
    format!("{}, {}", choice.name, placement(&choice.plan))
}

/// Where a plan runs, in words; its text where it is none.
pub fn placement(plan: &str) -> String {
    let Ok(parsed) = Mapping::parse(plan, &Task::modelnet10()) else { return plan.to_owned() };
    let before = |step: usize| step_word(&parsed, step);
    match parsed.crossings()[..] {
        [] => "all on the device".into(),
        [0] => "all on the edge".into(),
        [cut] => format!("cut before {}", before(cut)),
        [first, second] => format!("on the edge from {} to before {}", before(first), before(second)),
        _ => plan.to_owned(),
    }
}

/// What the dispatcher measures: name, value, unit.
pub fn figures(dispatch: &Dispatch) -> [(&'static str, String, &'static str); 3] {
    let one = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.1}"));
    [
        ("link up", one(dispatch.up_mbps), "Mbps"),
        ("round trip", one(dispatch.rtt_ms), "ms"),
        ("edge load", format!("{:.2}", dispatch.edge_load), "×"),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use cleave_contract::Target;

    /// Two placements of the same small network, and as many decisions as asked for.
    pub(crate) fn dispatch(running: bool, current: usize, n_decisions: usize) -> Dispatch {
        let choice = |plan: &str| Choice { name: "small".into(), plan: plan.into(), accuracy: 0.9 };
        let decision = |i: usize| Decision {
            at_ms: 1_000.0 * i as f64,
            from: i % 2,
            to: 1 - i % 2,
            reason: format!("reason {i}"),
        };
        Dispatch {
            running,
            target: Target { goal: Goal::Fastest, accuracy: None, latency_ms: None },
            choices: vec![choice("3 2 1 4,0 6 3 0"), choice("3 2 1 5 4,0 6 3 0 0")],
            current,
            up_mbps: Some(5.06),
            rtt_ms: None,
            edge_load: 1.0,
            decisions: (0..n_decisions).map(decision).collect(),
        }
    }

    #[test]
    fn the_newest_decision_comes_first_and_only_twelve_are_shown() {
        let told = decisions(&dispatch(true, 0, 70));
        assert_eq!((told.len(), told[0].at.as_str(), told[11].at.as_str()), (12, "1:09", "0:58"));
        assert_eq!(told[0].change, "small, cut before operation 4 → small, all on the device");
        assert_eq!(told[0].reason, "reason 69.");
        let mut strange = dispatch(true, 0, 1);
        strange.decisions[0].to = 9;
        assert!(decisions(&strange)[0].change.ends_with("→ –"));
    }

    #[test]
    fn a_placement_is_told_by_what_crosses() {
        let cases = [
            ("3 2 1 4,0 6 3 0", "all on the device"),
            ("5 3 2 1 4,0 0 6 3 0", "all on the edge"),
            ("3 2 5 1 4,0 6 0 3 0", "cut before operation 3"),
            ("3 2 1 4 5,0 6 3 0 0", "cut before the classifier"),
            ("3 5 2 1 4 5,0 0 6 3 0 0", "on the edge from operation 2 to before the classifier"),
            ("lenet5@4", "cut before operation 5"),
            ("nonsense", "nonsense"),
        ];
        for (plan, words) in cases {
            assert_eq!(placement(plan), words);
        }
    }

    #[test]
    fn what_is_not_measured_yet_is_a_dash() {
        assert_eq!(figures(&dispatch(true, 0, 0)).map(|figure| figure.1), ["5.1", "–", "1.00"]);
    }
}
