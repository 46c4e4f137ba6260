//! What a search is evaluated on: made here, kept from before, or fetched from the edge before the search begins.

use super::Worker;
use super::searching::Awaiting;
use cleave_app::evaluation::{CLOUDS, EvaluationError, EvaluationSet, POINTS, sized};
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
    Here(Rc<EvaluationSet>),
    Later(Wait),
}

impl Worker {
    /// Begins a search as soon as what evaluates it is here.
    pub(super) fn begin_evaluated(&mut self, supernet: &SupernetWeights, then: Awaiting) {
        match self.find_set(then.set()) {
            Ok(Found::Here(set)) => {
                let small = sized(supernet, POINTS);
                match set.check(&small) {
                    Ok(()) => self.begin(supernet.task, small, set, then),
                    Err(why) => self.page.fail(NOT_BEGUN, &why.to_string(), REMEDY),
                }
            }
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

    /// The set of this name; without a name that of the edge, or the one that it had when it was last here.
    fn find_set(&self, name: Option<&str>) -> Result<Found, String> {
        let text = |why: EvaluationError| why.to_string();
        if name == Some(FURNITURE) {
            return Ok(Found::Here(Rc::new(EvaluationSet::furniture(CLOUDS, POINTS).map_err(text)?)));
        }
        let offered = self.offered();
        let wanted = name.or(offered.as_deref());
        let kept = self.edge_set.as_ref().filter(|set| wanted.is_none_or(|wanted| wanted == set.name()));
        match (kept, name, &offered) {
            (Some(set), ..) => Ok(Found::Here(Rc::clone(set))),
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

    /// Name of the set of a search that begins now.
    pub(super) fn set_name(&self, judge: Judge) -> Result<String, String> {
        let name = match judge {
            Judge::Furniture => Some(FURNITURE.into()),
            Judge::Edge => self.offered().or_else(|| self.edge_set.as_ref().map(|set| set.name().into())),
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
            self.begin_evaluated(&supernet, then);
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
            Fetched::Whole(set, body) => {
                EvaluationSet::of_edge(set.to_string(), &body, POINTS).map_err(|why| why.to_string())
            }
            Fetched::Failed(why) => Err(why),
        };
        let waiting = self.waiting.take();
        match read {
            Ok(set) => {
                self.edge_set = Some(Rc::new(set));
                self.go_on(waiting);
            }
            Err(why) if waiting.is_some() => self.page.fail(NOT_BEGUN, &why, REMEDY),
            Err(_) => {}
        }
    }
}
