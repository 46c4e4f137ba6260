//! What is known of link and edge, from what frames and echoes show.

use super::Conditions;
use super::link::{Message, Rate, RoundTrip};
use super::probe::{Awaited, Kind};
use super::window::Window;
use crate::device::UnderWay;
use crate::ledger::{FrameReport, Lane, Span};
use crate::measure::Echo;
use crate::time::Micros;

/// A load that was not measured for so long begins to be forgotten.
const LOAD_SPAN: Micros = Micros::from_millis(600);
/// What is told apart of an edge's load.
const LOADS: std::ops::RangeInclusive<f64> = 0.1..=20.0;
/// A predicted time below this says nothing of the load, ms.
const LEAST_EDGE_MS: f64 = 0.1;

/// Estimates of all conditions.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) up: Rate,
    pub(super) down: Rate,
    pub(super) round_trip: RoundTrip,
    load: Window,
    load_told: Micros,
    load_half_life: Micros,
    /// When the edge was done with the last frame.
    edge_done: Micros,
    /// When the last echo that is back was sent.
    echoed: Micros,
}

impl Estimate {
    pub(super) fn new(initial: &Conditions, load_half_life: Micros) -> Self {
        Self {
            up: Rate::new(initial.up_mbps),
            down: Rate::new(initial.down_mbps),
            round_trip: RoundTrip::new(initial.rtt_ms),
            load: Window::new(initial.edge_load.clamp(*LOADS.start(), *LOADS.end())),
            load_told: Micros(0),
            load_half_life,
            edge_done: Micros(0),
            echoed: Micros(0),
        }
    }

    pub(super) fn frame(&mut self, report: &FrameReport, predicted_edge_ms: f64) {
        let find = |lane| report.spans.iter().find(|span| span.lane == lane);
        let (Some(up), Some(edge), Some(down)) = (find(Lane::Uplink), find(Lane::Edge), find(Lane::Downlink)) else {
            return;
        };
        let took = (edge.end - up.end.max(self.edge_done)).as_millis();
        self.edge_done = self.edge_done.max(edge.end);
        self.on_edge(took, predicted_edge_ms, report.ended);
        if self.round_trip.is_known() {
            self.visit(report, up, down);
        }
    }

    fn on_edge(&mut self, took_ms: f64, predicted_ms: f64, now: Micros) {
        if predicted_ms < LEAST_EDGE_MS {
            return;
        }
        // What was forgotten of the load stays forgotten.
        if now - self.load_told > LOAD_SPAN {
            self.load = Window::new(self.load_at(now));
        }
        self.load_told = now;
        self.load.add((took_ms / predicted_ms).clamp(*LOADS.start(), *LOADS.end()), 1.0, now);
    }

    /// Both ways together, so that an error in the edge's clock has no part in it; the way with more on the wire is
    /// the one of which it tells.
    fn visit(&mut self, report: &FrameReport, up: &Span, down: &Span) {
        let (now, delay) = (report.ended, self.round_trip.delay());
        let (bytes_up, bytes_down) = (report.bytes_up, report.bytes_down);
        let (wire_up, wire_down) = (self.up.wire(bytes_up), self.down.wire(bytes_down));
        let one_way = ((up.end - up.start) + (down.end - down.start)) - delay.one_way;
        if wire_up >= wire_down {
            let arrived = up.start + (one_way - wire_down);
            self.up.arrived(Message { bytes: bytes_up, handed: up.start, arrived }, delay, now);
        } else {
            let handed = down.end - (one_way - wire_up);
            self.down.arrived(Message { bytes: bytes_down, handed, arrived: down.end }, delay, now);
        }
    }

    /// An echo is back; if a frame was ahead of it, all it tells is that the frame is with the edge.
    pub(super) fn echo_behind_frame(&mut self, sent: Micros) {
        self.echoed = self.echoed.max(sent);
    }

    pub(super) fn echo(&mut self, echo: &Echo, bytes: u32, answer_bytes: u32) {
        self.echoed = self.echoed.max(echo.sent);
        let (now, delay) = (echo.arrived, self.round_trip.delay());
        let on_edge = Micros(echo.edge_sent.saturating_sub(echo.edge_received));
        match Kind::of(bytes, answer_bytes) {
            Kind::RoundTrip => self.round_trip.add(((echo.arrived - echo.sent) - on_edge).as_millis(), now),
            _ if !self.round_trip.is_known() => {}
            Kind::Up => {
                let arrived = echo.arrived - on_edge - delay.one_way;
                self.up.arrived(Message { bytes: bytes as usize, handed: echo.sent, arrived }, delay, now);
            }
            Kind::Down => {
                let handed = echo.sent + delay.one_way + on_edge;
                let message = Message { bytes: answer_bytes as usize, handed, arrived: echo.arrived };
                self.down.arrived(message, delay, now);
            }
        }
    }

    pub(super) fn conditions(&self, now: Micros) -> Conditions {
        Conditions {
            up_mbps: self.up.mbps(),
            down_mbps: self.down.mbps(),
            rtt_ms: self.round_trip.ms(),
            edge_load: self.load_at(now),
        }
    }

    /// A frame of which the edge has `edge_ms` to compute is not back. If a later echo is, it is the edge that is slow.
    pub(super) fn awaits_frame(&mut self, frame: UnderWay, edge_ms: f64, now: Micros) {
        let alone = edge_ms * self.load_at(now) + self.round_trip.ms();
        let away = (now - frame.handed.max(self.edge_done)).as_millis();
        if self.echoed <= frame.handed {
            self.up.awaits(frame.bytes, away, alone, now);
        } else if self.up.is_late(frame.bytes, away, alone) {
            self.on_edge(away - self.round_trip.ms(), edge_ms, now);
        }
    }

    /// An echo is not back.
    pub(super) fn awaits_echo(&mut self, echo: Awaited, now: Micros) {
        let (rtt, away) = (self.round_trip.ms(), (now - echo.sent).as_millis());
        match echo.kind {
            Kind::RoundTrip => {}
            Kind::Up => self.up.awaits(echo.bytes, away, rtt, now),
            Kind::Down => self.down.awaits(echo.bytes, away, rtt, now),
        }
    }

    fn load_at(&self, now: Micros) -> f64 {
        let half_lives = ((now - self.load_told) - LOAD_SPAN).as_millis() / self.load_half_life.as_millis();
        1.0 + (self.load.estimate() - 1.0) * 0.5f64.powf(half_lives)
    }
}
