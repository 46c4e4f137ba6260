//! What judges a search: made here, kept from before, or fetched from the edge before the search begins.

use super::Worker;
use super::searching::Awaiting;
use crate::judges::Judges;
use crate::searching::POINTS;
use cleave_contract::{Event, Judge};
use cleave_model::SupernetWeights;
use cleave_search::FURNITURE;
use cleave_session::{DeviceEvent, Fetched};
use std::rc::Rc;

/// What is said when a search does not begin, and how it could, and while clouds come.
const NOT_BEGUN: &str = "The search did not start";
const REMEDY: &str = "Connect an edge that was started with --data DIR, or let generated furniture judge a new search; what \
    was found before is kept.";
const FETCHING: &str = "Fetching the clouds that judge";

/// What a search waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The welcome of the edge.
    Edge,
    /// The edge's clouds.
    Clouds,
}

enum Found {
    Here(Rc<Judges>),
    Later(Wait),
}

impl Worker {
    /// Begins a search as soon as what judges it is here.
    pub(super) fn begin_judged(&mut self, supernet: Rc<SupernetWeights>, then: Awaiting) {
        match self.find_judges(then.judged_on()) {
            Ok(Found::Here(judges)) => match judges.check(&supernet.classes, POINTS) {
                Ok(()) => self.begin(supernet, judges, then),
                Err(why) => self.page.fail(NOT_BEGUN, &why, REMEDY),
            },
            Ok(Found::Later(wait)) => {
                self.page.post(Event::Progress { what: FETCHING.into(), done: 0, total: 0 });
                self.waiting = Some((wait, then));
                if wait == Wait::Clouds {
                    let effects = self.link.device(DeviceEvent::FetchValidation);
                    self.perform(effects);
                }
            }
            Err(why) => self.page.fail(NOT_BEGUN, &why, REMEDY),
        }
    }

    /// The judges of this name; without a name those of the edge, or those that it had when it was last here.
    fn find_judges(&self, name: Option<&str>) -> Result<Found, String> {
        if name == Some(FURNITURE) {
            return Ok(Found::Here(Rc::new(Judges::furniture())));
        }
        let offered = self.offered();
        let wanted = name.or(offered.as_deref());
        let kept = self.judges.as_ref().filter(|judges| wanted.is_none_or(|wanted| wanted == judges.name()));
        match (kept, name, &offered) {
            (Some(judges), ..) => Ok(Found::Here(Rc::clone(judges))),
            (None, _, Some(offered)) if wanted == Some(offered) => Ok(Found::Later(Wait::Clouds)),
            (None, Some(name), Some(offered)) => Err(format!("it is judged on {name}, and this edge has {offered}")),
            (None, ..) if self.link.is_connecting() => Ok(Found::Later(Wait::Edge)),
            (None, Some(name), None) => Err(format!("it is judged on {name}, which no connected edge has")),
            (None, None, _) => Err("no edge with clouds that judge is connected".into()),
        }
    }

    /// Name of the clouds that the connected edge has.
    fn offered(&self) -> Option<String> {
        self.link.validation().map(ToString::to_string)
    }

    /// Name of what would judge a search that begins now.
    pub(super) fn judge_name(&self, judge: Judge) -> Result<String, String> {
        let name = match judge {
            Judge::Furniture => Some(FURNITURE.into()),
            Judge::Edge => self.offered().or_else(|| self.judges.as_ref().map(|judges| judges.name().into())),
        };
        name.ok_or_else(|| "no edge with clouds that judge is connected".into())
    }

    /// The edge that a search waits for may have answered, or will not.
    pub(super) fn edge_changed(&mut self) {
        let waiting = self.waiting.take_if(|(wait, _)| *wait == Wait::Edge);
        self.go_on(waiting);
    }

    fn go_on(&mut self, waiting: Option<(Wait, Awaiting)>) {
        if let (Some((_, then)), Some(supernet)) = (waiting, self.supernet.clone()) {
            self.begin_judged(supernet, then);
        }
    }

    /// Clouds of the edge, which are kept, also if the search that asked for them was stopped meanwhile.
    pub(super) fn fetched(&mut self, fetched: Fetched) {
        let (done, total) = if let Fetched::Part { bytes, total } = fetched { (bytes, total) } else { (1, 1) };
        if self.waiting.is_some() {
            self.page.post(Event::Progress { what: FETCHING.into(), done, total });
        }
        let read = match fetched {
            Fetched::Part { .. } => return,
            Fetched::Whole(set, body) => Judges::from_edge(set.to_string(), &body),
            Fetched::Failed(why) => Err(why),
        };
        let waiting = self.waiting.take();
        match read {
            Ok(judges) => {
                self.judges = Some(Rc::new(judges));
                self.go_on(waiting);
            }
            Err(why) if waiting.is_some() => self.page.fail(NOT_BEGUN, &why, REMEDY),
            Err(_) => {}
        }
    }
}
