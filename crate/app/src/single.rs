//! A single frame, asked for by a person or after a change: it waits until the edge has the plan, so that what is shown
//! was split as planned; a frame that had to be computed on the device alone is run again once the edge has it.

use cleave_contract::EdgeWait;
use cleave_session::{FrameReport, LocalReason, Micros, Outcome};

/// How long a frame waits for the edge before the device computes it alone.
const TIMEOUT: Micros = Micros::from_millis(2_000);

/// What is to be done about the frame now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Idle,
    /// Submit it; [`SingleFrame::submitted`] takes its number.
    Submit,
    /// Ask again at this moment, or when the link has changed.
    Wait {
        /// When it goes ahead without the edge.
        until: Micros,
        /// What it waits for.
        on: EdgeWait,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Not submitted yet.
    Asked { until: Micros },
    /// Submitted under this number.
    InFlight { frame: u64 },
    /// The device computed it alone, because the edge was not ready.
    Fallback,
}

/// At most one frame at a time; asking again replaces the one that waits.
#[derive(Debug, Default)]
pub struct SingleFrame {
    state: State,
}

impl SingleFrame {
    /// A frame is wanted from now on.
    pub fn ask(&mut self, now: Micros) {
        self.state = State::Asked { until: now + TIMEOUT };
    }

    /// No frame is wanted any more.
    pub fn cancel(&mut self) {
        self.state = State::Idle;
    }

    /// What to do, given whether the edge serves the plan of now ([`cleave_session::DeviceSession::readiness`]).
    pub fn next(&self, readiness: &Result<(), LocalReason>, now: Micros) -> Next {
        match (self.state, readiness) {
            (State::Asked { until }, Err(LocalReason::Connecting)) if now < until => {
                Next::Wait { until, on: EdgeWait::Connection }
            }
            (State::Asked { until }, Err(LocalReason::Deploying)) if now < until => {
                Next::Wait { until, on: EdgeWait::Deployment }
            }
            (State::Asked { .. }, _) | (State::Fallback, Ok(())) => Next::Submit,
            (State::Idle | State::InFlight { .. } | State::Fallback, _) => Next::Idle,
        }
    }

    /// It was submitted under this number.
    pub fn submitted(&mut self, frame: u64) {
        self.state = State::InFlight { frame };
    }

    /// A frame has ended, this one or another.
    pub fn ended(&mut self, report: &FrameReport) {
        if self.state != (State::InFlight { frame: report.id }) {
            return;
        }
        let was_early = matches!(
            &report.outcome,
            Outcome::Local { why: LocalReason::Connecting | LocalReason::Deploying | LocalReason::LinkLost { .. } }
        );
        self.state = if was_early { State::Fallback } else { State::Idle };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Result<(), LocalReason> = Ok(());
    const DEPLOYING: Result<(), LocalReason> = Err(LocalReason::Deploying);

    fn ms(ms: u64) -> Micros {
        Micros::from_millis(ms)
    }

    fn lost() -> LocalReason {
        LocalReason::LinkLost { why: "cut".into() }
    }

    fn report(id: u64, outcome: Outcome) -> FrameReport {
        FrameReport { id, ..crate::report::tests::report(outcome, 1) }
    }

    #[test]
    fn it_waits_for_the_deployment_and_then_goes() {
        let mut single = SingleFrame::default();
        assert_eq!(single.next(&READY, ms(0)), Next::Idle);
        single.ask(ms(100));
        let until = ms(2_100);
        assert_eq!(single.next(&Err(LocalReason::Connecting), ms(100)), Next::Wait { until, on: EdgeWait::Connection });
        assert_eq!(single.next(&DEPLOYING, ms(2_099)), Next::Wait { until, on: EdgeWait::Deployment });
        assert_eq!(single.next(&READY, ms(2_099)), Next::Submit);
        single.submitted(7);
        assert_eq!(single.next(&READY, ms(2_099)), Next::Idle);
        single.ended(&report(7, Outcome::AsPlanned));
        assert_eq!(single.next(&READY, ms(3_000)), Next::Idle);
    }

    #[test]
    fn after_two_seconds_the_device_goes_ahead_and_the_frame_is_run_again_when_the_edge_is_ready() {
        let mut single = SingleFrame::default();
        single.ask(ms(0));
        assert_eq!(single.next(&DEPLOYING, ms(2_000)), Next::Submit);
        single.submitted(1);
        single.ended(&report(2, Outcome::Local { why: lost() }));
        assert_eq!(single.next(&READY, ms(2_001)), Next::Idle, "another frame's end is not its end");
        single.ended(&report(1, Outcome::Local { why: LocalReason::Deploying }));
        assert_eq!(single.next(&DEPLOYING, ms(9_000)), Next::Idle);
        assert_eq!(single.next(&READY, ms(9_001)), Next::Submit);
    }

    #[test]
    fn what_no_waiting_mends_goes_at_once() {
        for why in [LocalReason::NoEdge, lost(), LocalReason::DeadlineNear] {
            let mut single = SingleFrame::default();
            single.ask(ms(0));
            assert_eq!(single.next(&Err(why), ms(0)), Next::Submit);
        }
    }

    #[test]
    fn a_frame_that_the_edge_had_is_not_run_again_and_a_cancelled_one_never() {
        let mut single = SingleFrame::default();
        single.submitted(1);
        single.ended(&report(1, Outcome::Local { why: LocalReason::DeadlineNear }));
        assert_eq!(single.next(&READY, ms(1)), Next::Idle);
        single.ask(ms(1));
        single.cancel();
        assert_eq!(single.next(&READY, ms(1)), Next::Idle);
    }
}
