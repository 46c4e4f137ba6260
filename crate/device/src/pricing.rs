//! What frames are predicted to cost, from the profile that is held and the conditions of now.

use crate::library::Loaded;
use burn::tensor::Device;
use cleave_arch::Plan;
use cleave_cost::graph::{Meta, PlanGraph};
use cleave_cost::{Calibration, LinkFigures, Machines, Price, Profile, Stages};
use cleave_model::{Gin, GinWeights};
use cleave_session::{FrameReport, Lane};
use cleave_wire::ui;

/// A link inside this tab: only what is imposed on it takes time.
const NO_LINK: LinkFigures =
    LinkFigures { rtt_ms: 0.0, up_mbps: 1e6, down_mbps: 1e6, up_ms_per_mb: 0.0, down_ms_per_mb: 0.0 };

/// Where the edge half runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// On the device's own engine and thread.
    InThisTab,
    /// Elsewhere.
    Native,
}

/// The profile and what follows from it.
pub struct Pricing {
    profile: Profile,
    machines: Machines,
    /// Rows were measured or read; otherwise everything is a rule of thumb.
    is_measured: bool,
    learned: Option<Learned>,
}

/// A learned predictor.
struct Learned {
    gin: Gin,
    meta: Meta,
}

impl Pricing {
    /// Nothing is known.
    pub fn new() -> Self {
        let profile = Profile::default();
        Self { machines: Machines::new(&profile), profile, is_measured: false, learned: None }
    }

    /// Predicts by this network from now on, where it has anything to go by.
    ///
    /// # Errors
    /// Bytes that are no predictor.
    pub fn learn(&mut self, bytes: &[u8]) -> Result<(), String> {
        let weights = GinWeights::from_safetensors(bytes).map_err(|why| why.to_string())?;
        let meta = serde_json::from_str(&weights.meta).map_err(|why| why.to_string())?;
        self.learned = Some(Learned { gin: Gin::new(&weights, &Device::flex()), meta });
        Ok(())
    }

    /// Predicts from this profile from now on.
    pub fn take(&mut self, profile: Profile) {
        self.machines = Machines::new(&profile);
        self.is_measured = profile.n_rows() > 0;
        self.profile = profile;
    }

    /// The profile that is held.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Corrects predictions from pairs of uncorrected prediction and measurement.
    pub fn calibrate(&mut self, pairs: &[(Stages, Stages)]) {
        self.profile.calibration = Calibration::fit(pairs);
        self.machines.calibration = self.profile.calibration;
    }

    /// The machines under the conditions of now.
    pub fn machines(&self, link: ui::Link, edge: Edge) -> Machines {
        let mut machines = self.machines.clone();
        if edge == Edge::InThisTab {
            machines.edge = machines.device.clone();
            machines.link = NO_LINK;
            machines.one_thread = true;
        }
        let mbps = (link.mbps > 0.0).then_some(link.mbps);
        machines.link = machines.link.shaped(mbps, link.delay_millis + link.jitter_millis / 2.0);
        machines
    }

    /// Prices of a network's placements.
    pub fn prices(&self, machines: &Machines, network: &Loaded, plan: &Plan) -> ui::Prices {
        let (trace, task) = (network.gnn.trace(), &network.card.task);
        let price = |plan: &Plan| self.price(machines, plan, network);
        let cut = |cuts: Vec<usize>| plan.with_cuts(cuts).map(|plan| price(&plan));
        ui::Prices {
            architecture: plan.architecture().to_string(),
            source: self.source(machines).into(),
            plan: price(plan),
            // A plan without cuts and one with a single cut inside the network always exist.
            whole: cut(vec![]).unwrap_or_else(|_| price(plan)),
            cuts: (0..=trace.steps.len()).filter_map(|at| cut(vec![at]).ok()).collect(),
            op_millis: machines.op_times(plan, trace, task),
        }
    }

    /// The price of one plan of a network.
    pub fn price(&self, machines: &Machines, plan: &Plan, network: &Loaded) -> ui::Price {
        let price = machines.price(plan, network.gnn.trace(), &network.card.task);
        let latency = self.learned(machines).and_then(|learned| learned.latency_ms(machines, plan, network));
        view(latency.map_or(price, |latency| price.with_latency(latency)))
    }

    /// The learned predictor, where it is better than the table: it was trained on whole profiles with a native edge,
    /// and a calibration on this very pair of machines is worth more.
    fn learned(&self, machines: &Machines) -> Option<&Learned> {
        let knows = self.profile.complete && self.profile.edge.is_some() && self.profile.calibration.frames == 0;
        self.learned.as_ref().filter(|_| knows && !machines.one_thread)
    }

    fn source(&self, machines: &Machines) -> &'static str {
        match (self.is_measured, self.profile.complete) {
            (false, _) => "a rule of thumb: measure this device for better",
            (true, false) => "an unfinished profile",
            (true, true) if self.learned(machines).is_some() => "the profile and a network trained on others",
            (true, true) => "the profile",
        }
    }

    /// What the page shows of the profile.
    pub fn view(&self) -> ui::Profile {
        let profile = &self.profile;
        let name = |table: &cleave_cost::Table| format!("{}, {}", table.name, table.engine);
        ui::Profile {
            json: profile.to_json(),
            complete: profile.complete,
            device: profile.device.as_ref().map(name).unwrap_or_default(),
            edge: profile.edge.as_ref().map(name),
            rows: profile.n_rows(),
            noise: self.machines.noise,
            link: profile.link.map(|link| [link.rtt_ms, link.up_mbps, link.down_mbps]),
            calibrated: profile.calibration.frames,
        }
    }
}

impl Learned {
    fn latency_ms(&self, machines: &Machines, plan: &Plan, network: &Loaded) -> Option<f64> {
        let graph = PlanGraph::new(plan, network.gnn.trace(), &network.card.task, machines);
        let out = self.gin.forward(self.meta.standard.apply(&graph), 1, graph.nodes).into_data();
        let log_ratio = out.try_into_vec::<f32>().ok()?.first().copied()?;
        Some(graph.table_ms * f64::from(log_ratio).exp())
    }
}

fn view(price: Price) -> ui::Price {
    ui::Price {
        device_millis: price.stages.device,
        up_millis: price.stages.up,
        edge_millis: price.stages.edge,
        down_millis: price.stages.down,
        other_millis: price.stages.rest,
        uncertainty_millis: price.uncertainty_ms,
        frames_per_second: price.frames_per_second,
        device_peak_bytes: price.device_peak_bytes,
        edge_peak_bytes: price.edge_peak_bytes,
        energy_millijoules: price.energy_mj,
    }
}

/// Where a frame's time went.
pub fn stages(report: &FrameReport) -> Stages {
    let lane = |lane| report.lane_millis(lane);
    let (device, up, edge, down) = (lane(Lane::Device), lane(Lane::Uplink), lane(Lane::Edge), lane(Lane::Downlink));
    Stages { device, up, edge, down, rest: report.total_millis() - device - up - edge - down }
}
