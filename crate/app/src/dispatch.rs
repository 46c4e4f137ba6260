//! The dispatcher at work in this tab: the zoo as a menu of networks with placements, priced by the profile, and which
//! of them the live stream runs.

use crate::network::Network;
use crate::pricing::Prices;
use cleave_arch::{LinkCodec, Mapping};
use cleave_contract::{self as contract, NetworkInput};
use cleave_cost::{EnergyProfile, LinkFigures, Price, Stages};
use cleave_session::device::MAX_PREPARED;
use cleave_session::dispatch::{
    Action, Conditions, Decision, DispatchConfig, Dispatcher, Goal, Menu, Priced, Target, hull,
};
use cleave_session::{Echo, FrameReport, Micros, Work};
use std::sync::Arc;
use thiserror::Error;

/// Decisions that the page is told.
const TOLD: usize = 12;
/// Milliseconds between two reports without a decision.
const REPORT: f64 = 500.0;
/// First number of an echo, above those of measurements.
const FIRST_ECHO: u32 = 1 << 30;

/// Why there is no dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DispatchError {
    /// Nothing of the zoo can run alone on an input of this size.
    #[error("no shipped network reads {}", input_words(input))]
    NoNetwork {
        /// What the input is.
        input: NetworkInput,
    },
}

fn input_words(input: &NetworkInput) -> String {
    match input {
        NetworkInput::Cloud { n_points, .. } => format!("clouds of {n_points} points"),
        NetworkInput::Image { channels, height, width } => format!("images of {channels} × {height} × {width}"),
    }
}

/// A network with a placement, its price in parts that do not depend on the link.
struct Placed {
    network: Arc<Network>,
    work: Arc<Work>,
    stages: Stages,
    bytes: [usize; 2],
    is_ready: bool,
}

impl Placed {
    fn new(network: &Arc<Network>, mapping: Mapping, price: Price) -> Option<Self> {
        Some(Self {
            work: network.work(mapping).ok()?,
            network: Arc::clone(network),
            stages: price.stages,
            bytes: [price.bytes_up, price.bytes_down],
            is_ready: false,
        })
    }
}

/// What the dispatcher chooses from.
struct Zoo {
    placed: Vec<Placed>,
    link: LinkFigures,
    energy: EnergyProfile,
}

impl Zoo {
    /// Every network of the input's size on the device, on the edge, and cut anywhere.
    fn new(networks: &[Arc<Network>], input: &NetworkInput, prices: &Prices, codec: LinkCodec) -> Self {
        let mut placed = Vec::new();
        for network in networks.iter().filter(|network| network.reads(input)) {
            let cuts = std::iter::once(vec![]).chain((0..network.mapping.n_steps()).map(|at| vec![at]));
            let mappings = cuts.filter_map(|cuts| network.mapping.with_cuts(cuts).ok());
            let place = |mapping: Mapping| {
                let price = prices.price(&mapping);
                Placed::new(network, mapping, price)
            };
            placed.extend(mappings.filter_map(|mapping| place(mapping.with_codec(codec))));
        }
        let (link, energy) = (prices.machines().link, prices.machines().energy);
        Self { placed, link, energy }
    }
}

impl Menu for Zoo {
    fn len(&self) -> usize {
        self.placed.len()
    }

    fn accuracy(&self, choice: usize) -> f64 {
        self.placed[choice].network.accuracy.unwrap_or(0.0)
    }

    fn price(&self, choice: usize, at: &Conditions) -> Priced {
        let Placed { stages, bytes: [up, down], work, .. } = &self.placed[choice];
        let link = LinkFigures { rtt_ms: at.rtt_ms, up_mbps: at.up_mbps, down_mbps: at.down_mbps, ..self.link };
        let (sent, edge) = match work.needs_edge() {
            true => (link.up_ms(*up) + link.down_ms(*down), stages.edge * at.edge_load),
            false => (0.0, 0.0),
        };
        Priced {
            latency_ms: stages.device + stages.rest + sent + edge,
            energy_mj: self.energy.frame_mj(stages.device, sent, edge),
        }
    }

    fn is_offloaded(&self, choice: usize) -> bool {
        self.placed[choice].work.needs_edge()
    }

    fn edge_ms(&self, choice: usize) -> f64 {
        self.placed[choice].stages.edge
    }

    fn is_ready(&self, choice: usize) -> bool {
        self.placed[choice].is_ready
    }
}

/// The dispatcher with its menu.
pub struct Dispatching {
    zoo: Zoo,
    choices: Vec<usize>,
    dispatcher: Dispatcher,
    target: contract::Target,
    echo: Option<(u32, u32, u32)>,
    next_echo: u32,
    reported: f64,
}

/// What is to be done.
pub enum Wanted {
    /// Send an echo.
    Echo {
        /// Its number.
        id: u32,
        /// Bytes there.
        bytes: u32,
        /// Bytes back.
        answer_bytes: u32,
    },
    /// Run this from now on.
    Run(Arc<Network>, Mapping),
}

