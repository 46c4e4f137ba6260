//! What frames are predicted to cost, from the profile that is held and the conditions of now.

use crate::library::Loaded;
use crate::searching::metrics;
use burn::tensor::Device;
use cleave_arch::{Plan, Task, Trace};
use cleave_contract as contract;
use cleave_cost::graph::{Meta, PlanGraph, latencies};
use cleave_cost::{Calibration, EnergyProfile, LinkFigures, Machines, Price, Profile, Stages, hgnas_bytes};
use cleave_model::{Gin, GinWeights};
use cleave_search::{Metrics, Pricer};
use cleave_session::{FrameReport, Lane};
use cleave_wire::ModelHash;
use std::rc::Rc;

/// A link inside this tab: only what is imposed on it takes time.
const NO_LINK: LinkFigures =
    LinkFigures { rtt_ms: 0.0, up_mbps: 1e6, down_mbps: 1e6, up_ms_per_mb: 0.0, down_ms_per_mb: 0.0 };

/// A server with accelerators takes less.
const MOST_MILLIWATTS: f64 = 1e7;

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
    /// How many times slower the device is made to be; the profile is of the device as it is.
    slowdown: f64,
    /// Rows were measured or read; otherwise everything is a rule of thumb.
    is_measured: bool,
    learned: Option<Rc<Learned>>,
    /// The machines under the conditions that were asked for last: every frame of a stream asks for the same.
    now: Option<(contract::Link, Edge, Rc<Machines>)>,
    /// The price that was asked for last under them, of this plan of this network.
    last: Option<(ModelHash, Plan, contract::Price)>,
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
        let (learned, now, last) = (None, None, None);
        Self { machines: Machines::new(&profile), profile, slowdown: 1.0, is_measured: false, learned, now, last }
    }

    /// Predicts by this network from now on, where it has anything to go by.
    ///
    /// # Errors
    /// Bytes that are no predictor.
    pub fn learn(&mut self, bytes: &[u8]) -> Result<(), String> {
        let weights = GinWeights::from_safetensors(bytes).map_err(|why| why.to_string())?;
        let meta = serde_json::from_str(&weights.meta).map_err(|why| why.to_string())?;
        self.learned = Some(Rc::new(Learned { gin: Gin::new(&weights, &Device::flex()), meta }));
        self.forget();
        Ok(())
    }

    /// Predicts from this profile from now on.
    pub fn take(&mut self, profile: Profile) {
        self.machines = Machines::new(&profile);
        self.is_measured = profile.n_rows() > 0;
        self.profile = profile;
        self.forget();
    }

    /// What was worked out rests on something that has changed.
    fn forget(&mut self) {
        (self.now, self.last) = (None, None);
    }

    /// The profile that is held.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Estimates energy by these powers of the device from now on.
    ///
    /// # Errors
    /// Which of them is no power.
    pub fn draw(&mut self, powers: contract::Powers) -> Result<(), String> {
        let contract::Powers { active_milliwatts, communicating_milliwatts, static_milliwatts } = powers;
        let all = [active_milliwatts, communicating_milliwatts, static_milliwatts];
        if let Some(wrong) = all.into_iter().find(|power| !(0.0..=MOST_MILLIWATTS).contains(power)) {
            return Err(format!("{wrong} mW is no device's power; 0 to {MOST_MILLIWATTS} mW is"));
        }
        self.profile.energy = EnergyProfile {
            active_mw: active_milliwatts,
            communicating_mw: communicating_milliwatts,
            static_mw: static_milliwatts,
        };
        self.machines.energy = self.profile.energy;
        self.forget();
        Ok(())
    }

    /// The device is made so many times slower from now on.
    ///
    /// # Errors
    /// What is no slow-down.
    pub fn slow_down(&mut self, times: f64) -> Result<(), String> {
        if !(1.0..=contract::MAX_SLOWDOWN).contains(&times) {
            return Err(format!("a device can be emulated 1 to {} × slower, not {times}", contract::MAX_SLOWDOWN));
        }
        self.slowdown = times;
        self.forget();
        Ok(())
    }

    /// How many times slower the device is made to be.
    pub fn slowdown(&self) -> f64 {
        self.slowdown
    }

    /// Corrects predictions from pairs of uncorrected prediction and measurement.
    pub fn calibrate(&mut self, pairs: &[(Stages, Stages)]) {
        self.profile.calibration = Calibration::fit(pairs);
        self.machines.calibration = self.profile.calibration;
        self.forget();
    }

    /// The machines under the conditions of now.
    pub fn machines(&mut self, link: contract::Link, edge: Edge) -> Rc<Machines> {
        match &self.now {
            Some((of_link, of_edge, machines)) if (*of_link, *of_edge) == (link, edge) => Rc::clone(machines),
            _ => {
                self.forget();
                let machines = Rc::new(self.machines_under(link, edge));
                self.now = Some((link, edge, Rc::clone(&machines)));
                machines
            }
        }
    }

    fn machines_under(&self, link: contract::Link, edge: Edge) -> Machines {
        let mut machines = self.machines.clone();
        if edge == Edge::InThisTab {
            machines.edge = machines.device.clone();
            machines.link = NO_LINK;
            machines.one_thread = true;
        }
        machines.device = machines.device.slowed(self.slowdown);
        let mbps = (link.mbps > 0.0).then_some(link.mbps);
        machines.link = machines.link.shaped(mbps, link.delay_millis + link.jitter_millis / 2.0);
        machines
    }

    /// Prices of a network's placements.
    pub fn prices(&self, machines: &Machines, network: &Loaded, plan: &Plan) -> contract::Prices {
        let (trace, task) = (network.gnn.trace(), &network.card.task);
        let price = |plan: &Plan| self.price(machines, plan, network);
        let cut = |cuts: Vec<usize>| plan.with_cuts(cuts).map(|plan| price(&plan));
        contract::Prices {
            architecture: plan.architecture().to_string(),
            source: self.source(machines),
            plan: price(plan),
            // A plan without cuts and one with a single cut inside the network always exist.
            whole: cut(vec![]).unwrap_or_else(|_| price(plan)),
            cuts: (0..=trace.steps.len()).filter_map(|at| cut(vec![at]).ok()).collect(),
            op_millis: machines.op_times(plan, trace, task),
            hgnas_peak_bytes: hgnas_bytes(trace, task),
        }
    }

    /// What a design costs, operation by operation.
    pub fn inspect(&self, machines: &Machines, plan: &Plan, task: &Task) -> contract::Inspection {
        let trace = plan.architecture().trace(task);
        contract::Inspection {
            plan: plan.to_string(),
            n_points: task.n_points,
            in_channels: task.in_channels,
            k: task.k,
            n_classes: task.n_classes,
            price: view(self.predicted(machines, plan, &trace, task)),
            op_millis: machines.op_times(plan, &trace, task),
        }
    }

    /// The price of a frame that has gone through: streams ask for one plan again and again.
    pub fn of_frame(&mut self, machines: &Machines, plan: &Plan, network: &Loaded) -> contract::Price {
        match &self.last {
            Some((hash, of, price)) if *hash == network.hash && of == plan => *price,
            _ => {
                let price = self.price(machines, plan, network);
                self.last = Some((network.hash, plan.clone(), price));
                price
            }
        }
    }

    /// The price of one plan of a network.
    fn price(&self, machines: &Machines, plan: &Plan, network: &Loaded) -> contract::Price {
        view(self.predicted(machines, plan, network.gnn.trace(), &network.card.task))
    }

    fn predicted(&self, machines: &Machines, plan: &Plan, trace: &Trace, task: &Task) -> Price {
        let price = machines.price(plan, trace, task);
        let graph = || PlanGraph::new(plan, trace, task, machines);
        let latency = self.learned(machines).and_then(|learned| learned.latencies(&[graph()]));
        latency.and_then(|ms| ms.first().copied()).map_or(price, |ms| price.with_latency(ms))
    }

    /// The learned predictor, where it is better than the table: it was trained on whole profiles with a native edge,
    /// and a calibration on this very pair of machines is worth more.
    fn learned(&self, machines: &Machines) -> Option<&Rc<Learned>> {
        let knows = self.profile.complete && self.profile.edge.is_some() && self.profile.calibration.frames == 0;
        self.learned.as_ref().filter(|_| knows && !machines.one_thread)
    }

    /// Prices as a search asks for them; they stay as they are when the profile or the link changes.
    pub fn for_search(&self, link: contract::Link, edge: Edge, task: Task) -> Prices {
        let machines = self.machines_under(link, edge);
        Prices { learned: self.learned(&machines).cloned(), machines, slowdown: self.slowdown, task }
    }

    /// The same by another profile and slow-down.
    ///
    /// # Errors
    /// What is no slow-down.
    pub fn with(&self, profile: Profile, slowdown: f64) -> Result<Self, String> {
        let mut other = Self { learned: self.learned.clone(), ..Self::new() };
        other.take(profile);
        other.slow_down(slowdown)?;
        Ok(other)
    }

    fn source(&self, machines: &Machines) -> String {
        let source = match (self.is_measured, self.profile.complete) {
            (false, _) => "a rule of thumb: measure this device for better",
            (true, false) => "an unfinished profile",
            (true, true) if self.learned(machines).is_some() => "the profile and a network trained on others",
            (true, true) => "the profile",
        };
        match self.slowdown {
            1.0 => source.into(),
            times => format!("{source}; the device is emulated {times} × slower"),
        }
    }

    /// What the page shows of the profile.
    pub fn view(&self) -> contract::Profile {
        let profile = &self.profile;
        let name = |table: &cleave_cost::Table| format!("{}, {}", table.name, table.engine);
        contract::Profile {
            json: profile.to_json(),
            complete: profile.complete,
            device: profile.device.as_ref().map(name).unwrap_or_default(),
            edge: profile.edge.as_ref().map(name),
            rows: profile.n_rows(),
            noise: self.machines.noise,
            link: profile.link.map(|link| [link.rtt_ms, link.up_mbps, link.down_mbps]),
            calibrated: profile.calibration.frames,
            powers: contract::Powers {
                active_milliwatts: profile.energy.active_mw,
                communicating_milliwatts: profile.energy.communicating_mw,
                static_milliwatts: profile.energy.static_mw,
            },
        }
    }
}

