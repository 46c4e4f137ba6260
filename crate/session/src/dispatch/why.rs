//! A decision in words: what changed, and what it gains.

use super::choose::{Pick, Standing};
use super::{Conditions, Goal, Target};

/// A figure that has changed by less than this factor is not given as a reason.
const WORTH_TELLING: f64 = 1.15;

/// What was known when, and of the edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) conditions: Conditions,
    pub(super) edge: bool,
}

pub(super) fn sentence(
    target: &Target,
    before: &Known,
    now: &Known,
    [from, to]: [&Pick; 2],
    latency_ms: impl Fn(usize, &Conditions) -> f64,
) -> String {
    let changed = match (before.edge, now.edge) {
        (true, false) => "the edge is lost".to_owned(),
        (false, true) => "the edge is back".to_owned(),
        _ => {
            let moved = |at: &Conditions| {
                let moved =
                    |pick: &Pick| (latency_ms(pick.choice, at) - latency_ms(pick.choice, &before.conditions)).abs();
                moved(from) + moved(to)
            };
            changed(&before.conditions, &now.conditions, moved)
        }
    };
    format!("{changed}: {}{}", gained(target, from, to), nearest(target, to))
}

/// The one change that alone would move the prices most.
fn changed(before: &Conditions, now: &Conditions, moved: impl Fn(&Conditions) -> f64) -> String {
    let &Conditions { up_mbps, down_mbps, rtt_ms, edge_load } = now;
    let told = [
        (
            Conditions { up_mbps, ..*before },
            ratio(up_mbps, before.up_mbps),
            format!("the link is at {} Mbps, not {}", rate(up_mbps), rate(before.up_mbps)),
        ),
        (
            Conditions { down_mbps, ..*before },
            ratio(down_mbps, before.down_mbps),
            format!("the link back is at {} Mbps, not {}", rate(down_mbps), rate(before.down_mbps)),
        ),
        (
            Conditions { rtt_ms, ..*before },
            ratio(rtt_ms.max(0.1), before.rtt_ms.max(0.1)),
            format!("the round trip takes {rtt_ms:.1} ms, not {:.1}", before.rtt_ms),
        ),
        (
            Conditions { edge_load, ..*before },
            ratio(edge_load, before.edge_load),
            format!("the edge takes {edge_load:.1} times what was predicted, not {:.1}", before.edge_load),
        ),
    ];
    let worth_telling = told.into_iter().filter(|(at, ratio, _)| *ratio >= WORTH_TELLING && moved(at) > 0.0);
    let most = worth_telling.max_by(|a, b| moved(&a.0).total_cmp(&moved(&b.0)));
    most.map_or_else(|| format!("at {} Mbps and {rtt_ms:.1} ms round trip", rate(up_mbps)), |(_, _, words)| words)
}

fn ratio(new: f64, old: f64) -> f64 {
    (new / old).max(old / new)
}

fn rate(mbps: f64) -> String {
    if mbps < 10.0 { format!("{mbps:.1}") } else { format!("{mbps:.0}") }
}

fn gained(target: &Target, from: &Pick, to: &Pick) -> String {
    let (old, new) = (from.priced, to.priced);
    if old.latency_ms.is_infinite() {
        return format!("without it a frame takes {:.1} ms", new.latency_ms);
    }
    match (target.latency_ms, from.standing, to.standing) {
        (Some(most), Standing::Late, Standing::Keeps) => {
            return format!(
                "{:.1} ms would be more than the {most:.1} asked for, {:.1} is not",
                old.latency_ms, new.latency_ms
            );
        }
        (_, from, to) if from != to => {}
        (_, Standing::Keeps, _) if target.goal == Goal::LeastEnergy => {
            return format!("{:.1} mJ would become {:.1}", old.energy_mj, new.energy_mj);
        }
        _ => {}
    }
    if to.accuracy == from.accuracy || target.goal != Goal::MostAccurate {
        return format!("{:.1} ms would become {:.1}", old.latency_ms, new.latency_ms);
    }
    let percent = |pick: &Pick| 100.0 * pick.accuracy;
    format!("{:.1} % right would become {:.1} %, in {:.1} ms", percent(from), percent(to), new.latency_ms)
}