impl Dispatching {
    /// Begins with the best that needs no edge: what does is chosen as soon as it is ready there. The prices are those of
    /// an unshaped link, for the dispatcher measures the link itself.
    ///
    /// # Errors
    /// [`DispatchError::NoNetwork`].
    pub fn new(
        networks: &[Arc<Network>],
        input: &NetworkInput,
        prices: &Prices,
        codec: LinkCodec,
        target: contract::Target,
    ) -> Result<Self, DispatchError> {
        let zoo = Zoo::new(networks, input, prices, codec);
        let wanted = session_target(target);
        let choices = hull(&zoo, &wanted, MAX_PREPARED);
        let alone = choices.iter().copied().find(|choice| !zoo.is_offloaded(*choice));
        let running = alone.ok_or(DispatchError::NoNetwork { input: *input })?;
        let LinkFigures { rtt_ms, up_mbps, down_mbps, .. } = prices.machines().link;
        let initial = Conditions { up_mbps, down_mbps, rtt_ms, edge_load: 1.0 };
        let dispatcher = Dispatcher::new(wanted, choices.clone(), running, initial, DispatchConfig::default());
        Ok(Self { zoo, choices, dispatcher, target, echo: None, next_echo: FIRST_ECHO, reported: 0.0 })
    }

    /// What the edge is to hold ready.
    pub fn works(&self) -> Vec<Arc<Work>> {
        self.choices.iter().map(|choice| Arc::clone(&self.zoo.placed[*choice].work)).collect()
    }

    /// What runs.
    pub fn running(&self) -> (Arc<Network>, Mapping) {
        let placed = &self.zoo.placed[self.dispatcher.running()];
        (Arc::clone(&placed.network), placed.work.mapping().clone())
    }

    /// Takes in which works the edge holds, in the order of [`Dispatching::works`].
    pub fn ready(&mut self, is_ready: impl Fn(&Work) -> bool) {
        for choice in &self.choices {
            let placed = &mut self.zoo.placed[*choice];
            placed.is_ready = is_ready(&placed.work);
        }
    }

    /// The machine that evidence is told to.
    pub fn dispatcher(&mut self) -> &mut Dispatcher {
        &mut self.dispatcher
    }

    /// A frame has ended.
    pub fn frame(&mut self, report: &FrameReport) {
        let is_its = |choice: &&usize| {
            let work = &self.zoo.placed[**choice].work;
            work.is_same(&report.work)
        };
        if let Some(choice) = self.choices.iter().find(is_its) {
            self.dispatcher.observe_frame(report, self.zoo.edge_ms(*choice));
        }
    }

    /// An echo has come, or will not; one that was not asked for here concerns nobody.
    pub fn echoed(&mut self, id: u32, echo: Option<&Echo>) {
        let Some((_, bytes, answer_bytes)) = self.echo.take_if(|(awaited, ..)| *awaited == id) else { return };
        if let Some(echo) = echo {
            self.dispatcher.observe_echo(echo, bytes, answer_bytes);
        }
    }

    /// Until when work should wait because an echo is out: while the engine's thread computes, it would be seen late.
    pub fn quiet_until(&self, now: Micros) -> Option<Micros> {
        self.dispatcher.quiet_until().filter(|until| *until > now)
    }

    /// When [`Self::advance`] must be called at the latest.
    pub fn next_wake(&self) -> Micros {
        self.dispatcher.next_wake()
    }

    /// What is to be done now.
    pub fn advance(&mut self, now: Micros) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for action in self.dispatcher.advance(&self.zoo, now) {
            match action {
                Action::Probe { bytes, answer_bytes } => {
                    self.next_echo += 1;
                    self.echo = Some((self.next_echo, bytes, answer_bytes));
                    wanted.push(Wanted::Echo { id: self.next_echo, bytes, answer_bytes });
                }
                Action::Switch(decision) => {
                    let placed = &self.zoo.placed[decision.to];
                    wanted.push(Wanted::Run(Arc::clone(&placed.network), placed.work.mapping().clone()));
                    self.reported = 0.0;
                }
            }
        }
        wanted
    }

    /// What the page is told: after a decision, and now and then; `None` in between.
    pub fn view(&mut self, running: bool, now: Micros) -> Option<contract::Dispatch> {
        if running && now.as_millis() - self.reported < REPORT {
            return None;
        }
        self.reported = now.as_millis();
        let conditions = self.dispatcher.conditions(now);
        let place = |choice: usize| self.choices.iter().position(|other| *other == choice).unwrap_or(0);
        let decision = |decision: &Decision| contract::Decision {
            at_ms: decision.at.as_millis(),
            from: place(decision.from),
            to: place(decision.to),
            reason: decision.why.clone(),
        };
        let choice = |choice: &usize| {
            let placed = &self.zoo.placed[*choice];
            contract::Choice {
                name: placed.network.name.clone(),
                plan: placed.work.mapping().to_string(),
                accuracy: self.zoo.accuracy(*choice),
            }
        };
        let mut decisions: Vec<contract::Decision> =
            self.dispatcher.decisions().rev().take(TOLD).map(decision).collect();
        decisions.reverse();
        Some(contract::Dispatch {
            running,
            target: self.target,
            choices: self.choices.iter().map(choice).collect(),
            current: place(self.dispatcher.running()),
            up_mbps: Some(conditions.up_mbps),
            rtt_ms: Some(conditions.rtt_ms),
            edge_load: conditions.edge_load,
            decisions,
        })
    }
}

fn session_target(target: contract::Target) -> Target {
    Target {
        goal: match target.goal {
            contract::Goal::Fastest => Goal::Fastest,
            contract::Goal::MostAccurate => Goal::MostAccurate,
            contract::Goal::LeastEnergy => Goal::LeastEnergy,
        },
        accuracy: target.accuracy,
        latency_ms: target.latency_ms,
    }
}