impl Learned {
    fn latencies(&self, graphs: &[PlanGraph]) -> Option<Vec<f64>> {
        let forward =
            |features, batch, nodes| self.gin.forward(features, batch, nodes).into_data().try_into_vec::<f32>();
        latencies(graphs, &self.meta.standard, forward).ok()
    }
}

/// Prices under the conditions of one moment.
pub struct Prices {
    learned: Option<Rc<Learned>>,
    machines: Machines,
    /// How many times slower the device is emulated.
    pub slowdown: f64,
    task: Task,
}

impl Prices {
    /// What a known network costs with a mapping.
    pub fn design(&self, plan: &Plan) -> Metrics {
        let latency = self.refined_ms(std::slice::from_ref(plan)).first().copied();
        let metrics = self.metrics(plan);
        Metrics { latency_ms: latency.unwrap_or(metrics.latency_ms), ..metrics }
    }
}

impl Pricer for Prices {
    fn quick_ms(&self, plan: &Plan) -> f64 {
        self.machines.latency_ms(plan, &self.task)
    }

    fn metrics(&self, plan: &Plan) -> Metrics {
        metrics(&self.machines.price(plan, &plan.architecture().trace(&self.task), &self.task))
    }

    fn refined_ms(&self, plans: &[Plan]) -> Vec<f64> {
        let graph =
            |plan: &Plan| PlanGraph::new(plan, &plan.architecture().trace(&self.task), &self.task, &self.machines);
        let learned = self.learned.as_ref();
        let refined = learned.and_then(|learned| learned.latencies(&plans.iter().map(graph).collect::<Vec<_>>()));
        refined.unwrap_or_else(|| plans.iter().map(|plan| self.metrics(plan).latency_ms).collect())
    }
}

fn view(price: Price) -> contract::Price {
    contract::Price {
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
