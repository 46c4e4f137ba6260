//! What the worker says: every [`Event`] replaces one part of the state. An error is told and destroys nothing.

use super::{
    Answer, Cuts, DGCNN, Engine, Freshness, JUDGED, Loading, Notice, Progress, REMEMBERED, Run, Shared, State,
};
use crate::pipeline::Held;
use crate::words;
use cleave_contract::{Cloud, EdgeStatus, Event, Frame, Intent, Network, Outcome, Stream};

impl State {
    /// Applies an event; returns what to tell the worker next.
    pub fn hear(&mut self, event: Event) -> Vec<Intent> {
        match event {
            Event::Ready { version } => {
                self.loading = Loading::Ready { version };
                return self.begin();
            }
            // What was stopped may still tell of itself.
            Event::Progress { what, .. }
                if what.is_of_partitions() && !matches!(self.run, Run::Planning | Run::Cooperating) => {}
            Event::Progress { what, done, total } => {
                let ended = total > 0 && done >= total;
                self.progress = (!ended).then_some(Progress { what, done, total });
            }
            Event::Engine { backend, reason, measured } => {
                self.progress = None;
                self.engine = Some(Shared::new(Engine { backend, reason, measured }));
            }
            Event::Edge(status) => {
                let native = |status: &EdgeStatus| *status != EdgeStatus::Simulated;
                if native(&status) != native(&self.edge) {
                    self.measured.clear();
                }
                self.edge = status;
            }
            Event::Waiting(waiting) => self.waiting = waiting,
            Event::Profile(profile) => {
                // Predictions rest on something else from now on.
                self.judged.clear();
                self.profile = Some(Shared::new(profile));
                let mut intents = self.inspect_again();
                if self.run == Run::Measuring {
                    self.run = Run::Idle;
                    intents.extend(self.run_soon());
                }
                return intents;
            }
            Event::Prices(prices) => self.prices = Some(Shared::new(prices)),
            Event::Cloud(cloud) => return self.take_cloud(cloud),
            Event::Gallery(clouds) => self.gallery = Shared::new(clouds),
            Event::Network(network) => return self.take_network(network),
            Event::Frame(frame) => return self.take_frame(frame),
            Event::Search(search) => return self.take_search(search),
            Event::Inspected(inspection) => self.take_inspection(inspection),
            Event::Shared { wish, text } => self.take_shared(wish, text),
            Event::Dispatch(dispatch) => self.take_dispatch(dispatch),
            Event::Partitions(partitions) => return self.take_partitions(partitions),
            Event::Workers(workers) => self.cooperation.workers = workers,
            Event::Cooperated(cooperated) => return self.take_cooperated(*cooperated),
            Event::Stream(stream) => self.take_stream(stream),
            Event::Failed { what, why } => return self.fail(words::notice(&what, why)),
            // The port makes an act of it, which knows the time.
            Event::Died(_) => {}
        }
        Vec::new()
    }

    fn take_cloud(&mut self, cloud: Cloud) -> Vec<Intent> {
        self.progress = None;
        self.replay.take_cloud(&cloud);
        self.cloud = Some(Shared::new(cloud));
        self.run_soon()
    }

    fn take_network(&mut self, network: Network) -> Vec<Intent> {
        self.progress = None;
        if let Some(plan) = self.switched_to(&network) {
            return self.follow(network, plan);
        }
        let name = network.name.clone();
        let asked = self.wanted.take().filter(|_| self.replay.is_named()).unwrap_or_else(|| {
            // Nobody asked by name: it is a file that was opened, or a design.
            self.settings.network = name.clone();
            name.clone()
        });
        let held = Held::new(network, self.settings.codec);
        match held.and_then(|held| held.cut(&self.settings.cuts)) {
            Ok(held) => {
                self.held = Some(Shared::new(held));
                self.measured.clear();
                self.in_use = asked;
                self.replay.take_network();
                if !self.replay.is_reviving() {
                    self.answer = None;
                }
                let mut intents = self.plan_intent();
                intents.extend(self.go_on());
                intents
            }
            Err(why) if self.settings.cuts != Cuts::Default => {
                self.settings.cuts = Cuts::Default;
                self.notice = Some(Notice {
                    what: format!("The cut of the address does not fit {name}."),
                    why: why.to_string(),
                    remedy: "The network's own cut is used instead.".into(),
                });
                self.wanted = Some(self.network_name());
                self.replay.name();
                vec![Intent::Network(self.network_name())]
            }
            Err(why) => self.fail(unshowable(&name, &why)),
        }
    }

