//! Which echo is due: tiny ones for the round trip, larger ones for a rate that frames do not tell.

use super::estimate::Estimate;
use super::link::Rate;
use super::{Action, DispatchConfig};
use crate::time::Micros;

/// What an echo that is to tell a rate takes on the wire; four times the noise if that is more.
pub(super) const WIRE_MS: f64 = 4.0;
/// Bytes of an echo that is to tell a rate.
pub(super) const BYTES: std::ops::RangeInclusive<usize> = 1_000..=32_000;

/// What an echo is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    RoundTrip,
    Up,
    Down,
}

impl Kind {
    /// The larger direction is the one of which it tells.
    pub(super) fn of(bytes: u32, answer_bytes: u32) -> Self {
        match bytes.max(answer_bytes) as usize {
            larger if larger < *BYTES.start() => Self::RoundTrip,
            _ if bytes >= answer_bytes => Self::Up,
            _ => Self::Down,
        }
    }
}

/// An echo that is not back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    pub(super) kind: Kind,
    /// Of the larger direction.
    pub(super) bytes: usize,
    pub(super) sent: Micros,
}

/// When which echo was last sent. There is one at a time.
#[derive(Clone, Debug)]
pub(super) struct Prober {
    every: Micros,
    quiet: Micros,
    sent: [Micros; 3],
    awaited: Option<Awaited>,
}

impl Prober {
    pub(super) fn new(config: &DispatchConfig) -> Self {
        Self { every: config.probe_every, quiet: config.quiet, sent: [Micros(0); 3], awaited: None }
    }

    pub(super) fn awaited(&self) -> Option<Awaited> {
        self.awaited
    }

    /// The echo is back, or never will be.
    pub(super) fn end(&mut self) {
        self.awaited = None;
    }

    /// Until when the device is to begin no work, because an echo is out that should be back by then. What the round
    /// trip is without such a wait is not known before it has been waited for.
    pub(super) fn quiet_until(&self, link: &Estimate) -> Option<Micros> {
        let Awaited { kind, bytes, sent } = self.awaited?;
        let wire = match kind {
            Kind::RoundTrip => return Some(sent + self.quiet),
            Kind::Up => link.up.wire(bytes),
            Kind::Down => link.down.wire(bytes),
        };
        (link.round_trip.ms() + wire.as_millis() <= self.quiet.as_millis()).then(|| sent + self.quiet)
    }

    /// When the next echo is to be sent, and what for.
    pub(super) fn due(&self, link: &Estimate) -> Option<(Micros, Kind)> {
        if self.awaited.is_some() {
            return None;
        }
        let last = self.sent[Kind::RoundTrip as usize];
        if !link.round_trip.is_known() {
            return Some((last + Micros(self.every.0 / 4), Kind::RoundTrip));
        }
        let tiny = last + self.every + self.every;
        let dues = [
            (tiny, Kind::RoundTrip),
            (self.rate_due(Kind::Up, &link.up, 1), Kind::Up),
            (self.rate_due(Kind::Down, &link.down, 3), Kind::Down),
        ];
        dues.into_iter().min_by_key(|due| due.0)
    }

    /// A message that told something is as good as an echo; a doubt is settled soon.
    fn rate_due(&self, kind: Kind, rate: &Rate, spacing: u64) -> Micros {
        let last = self.sent[kind as usize].max(rate.told);
        let wait = if rate.is_in_doubt() { self.every.0 / 4 } else { self.every.0 * spacing };
        last + Micros(wait)
    }

    pub(super) fn send(&mut self, kind: Kind, link: &Estimate, now: Micros) -> Action {
        self.sent[kind as usize] = now;
        let wire = WIRE_MS.max(4.0 * link.round_trip.delay().noise_ms);
        let bytes = |rate: &Rate| ((wire * rate.mbps() * 125.0) as usize).clamp(*BYTES.start(), *BYTES.end()) as u32;
        let (bytes, answer_bytes) = match kind {
            Kind::RoundTrip => (0, 0),
            Kind::Up => (bytes(&link.up), 0),
            Kind::Down => (0, bytes(&link.down)),
        };
        self.awaited = Some(Awaited { kind, bytes: bytes.max(answer_bytes) as usize, sent: now });
        Action::Probe { bytes, answer_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Conditions;
    use super::*;

    fn known(mbps: f64) -> Estimate {
        let conditions = Conditions { up_mbps: mbps, down_mbps: mbps, rtt_ms: 1.0, edge_load: 1.0 };
        let mut link = Estimate::new(&conditions, Micros(1));
        (0..4).for_each(|_| link.round_trip.add(1.0, Micros(1)));
        link
    }

    #[test]
    fn an_unknown_link_is_asked_for_its_round_trip_first() {
        let mut prober = Prober::new(&DispatchConfig::default());
        let link = Estimate::new(&known(1.0).conditions(Micros(0)), Micros(1));
        for _ in 0..3 {
            assert_eq!(prober.due(&link).map(|due| due.1), Some(Kind::RoundTrip));
            prober.send(Kind::RoundTrip, &link, Micros(1));
            prober.end();
        }
    }

    #[test]
    fn echoes_take_about_four_milliseconds_on_the_wire() {
        for (mbps, wanted) in [(0.5, 1_000), (5.0, 2_500), (40.0, 20_000), (1_000.0, 32_000)] {
            let mut prober = Prober::new(&DispatchConfig::default());
            let link = known(mbps);
            let probe = prober.send(Kind::Up, &link, Micros(1));
            assert_eq!(probe, Action::Probe { bytes: wanted, answer_bytes: 0 });
            assert_eq!(prober.due(&link), None, "one at a time");
            assert_eq!(Kind::of(wanted, 0), Kind::Up);
        }
    }

    #[test]
    fn an_echo_that_is_soon_back_is_waited_for() {
        let wait = |rtt_ms: f64, kind| {
            let mut prober = Prober::new(&DispatchConfig::default());
            let mut link = known(5.0);
            (0..8).for_each(|_| link.round_trip.add(rtt_ms, Micros(1)));
            assert_eq!(prober.quiet_until(&link), None);
            prober.send(kind, &link, Micros(7));
            prober.quiet_until(&link)
        };
        let until = Some(Micros(7) + DispatchConfig::default().quiet);
        assert_eq!([1.0, 30.0].map(|rtt_ms| wait(rtt_ms, Kind::Up)), [until, None]);
        assert_eq!(
            [1.0, 30.0].map(|rtt_ms| wait(rtt_ms, Kind::RoundTrip)),
            [until, until],
            "it may have become shorter"
        );
    }

    #[test]
    fn each_kind_has_its_turn() {
        let mut prober = Prober::new(&DispatchConfig::default());
        let link = known(10.0);
        let mut counts = [0; 3];
        for millis in 1_000..4_000 {
            let now = Micros::from_millis(millis);
            if let Some((_, kind)) = prober.due(&link).filter(|due| due.0 <= now) {
                prober.send(kind, &link, now);
                prober.end();
                counts[kind as usize] += 1;
            }
        }
        assert_eq!(counts, [10, 20, 7]);
    }
}
