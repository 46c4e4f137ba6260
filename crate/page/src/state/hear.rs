//! What the worker says: every [`Event`] replaces one part of the state. An error is told and destroys nothing.

use super::{Cuts, DGCNN, Engine, Loading, Looker, Notice, Run, Shared, State};
use crate::pipeline::Held;
use crate::words;
use cleave_contract::{Cloud, Event, Frame, Intent, Network, Outcome, Stream};

impl State {
    /// Applies an event; returns what to tell the worker next.
    pub fn hear(&mut self, event: Event) -> Vec<Intent> {
        match event {
            Event::Ready { version } => {
                self.worker.loading = Loading::Ready { version };
                return self.begin();
            }
            // What was stopped may still tell of itself.
            Event::Progress { what, .. }
                if what.is_of_partitions() && !matches!(self.run, Run::Planning | Run::Cooperating) => {}
            Event::Progress { what, done, total } => self.worker.take_progress(what, done, total),
            Event::Engine { backend, reason, measured } => {
                self.worker.take_engine(Engine { backend, reason, measured });
            }
            Event::Edge(status) => {
                if self.edge.take_status(status) {
                    self.frames.measured.clear();
                }
            }
            Event::Waiting(waiting) => self.edge.waiting = waiting,
            Event::Profile(profile) => {
                // Predictions rest on something else from now on.
                self.frames.judged.clear();
                self.costs.profile = Some(Shared::new(profile));
                let mut intents = self.design.inspect(&self.worker);
                if self.run == Run::Measuring {
                    self.run = Run::Idle;
                    intents.extend(self.run_soon());
                }
                return intents;
            }
            Event::Prices(prices) => self.costs.prices = Some(Shared::new(prices)),
            Event::Cloud(cloud) => return self.take_cloud(cloud),
            Event::Gallery(clouds) => self.input.gallery = Shared::new(clouds),
            Event::Network(network) => return self.take_network(network),
            Event::Frame(frame) => return self.take_frame(frame),
            Event::Search(search) => return self.take_search(search),
            Event::Inspected(inspection) => self.design.take(inspection),
            Event::Shared { request, text } => self.take_shared(request, text),
            Event::Dispatch(dispatch) => self.dispatcher.take(dispatch),
            Event::Partitions(partitions) => return self.take_partitions(partitions),
            Event::Workers(workers) => self.partition.cooperation.workers = workers,
            Event::Cooperated(cooperated) => return self.take_cooperated(*cooperated),
            Event::Stream(stream) => self.take_stream(stream),
            Event::Failed { what, why } => return self.fail(words::notice(&what, why)),
            // The port makes an act of it, which knows the time.
            Event::Died(_) => {}
        }
        Vec::new()
    }

    fn take_cloud(&mut self, cloud: Cloud) -> Vec<Intent> {
        self.worker.progress = None;
        self.worker.replay.take_cloud(&cloud);
        self.input.cloud = Some(Shared::new(cloud));
        // A network that reads images does not see it.
        if self.looks_at(Looker::Held).is_some() { Vec::new() } else { self.run_soon() }
    }

    fn take_network(&mut self, network: Network) -> Vec<Intent> {
        self.worker.progress = None;
        let name = network.name.clone();
        let held = match Held::new(network, self.settings.codec) {
            Ok(held) => held,
            Err(why) => {
                self.network.wanted = None;
                return self.fail(unshowable(&name, &why));
            }
        };
        if let Some(cuts) = self.switched_to(&held) {
            return self.follow(held, cuts);
        }
        let asked = self.network.wanted.take().filter(|_| self.worker.replay.is_named()).unwrap_or_else(|| {
            // Nobody asked by name: it is a file that was opened, or a design.
            self.settings.network = name.clone();
            name.clone()
        });
        match held.cut(&self.settings.cuts) {
            Ok(held) => {
                self.network.held = Some(Shared::new(held));
                self.frames.measured.clear();
                self.network.in_use = asked;
                self.worker.replay.take_network();
                if !self.worker.replay.is_reviving() {
                    self.frames.answer = None;
                }
                self.drop_unfit_image(Looker::Held);
                let mut intents = self.network.plan_intent();
                intents.extend(self.tell_image());
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
                self.network.wanted = Some(self.network_name());
                self.worker.replay.name();
                vec![Intent::Network(self.network_name())]
            }
            Err(why) => self.fail(unshowable(&name, &why)),
        }
    }

    fn take_frame(&mut self, frame: Frame) -> Vec<Intent> {
        self.worker.progress = None;
        let frame = Shared::new(frame);
        self.frames.remember(frame.clone());
        let again = self.run == Run::OnceMore;
        if matches!(self.run, Run::Once | Run::OnceMore) {
            self.run = Run::Idle;
        }
        self.judge(&frame);
        if let Some(held) = &self.network.held {
            self.frames.note_latency(&frame, held);
        }
        // Frames of a stream wait for each other, which no price holds.
        if self.run != Run::Stream || self.settings.in_flight == 1 {
            self.frames.note_prediction(&frame);
        }
        if again { self.run_soon() } else { Vec::new() }
    }

    /// Puts the frame's answer on show, or says why it has none.
    fn judge(&mut self, frame: &Shared<Frame>) {
        let n_classes = self.network.held.as_ref().map_or(0, |held| held.about.classes.len());
        match &frame.outcome {
            Outcome::Failed { why } => {
                self.notice = Some(Notice {
                    what: format!("Frame {} has no answer.", frame.id),
                    why: why.clone(),
                    remedy: "Run it again, or move the cut; the last answer is kept.".into(),
                });
            }
            _ => self.frames.show(frame, n_classes),
        }
    }

    fn take_stream(&mut self, stream: Stream) {
        match (stream.running, self.run) {
            (true, Run::Idle) => self.run = Run::Stream,
            (false, Run::Stream) => self.run = Run::Idle,
            _ => {}
        }
        self.frames.stream = Some(stream);
    }

    pub(super) fn fail(&mut self, notice: Notice) -> Vec<Intent> {
        self.notice = Some(notice);
        self.worker.fail();
        // A stream, a measurement and a search that has begun tell of their own end.
        let ends_with_it = matches!(self.run, Run::Once | Run::OnceMore | Run::Planning | Run::Cooperating);
        if ends_with_it || (self.run == Run::Searching && !self.search.is_under_way()) {
            self.run = Run::Idle;
            self.partition.cooperation.forget_next();
        }
        self.dispatcher.forget_asked();
        self.search.forget_asked();
        if self.worker.replay.is_reviving() && self.worker.is_ready() && self.network.wanted.is_some() {
            // The worker that held the network on show is gone.
            self.network.held = None;
        }
        match (self.network.wanted.take(), &self.network.held) {
            (Some(_), Some(_)) => self.settings.network = self.network.in_use.clone(),
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
        self.network.wanted = Some(next.clone());
        self.worker.replay.name();
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