    fn take_frame(&mut self, frame: Frame) -> Vec<Intent> {
        self.progress = None;
        let frame = Shared::new(frame);
        if self.frames.len() == REMEMBERED {
            self.frames.pop_front();
        }
        self.frames.push_back(frame.clone());
        let again = self.run == Run::OnceMore;
        if matches!(self.run, Run::Once | Run::OnceMore) {
            self.run = Run::Idle;
        }
        self.judge(&frame);
        self.note_latency(&frame);
        self.note_prediction(&frame);
        if again { self.run_soon() } else { Vec::new() }
    }

    /// Remembers what a frame took that went as planned, for the comparison of all cuts.
    fn note_latency(&mut self, frame: &Frame) {
        let Some(held) = &self.held else { return };
        let plan = frame.plan.parse::<cleave_arch::Plan>();
        let Ok(plan) = plan.map(|plan| plan.with_codec(held.plan.codec())) else { return };
        let is_held = plan.architecture() == held.plan.architecture() && frame.codec == held.plan.codec().to_string();
        if is_held && frame.outcome == Outcome::AsPlanned {
            self.measured.retain(|(cuts, _)| cuts != plan.cuts());
            self.measured.push((plan.cuts().to_vec(), frame.total_millis));
        }
    }

    /// Remembers a prediction beside what came of it. Frames of a stream wait for each other, which no price holds.
    fn note_prediction(&mut self, frame: &Frame) {
        let alone = self.run != Run::Stream || self.settings.in_flight == 1;
        let Some(price) = frame.predicted.filter(|_| alone && frame.outcome == Outcome::AsPlanned) else { return };
        if self.judged.len() == JUDGED {
            self.judged.pop_front();
        }
        self.judged.push_back([price.total_millis(), frame.total_millis]);
    }

    /// Puts the frame's answer on show, or says why it has none.
    fn judge(&mut self, frame: &Shared<Frame>) {
        let n_classes = self.held.as_ref().map_or(0, |held| held.about.classes.len());
        match &frame.outcome {
            Outcome::Failed { why } => {
                self.notice = Some(Notice {
                    what: format!("Frame {} has no answer.", frame.id),
                    why: why.clone(),
                    remedy: "Run it again, or move the cut; the last answer is kept.".into(),
                });
            }
            _ if frame.probabilities.len() == n_classes => {
                self.answer = Some(Answer { frame: frame.clone(), freshness: Freshness::Current });
            }
            _ => {} // of the network before this one
        }
    }

    fn take_stream(&mut self, stream: Stream) {
        match (stream.running, self.run) {
            (true, Run::Idle) => self.run = Run::Stream,
            (false, Run::Stream) => self.run = Run::Idle,
            _ => {}
        }
        self.stream = Some(stream);
    }

    pub(super) fn fail(&mut self, notice: Notice) -> Vec<Intent> {
        self.notice = Some(notice);
        self.progress = None;
        if !matches!(self.loading, Loading::Ready { .. }) {
            self.loading = Loading::Failed;
        }
        // A stream, a measurement and a search that has begun tell of their own end.
        let has_begun = self.search.as_ref().is_some_and(|search| search.running);
        let ends_with_it = matches!(self.run, Run::Once | Run::OnceMore | Run::Planning | Run::Cooperating);
        if ends_with_it || (self.run == Run::Searching && !has_begun) {
            self.run = Run::Idle;
            self.cooperation.forget_next();
        }
        self.forget_asked();
        if self.replay.is_reviving() && self.is_ready() && self.wanted.is_some() {
            // The worker that held the network on show is gone.
            self.held = None;
        }
        match (self.wanted.take(), &self.held) {
            (Some(_), Some(_)) => self.settings.network = self.in_use.clone(),
            (Some(wanted), None) => return self.fall_back(&wanted),
            (None, _) => {}
        }
        Vec::new()
    }

    /// With no network at all there is nothing to show: after the first failure the next best is asked for.
    pub(super) fn fall_back(&mut self, failed: &str) -> Vec<Intent> {
        if failed == DGCNN {
            return Vec::new();
        }
        self.settings.network = String::new();
        let first = self.network_name();
        let next = if first == failed { DGCNN.to_owned() } else { first };
        self.settings.network = next.clone();
        self.settings.cuts = Cuts::Default;
        self.wanted = Some(next.clone());
        self.replay.name();
        vec![Intent::Network(next)]
    }
}

/// Why a network that the worker holds is not on show.
pub(super) fn unshowable(name: &str, why: &cleave_arch::ArchError) -> Notice {
    Notice {
        what: format!("The network {name} cannot be shown."),
        why: why.to_string(),
        remedy: "Reload the page; if that does not help, page and worker are of different versions.".into(),
    }
}
