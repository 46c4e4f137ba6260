//! The machine: evidence in, echoes and switches out.

use std::collections::VecDeque;

use super::choose::{Pick, Standing, best};
use super::estimate::Estimate;
use super::probe::Prober;
use super::why::{Known, sentence};
use super::{Action, Conditions, Decision, DispatchConfig, Menu, Priced, Target};
use crate::device::UnderWay;
use crate::ledger::FrameReport;
use crate::measure::Echo;
use crate::time::Micros;

/// Picks what runs. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    config: DispatchConfig,
    target: Target,
    choices: Vec<usize>,
    running: usize,
    edge: bool,
    link: Estimate,
    under_way: Option<UnderWay>,
    /// Predicted time on the edge of the choice that last used it, ms.
    edge_ms: f64,
    prober: Prober,
    /// Some choice needs the edge.
    probing: bool,
    next_evaluation: Micros,
    /// Evaluations in succession that wanted a switch.
    agreed: u32,
    switched: Option<Micros>,
    /// Conditions under which the running choice was last seen to be good enough.
    content: Conditions,
    /// What was known at the last switch.
    decided: Known,
    decisions: VecDeque<Decision>,
}

impl Dispatcher {
    /// One that runs `running` and may choose among `choices` (the [`super::hull`]), with an edge. `initial` is believed
    /// until frames and echoes tell otherwise.
    pub fn new(
        target: Target,
        choices: Vec<usize>,
        running: usize,
        initial: Conditions,
        config: DispatchConfig,
    ) -> Self {
        Self {
            target,
            choices,
            running,
            edge: true,
            link: Estimate::new(&initial, config.load_half_life),
            under_way: None,
            edge_ms: 0.0,
            prober: Prober::new(&config),
            probing: true,
            next_evaluation: Micros(0),
            agreed: 0,
            switched: None,
            content: initial,
            decided: Known { conditions: initial, edge: true },
            decisions: VecDeque::new(),
            config,
        }
    }

    /// Another target, and the choices worth having for it. The estimates stay.
    pub fn retarget(&mut self, target: Target, choices: Vec<usize>) {
        (self.target, self.choices, self.next_evaluation) = (target, choices, Micros(0));
    }