fn nearest(target: &Target, to: &Pick) -> String {
    match (to.standing, target.accuracy, target.latency_ms) {
        (Standing::Late, _, Some(most)) => format!("; nothing keeps to {most:.1} ms, this comes nearest"),
        (Standing::Inaccurate, Some(least), _) => {
            format!("; nothing is right {:.1} % of the time, this comes nearest", 100.0 * least)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Priced;
    use super::super::choose::tests::{at, target};
    use super::*;

    fn pick(latency_ms: f64, accuracy: f64, standing: Standing) -> Pick {
        Pick { choice: 0, priced: Priced { latency_ms, energy_mj: latency_ms / 4.0 }, accuracy, standing }
    }

    #[track_caller]
    fn check(goal: Goal, now: Known, from: Pick, to: Pick, wanted: &str) {
        let before = Known { conditions: at(98.0), edge: true };
        let latency_ms = |choice: usize, at: &Conditions| {
            choice as f64 + 100.0 / at.up_mbps + at.rtt_ms + at.edge_load + 0.01 / at.down_mbps
        };
        let target = target(goal, Some(0.9), Some(30.0));
        assert_eq!(sentence(&target, &before, &now, [&from, &to], latency_ms), wanted);
    }

    #[test]
    fn what_changed_and_what_it_gains() {
        use Goal::{Fastest, LeastEnergy, MostAccurate};
        use Standing::{Keeps, Late};
        let slow = Known { conditions: at(5.1), edge: true };
        let (old, new) = (pick(23.4, 0.92, Keeps), pick(8.1, 0.92, Keeps));
        check(Fastest, slow, old, new, "the link is at 5.1 Mbps, not 98: 23.4 ms would become 8.1");
        check(LeastEnergy, slow, old, new, "the link is at 5.1 Mbps, not 98: 5.8 mJ would become 2.0");
        let better = pick(25.0, 0.95, Keeps);
        let wanted = "the link is at 5.1 Mbps, not 98: 92.0 % right would become 95.0 %, in 25.0 ms";
        check(MostAccurate, slow, old, better, wanted);
        let (late, nearest) = (pick(61.0, 0.92, Late), pick(40.0, 0.92, Late));
        let wanted = "the link is at 5.1 Mbps, not 98: 61.0 ms would be more than the 30.0 asked for, 8.1 is not";
        check(Fastest, slow, late, new, wanted);
        let wanted =
            "the link is at 5.1 Mbps, not 98: 61.0 ms would become 40.0; nothing keeps to 30.0 ms, this comes nearest";
        check(Fastest, slow, late, nearest, wanted);
        let far = Known { conditions: Conditions { rtt_ms: 40.0, ..at(98.0) }, edge: true };
        check(Fastest, far, old, new, "the round trip takes 40.0 ms, not 2.0: 23.4 ms would become 8.1");
        let loaded = Known { conditions: Conditions { edge_load: 3.0, ..at(98.0) }, edge: true };
        check(
            Fastest,
            loaded,
            old,
            new,
            "the edge takes 3.0 times what was predicted, not 1.0: 23.4 ms would become 8.1",
        );
        let same = Known { conditions: at(98.0), edge: true };
        check(Fastest, same, old, new, "at 98 Mbps and 2.0 ms round trip: 23.4 ms would become 8.1");
        let lost = Known { conditions: at(98.0), edge: false };
        let gone = pick(f64::INFINITY, 0.92, Standing::Inaccurate);
        check(Fastest, lost, gone, new, "the edge is lost: without it a frame takes 8.1 ms");
    }
}
