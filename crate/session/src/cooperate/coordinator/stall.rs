//! Nothing has come for too long: who is left behind. Every member was asked for a sign of life and says whom it waits
//! for; whoever is silent is to blame, or else those on whom all waiting ends.

use super::{Coordinator, Effects};
use crate::cooperate::error::{MemberError, RunError};
use crate::time::Micros;

/// What a worker says when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Silent,
    /// That it waits for these, one bit for each; or for nobody.
    Awaits(u16),
}

impl Coordinator {
    /// `asked`: when signs of life were asked for.
    pub(super) fn judge(&mut self, asked: Micros, now: Micros, fx: &mut Effects) {
        let (Some(team), Some(attempt)) = (&self.team, self.attempt()) else { return };
        let after = now - attempt.progress;
        if team.walk.is_busy() {
            let why = format!("it gave nothing for {after}");
            return self.fail(0, RunError::Engine { why }, fx);
        }
        let state = |(worker, place): (usize, &usize)| match self.peers.get(place.wrapping_sub(1)).map(|p| p.up()) {
            _ if !team.group().takes_part(worker) => State::Awaits(0),
            Some(Some(up)) if up.last_heard < asked => State::Silent,
            Some(Some(up)) if up.known.run == attempt.serial => State::Awaits(up.known.awaits),
            // It has done its part, or not had the first of what it needs.
            _ if attempt.reports.contains_key(&worker) => State::Awaits(0),
            _ => State::Awaits(team.group().first_awaited(worker)),
        };
        let states: Vec<State> = team.plan.places.iter().enumerate().map(state).collect();
        let blamed = blame(&states, team.walk.awaits());
        let places = blamed.into_iter().map(|worker| team.plan.places[worker]);
        let lost: Vec<_> = places.map(|place| (place, MemberError::Stalled { after })).collect();
        match lost.is_empty() {
            true => self.fail(0, RunError::Stalled { after }, fx),
            false => self.lose(lost, now, fx),
        }
    }
}

/// Workers that all wait for: `states` of all, of which the first, that of the coordinator, is not looked at; `awaits`
/// of the coordinator. Nobody waits for the coordinator rightly: it has sent all that it can.
fn blame(states: &[State], awaits: u16) -> Vec<usize> {
    let workers = 1..states.len();
    let silent: Vec<usize> = workers.clone().filter(|worker| states[*worker] == State::Silent).collect();
    if !silent.is_empty() {
        return silent;
    }
    let bits = |bits: u16| workers.clone().filter(move |worker| bits & 1 << worker != 0);
    let mut reached: Vec<usize> = bits(awaits).collect();
    let mut next = 0;
    let mut ends = Vec::new();
    while let Some(worker) = reached.get(next).copied() {
        next += 1;
        match states[worker] {
            State::Awaits(others) if others & !1 != 0 => {
                let new: Vec<usize> = bits(others).filter(|other| !reached.contains(other)).collect();
                reached.extend(new);
            }
            _ => ends.push(worker),
        }
    }
    if ends.is_empty() { bits(awaits).collect() } else { ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaits(workers: &[u16]) -> State {
        State::Awaits(workers.iter().fold(0, |bits, worker| bits | 1 << worker))
    }

    #[test]
    fn the_end_of_all_waiting_is_blamed() {
        let none = awaits(&[]);
        assert_eq!(blame(&[none, awaits(&[2]), none, none], 0b1110), [2, 3], "those that nothing keeps waiting");
        assert_eq!(blame(&[none, awaits(&[2]), awaits(&[3]), none], 0b0010), [3], "at the end of a chain");
        assert_eq!(blame(&[none, none, none, none], 0b0010), [1], "not those for whom nobody waits");
        assert_eq!(blame(&[none, awaits(&[2]), State::Silent, none], 0b0010), [2]);
        assert_eq!(blame(&[none, awaits(&[2]), awaits(&[1])], 0b0010), [1], "in a circle, the first");
        assert_eq!(blame(&[none, awaits(&[0])], 0b0010), [1], "whoever waits for a coordinator that waits for it");
        assert_eq!(blame(&[none, none], 0), Vec::<usize>::new());
    }
}
