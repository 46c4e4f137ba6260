//! What the page knows, and the two functions that change it: [`State::act`] for what a person does and [`State::hear`] for
//! what the worker says. Both return the intents to post; neither touches the browser.
//!
//! The state is made of parts, each in a file of its own with what touches nothing else; the functions that need several
//! parts are methods of [`State`].

mod act;
mod cooperation;
mod costs;
mod cut;
mod death;
mod design;
mod dispatch;
mod edge;
mod frames;
mod hear;
mod input;
mod look;
mod network;
pub mod notice;
mod partition;
mod revive;
mod run;
mod search;
pub mod settings;
pub mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod worker;

use cleave_contract::EdgeAddress;

pub use act::Act;
pub use cooperation::Cooperation;
pub use costs::Costs;
pub use death::unloaded;
pub use design::SelectedDesign;
pub use dispatch::{DispatchControl, Dispatching};
pub use edge::EdgeConnection;
pub use frames::{Answer, Freshness, JUDGED, REMEMBERED, RecentFrames};
pub use input::ShownInput;
pub use look::Looker;
pub use network::{DGCNN, Listed, NetworkChoice};
pub use notice::Notice;
pub use partition::Partitioning;
pub use revive::Replay;
pub use run::Run;
pub use search::{Searches, Sharing};
pub use settings::{Cuts, Settings};
pub use shared::Shared;
pub use worker::{ComputeWorker, Engine, Loading, Progress};

/// The gallery's classes: ModelNet10's, in its order.
pub use cleave_arch::MODELNET10 as CLASSES;

/// All that the page knows.
#[derive(Clone, Debug)]
pub struct State {
    /// What the person has set.
    pub settings: Settings,
    /// The worker that computes.
    pub worker: ComputeWorker,
    /// Where the edge half runs.
    pub edge: EdgeConnection,
    /// What frames are computed of.
    pub input: ShownInput,
    /// What they are computed by.
    pub network: NetworkChoice,
    /// What is being computed. Only one thing is at a time, so all parts share it.
    pub run: Run,
    /// The last frames and what they measured.
    pub frames: RecentFrames,
    /// What computing costs on these machines.
    pub costs: Costs,
    /// The search for networks with their mapping.
    pub search: Searches,
    /// The design of a search that is looked at.
    pub design: SelectedDesign,
    /// The dispatcher, which chooses network and cut while it is on.
    pub dispatcher: DispatchControl,
    /// Image networks that several workers share.
    pub partition: Partitioning,
    /// What went wrong last, until dismissed.
    pub notice: Option<Notice>,
    /// The page's base URL, from which the worker fetches models.
    pub base_url: String,
}

impl State {
    /// A page that has just been opened with these settings.
    pub fn new(settings: Settings, address: Option<EdgeAddress>, base_url: String) -> Self {
        State {
            worker: ComputeWorker::default(),
            input: ShownInput::default(),
            network: NetworkChoice::default(),
            run: Run::Idle,
            frames: RecentFrames::default(),
            costs: Costs::default(),
            search: Searches::default(),
            design: SelectedDesign::default(),
            dispatcher: DispatchControl::default(),
            partition: Partitioning::new(&settings, address.as_ref()),
            edge: EdgeConnection::new(address),
            notice: None,
            base_url,
            settings,
        }
    }

    /// The name under which the network of the settings is asked for.
    pub fn network_name(&self) -> String {
        self.network.name(&self.settings.network)
    }
}