    /// What new frames run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// The last switches, oldest first.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.decisions.iter()
    }

    // ---- evidence

    /// A frame has ended. `predicted_edge_ms` is [`Menu::edge_ms`] of what it ran.
    pub fn observe_frame(&mut self, report: &FrameReport, predicted_edge_ms: f64) {
        self.link.frame(report, predicted_edge_ms);
    }

    /// An echo of so many bytes either way is back.
    pub fn observe_echo(&mut self, echo: &Echo, bytes: u32, answer_bytes: u32) {
        self.prober.end();
        match self.is_behind_a_frame(echo.sent) {
            true => self.link.echo_behind_frame(echo.sent),
            false => self.link.echo(echo, bytes, answer_bytes),
        }
    }

    /// A message without content has just gone there and back.
    pub fn observe_rtt(&mut self, rtt: Micros, now: Micros) {
        self.link.round_trip.add(rtt.as_millis(), now);
    }

    /// The frame's message that has been with the edge for longest ([`crate::DeviceSession::under_way`]).
    pub fn observe_under_way(&mut self, under_way: Option<UnderWay>) {
        self.under_way = under_way;
    }

    /// The link is down: nothing that was sent comes back.
    pub fn edge_lost(&mut self) {
        self.turn(false);
    }

    /// The link is up again.
    pub fn edge_back(&mut self) {
        self.turn(true);
    }

    fn turn(&mut self, edge: bool) {
        if edge != self.edge {
            self.prober.end();
            (self.edge, self.under_way, self.next_evaluation) = (edge, None, Micros(0));
        }
    }

    /// An echo behind a frame that is still on the wire measures the frame.
    fn is_behind_a_frame(&self, sent: Micros) -> bool {
        self.under_way.is_some_and(|frame| frame.handed <= sent && sent < frame.handed + self.link.up.wire(frame.bytes))
    }

    // ---- what is known

    /// What is known of link and edge.
    pub fn conditions(&self, now: Micros) -> Conditions {
        self.link.conditions(now)
    }

    /// What is late tells something too: a frame, or an echo that no frame is ahead of.
    fn observe_waiting(&mut self, menu: &impl Menu, now: Micros) {
        if menu.is_offloaded(self.running) {
            self.edge_ms = menu.edge_ms(self.running);
        }
        match (self.under_way, self.prober.awaited()) {
            (Some(frame), _) => self.link.awaits_frame(frame, self.edge_ms, now),
            (None, Some(echo)) => self.link.awaits_echo(echo, now),
            (None, None) => {}
        }
    }

    // ---- deciding

    /// When [`Self::advance`] must be called at the latest.
    pub fn next_wake(&self) -> Micros {
        let echo = self.prober.due(&self.link).filter(|_| self.edge && self.probing);
        echo.map_or(self.next_evaluation, |(due, _)| due.min(self.next_evaluation))
    }

    /// Until when the device should begin no work, if an echo is out that is soon back. A thread that computes sees it
    /// late, by up to two frames: the link then looks slower than it is, noise hides the rate, and echoes grow.
    pub fn quiet_until(&self) -> Option<Micros> {
        self.prober.quiet_until(&self.link)
    }

    /// What is to be done now.
    pub fn advance(&mut self, menu: &impl Menu, now: Micros) -> Vec<Action> {
        let mut actions = Vec::new();
        if now >= self.next_evaluation {
            self.next_evaluation = now + self.config.every;
            actions.extend(self.evaluate(menu, now).map(Action::Switch));
        }
        actions.extend(self.probe(menu, now));
        actions
    }

    fn probe(&mut self, menu: &impl Menu, now: Micros) -> Option<Action> {
        self.probing = self.choices.iter().any(|choice| menu.is_offloaded(*choice));
        let (due, kind) = self.prober.due(&self.link).filter(|_| self.edge && self.probing)?;
        (due <= now).then(|| self.prober.send(kind, &self.link, now))
    }

    fn evaluate(&mut self, menu: &impl Menu, now: Micros) -> Option<Decision> {
        self.observe_waiting(menu, now);
        let known = Known { conditions: self.conditions(now), edge: self.edge };
        let running = self.running_pick(menu, &known.conditions);
        let to = self.better(menu, &running, &known.conditions);
        let Some(to) = to else {
            (self.agreed, self.content) = (0, known.conditions);
            return None;
        };
        self.agreed += 1;
        let calm = self.agreed >= self.config.evaluations && self.has_dwelt(now);
        if !calm && !self.is_urgent(menu, &running, &to, &known.conditions) {
            return None;
        }
        let to = Pick::new(menu, to.choice, &self.target, &known.conditions);
        let latency_ms = |choice, at: &Conditions| menu.price(choice, at).latency_ms;
        let why = sentence(&self.target, &self.decided, &known, [&running, &to], latency_ms);
        Some(self.switch(running, to, known, why, now))
    }

    fn running_pick(&self, menu: &impl Menu, at: &Conditions) -> Pick {
        let pick = Pick::new(menu, self.running, &self.target, at);
        if self.edge || !menu.is_offloaded(self.running) {
            return pick;
        }
        let never = Priced { latency_ms: f64::INFINITY, energy_mj: f64::INFINITY };
        Pick { priced: never, accuracy: 0.0, standing: Standing::Inaccurate, ..pick }
    }

    /// The best other choice if it is enough better. It must keep to the latency with something to spare, or it would
    /// soon be left again.
    fn better(&self, menu: &impl Menu, running: &Pick, at: &Conditions) -> Option<Pick> {
        let spare = self.target.latency_ms.map(|most| most * (1.0 - self.config.gain));
        let strict = Target { latency_ms: spare, ..self.target };
        let may = |choice: &usize| {
            *choice != running.choice && menu.is_ready(*choice) && (self.edge || !menu.is_offloaded(*choice))
        };
        let others = self.choices.iter().copied().filter(may);
        let least = self.config.least_gain.max(self.link.round_trip.delay().noise_ms / 2.0);
        let config = DispatchConfig { least_gain: least, ..self.config };
        best(menu, others, &strict, at).filter(|pick| pick.wins(running, self.target.goal, &config))
    }

    fn has_dwelt(&self, now: Micros) -> bool {
        self.switched.is_none_or(|switched| now - switched >= self.config.dwell)
    }

    fn is_urgent(&self, menu: &impl Menu, running: &Pick, to: &Pick, at: &Conditions) -> bool {
        let lost = !self.edge && menu.is_offloaded(running.choice);
        let changed =
            |new: f64, old: f64| new > old * self.config.urgent_change || old > new * self.config.urgent_change;
        let rate = changed(at.up_mbps, self.content.up_mbps) || changed(at.down_mbps, self.content.down_mbps);
        lost || rate || to.standing < running.standing
    }

    fn switch(&mut self, from: Pick, to: Pick, known: Known, why: String, now: Micros) -> Decision {
        let decision = Decision {
            at: now,
            from: from.choice,
            to: to.choice,
            conditions: known.conditions,
            from_ms: from.priced.latency_ms,
            to_ms: to.priced.latency_ms,
            why,
        };
        (self.running, self.switched, self.agreed) = (to.choice, Some(now), 0);
        (self.decided, self.content) = (known, known.conditions);
        if self.decisions.len() >= self.config.remembered {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision.clone());
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::super::Goal;
    use super::super::choose::tests::{at, menu, target};
    use super::*;

    const FASTEST: Target = Target { goal: Goal::Fastest, accuracy: Some(0.9), latency_ms: None };

    /// Among device alone (0), cut early (1) and cut late (2).
    fn dispatcher(running: usize, mbps: f64) -> Dispatcher {
        Dispatcher::new(FASTEST, vec![0, 1, 2], running, at(mbps), DispatchConfig::default())
    }

    fn switch(dispatcher: &mut Dispatcher, millis: u64) -> Option<usize> {
        let actions = dispatcher.advance(&menu(), Micros::from_millis(millis));
        actions.into_iter().find_map(|action| match action {
            Action::Switch(decision) => Some(decision.to),
            Action::Probe { .. } => None,
        })
    }

    /// Tells of a round trip of 2 ms and then of echoes at this rate.
    fn echoes(dispatcher: &mut Dispatcher, mbps: f64, millis: &[u64]) {
        (0..4).for_each(|_| dispatcher.observe_rtt(Micros(2_000), Micros::from_millis(millis[0])));
        for at in millis {
            let sent = Micros::from_millis(*at);
            let arrived = sent + Micros(2_000 + (40_000.0 * 8.0 / mbps) as u64);
            dispatcher.observe_echo(&Echo { sent, edge_received: 1, edge_sent: 1, arrived }, 40_000, 0);
        }
    }

    #[test]
    fn a_gain_must_be_seen_twice() {
        let mut dispatcher = dispatcher(2, 100.0);
        let switches: Vec<_> = [0, 50, 100, 200].map(|at| switch(&mut dispatcher, at)).to_vec();
        assert_eq!(switches, [None, None, Some(1), None]);
        let why = dispatcher.decisions().next().map(|decision| decision.why.clone());
        assert_eq!(why.as_deref(), Some("at 100 Mbps and 2.0 ms round trip: 24.2 ms would become 15.0"));
    }

    #[test]
    fn a_rate_that_has_halved_needs_no_second_look_nor_time() {
        let mut dispatcher = dispatcher(2, 100.0);
        assert_eq!([0, 100].map(|at| switch(&mut dispatcher, at)), [None, Some(1)]);
        echoes(&mut dispatcher, 10.0, &[110, 150, 215]);
        assert_eq!(switch(&mut dispatcher, 200), Some(2), "100 ms after the last switch");
        let why = dispatcher.decisions().next_back().map(|decision| decision.why.clone());
        assert_eq!(why.as_deref(), Some("the link is at 10 Mbps, not 100: 51.0 ms would become 26.0"));
    }

    #[test]
    fn a_lost_edge_is_left_at_once_if_there_is_somewhere_to_go() {
        let mut dispatcher = dispatcher(1, 100.0);
        assert_eq!(switch(&mut dispatcher, 0), None);
        dispatcher.edge_lost();
        assert_eq!(switch(&mut dispatcher, 1), Some(0));
        dispatcher.edge_back();
        assert_eq!([400, 500].map(|at| switch(&mut dispatcher, at)), [None, Some(1)]);
        dispatcher.retarget(FASTEST, vec![1]);
        dispatcher.edge_lost();
        assert_eq!(switch(&mut dispatcher, 2_000), None, "there is nowhere to go");
    }

    #[test]
    fn what_breaks_the_target_is_left_at_once() {
        let mut dispatcher = dispatcher(2, 40.0);
        dispatcher.retarget(target(Goal::LeastEnergy, Some(0.9), Some(22.0)), vec![0, 1, 2]);
        assert_eq!(switch(&mut dispatcher, 0), None, "21 ms would be too near to the 22 asked for");
        dispatcher.retarget(target(Goal::LeastEnergy, Some(0.9), Some(24.0)), vec![0, 1, 2]);
        assert_eq!(switch(&mut dispatcher, 1), Some(1));
    }

    #[test]
    fn the_log_is_bounded() {
        let config = DispatchConfig { remembered: 3, ..DispatchConfig::default() };
        let mut dispatcher = Dispatcher::new(FASTEST, vec![0, 1, 2], 1, at(100.0), config);
        for i in 0..10 {
            let now = i * 1_000;
            dispatcher.edge_lost();
            switch(&mut dispatcher, now);
            dispatcher.edge_back();
            assert_eq!([400, 500].map(|wait| switch(&mut dispatcher, now + wait)), [None, Some(1)]);
        }
        let at: Vec<Micros> = dispatcher.decisions().map(|decision| decision.at).collect();
        assert_eq!(at, [8_500, 9_000, 9_500].map(Micros::from_millis));
    }

    #[test]
    fn the_device_alone_needs_no_echoes() {
        let mut dispatcher = Dispatcher::new(FASTEST, vec![0], 0, at(5.0), DispatchConfig::default());
        assert_eq!(dispatcher.advance(&menu(), Micros::from_millis(5_000)), []);
        assert_eq!(dispatcher.next_wake(), Micros::from_millis(5_100));
    }
}
