//! Which choices are worth preparing: those that are best somewhere on a grid of conditions.

use super::choose::best;
use super::{Conditions, Menu, Target};

/// Doubling, Mbit/s.
const RATES: [f64; 12] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 125.0, 250.0, 500.0, 1000.0];
const ROUND_TRIPS_MS: [f64; 4] = [1.0, 5.0, 20.0, 60.0];
const LOADS: [f64; 2] = [1.0, 3.0];

/// At most `most` choices that are best under some conditions, those that are best most often first. One that needs no
/// edge is among them if the menu has one: the best for a lost link.
pub fn hull(menu: &impl Menu, target: &Target, most: usize) -> Vec<usize> {
    let mut wins = vec![0; menu.len()];
    for at in grid() {
        if let Some(pick) = best(menu, 0..menu.len(), target, &at) {
            wins[pick.choice] += 1;
        }
    }
    let mut choices: Vec<usize> = (0..menu.len()).filter(|choice| wins[*choice] > 0).collect();
    choices.sort_by_key(|choice| std::cmp::Reverse(wins[*choice]));
    choices.truncate(most);
    let alone = best(menu, (0..menu.len()).filter(|choice| !menu.is_offloaded(*choice)), target, &grid_start());
    if let Some(alone) = alone.filter(|alone| !choices.contains(&alone.choice)) {
        choices.truncate(most.saturating_sub(1));
        choices.push(alone.choice);
    }
    choices
}

fn grid_start() -> Conditions {
    Conditions { up_mbps: RATES[0], down_mbps: RATES[0], rtt_ms: ROUND_TRIPS_MS[0], edge_load: LOADS[0] }
}

fn grid() -> impl Iterator<Item = Conditions> {
    RATES.into_iter().flat_map(|mbps| {
        ROUND_TRIPS_MS.into_iter().flat_map(move |rtt_ms| {
            LOADS.map(|edge_load| Conditions { up_mbps: mbps, down_mbps: mbps, rtt_ms, edge_load })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::Goal;
    use super::super::choose::tests::{Rows, menu, target};
    use super::*;

    #[test]
    fn what_is_never_best_is_left_out_and_one_stays_for_a_lost_link() {
        let mut menu = menu();
        menu.0.push([0.92, 31.0, 0.0, 0.0]);
        menu.0.push([0.92, 6.0, 5.0, 500.0]);
        let fastest = target(Goal::Fastest, Some(0.9), None);
        let mut all = hull(&menu, &fastest, 8);
        all.sort();
        assert_eq!(all, [0, 1, 2]);
        let two = hull(&menu, &fastest, 2);
        assert!(two.len() == 2 && two.contains(&0), "{two:?}");
        assert_eq!(hull(&menu, &fastest, 1), [0]);
        assert_eq!(hull(&Rows(vec![]), &fastest, 4), []);
    }

    #[test]
    fn a_choice_for_a_lost_link_stays_though_it_is_never_best() {
        let menu = Rows(vec![[0.92, 900.0, 0.0, 0.0], [0.92, 5.0, 4.0, 4.0]]);
        assert_eq!(hull(&menu, &target(Goal::Fastest, None, None), 4), [1, 0]);
    }
}
