//! What a plan costs on a pair of machines and a link: GCoDE's sum over the table, with what it leaves out (the round
//! trip, the codecs, only what is live, both directions), and what follows from it: throughput, memory, energy.

use crate::calibration::{Calibration, Stages};
use crate::energy::EnergyProfile;
use crate::link::{LinkFigures, wire_ms};
use crate::lut::{Lut, Size};
use crate::memory::peak_bytes;
use crate::profile::Profile;
use crate::roofline::Roofline;
use cleave_arch::{LinkCodec, Op, Plan, Task, Tier, Trace};

/// Bytes of a frame's message beside its payload: header, numbers, shapes.
pub(crate) const FRAME_BYTES: usize = 64;

/// Two machines and a link, as far as they are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Machines {
    /// The device's table.
    pub device: Lut,
    /// The edge's table.
    pub edge: Lut,
    /// Between them.
    pub link: LinkFigures,
    /// What real frames have corrected.
    pub calibration: Calibration,
    /// The device's powers.
    pub energy: EnergyProfile,
    /// Device and edge share one thread, as with an edge half in the same tab.
    pub one_thread: bool,
    /// Part of a time by which the tables themselves may be off.
    pub noise: f64,
}

/// A plan's cost for one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Milliseconds by stage; their sum is the latency.
    pub stages: Stages,
    /// Milliseconds by which the latency may be off, two standard deviations.
    pub uncertainty_ms: f64,
    /// Milliseconds for which the busier tier's thread is taken by a frame, codecs included.
    pub busy_ms: f64,
    /// Frames a second with enough of them in flight: 1 / slowest stage.
    pub frames_per_second: f64,
    /// Bytes of its messages to the edge.
    pub bytes_up: usize,
    /// Bytes of its messages to the device.
    pub bytes_down: usize,
    /// Most memory of the engine on the device, bytes, weights included.
    pub device_peak_bytes: u64,
    /// Most memory of the engine on the edge, bytes; 0 where it has no part.
    pub edge_peak_bytes: u64,
    /// Energy on the device, millijoules: an estimate.
    pub energy_mj: f64,
}

impl Price {
    /// Latency of one frame, milliseconds.
    pub fn latency_ms(&self) -> f64 {
        self.stages.total()
    }
}

/// Error that remains when every row of a table is exact, as a part of the time: operations disturb each other's
/// caches, and a cloud decides how long its neighbours are sought. Seen over random networks (`bench predict`).
const MODEL_ERROR: f64 = 0.05;

impl Machines {
    /// From a profile; what it does not hold takes its default.
    pub fn new(profile: &Profile) -> Self {
        let lut = |table: &Option<crate::table::Table>, roofline| {
            table.as_ref().map_or_else(|| Lut::unmeasured(roofline), |table| Lut::new(table, roofline))
        };
        let noise = [&profile.device, &profile.edge].into_iter().flatten().map(crate::table::Table::noise);
        Self {
            device: lut(&profile.device, Roofline::default()),
            edge: lut(&profile.edge, Roofline { gflops: 60.0, gbytes: 10.0, call_ms: 0.002 }),
            link: profile.link.unwrap_or_default(),
            calibration: profile.calibration,
            energy: profile.energy,
            one_thread: false,
            noise: noise.fold(0.0, f64::max),
        }
    }

    /// The table of a tier.
    pub fn lut(&self, tier: Tier) -> &Lut {
        match tier {
            Tier::Device => &self.device,
            Tier::Edge => &self.edge,
        }
    }

    /// The cost of a plan, calibrated.
    pub fn price(&self, plan: &Plan, trace: &Trace, task: &Task) -> Price {
        let mut raw = Raw::default();
        self.walk(plan, trace, task, &mut raw);
        let stages = self.calibration.apply(raw.stages);
        let price = Price {
            stages,
            busy_ms: self.busy_ms(stages, &raw),
            bytes_up: raw.bytes_up,
            bytes_down: raw.bytes_down,
            device_peak_bytes: peak_bytes(plan, trace, Tier::Device),
            edge_peak_bytes: peak_bytes(plan, trace, Tier::Edge),
            uncertainty_ms: 0.0,
            frames_per_second: 0.0,
            energy_mj: 0.0,
        };
        self.derived(price)
    }

    /// The same price with another latency, as a learned predictor gives it: the link takes what its bytes take, and
    /// computing and the rest change alike, but never below a tenth. Energy, throughput and uncertainty follow, so that
    /// limits of all of them are of one model.
    pub fn with_latency(&self, price: Price, latency_ms: f64) -> Price {
        let Stages { device, up, edge, down, rest } = price.stages;
        let (link, computing) = (up + down, device + edge + rest);
        let factor = if computing > 0.0 { ((latency_ms - link) / computing).max(0.1) } else { 1.0 };
        let stages = Stages { device: factor * device, edge: factor * edge, rest: factor * rest, ..price.stages };
        self.derived(Price { stages, busy_ms: factor * price.busy_ms, ..price })
    }

    /// With what follows from the stages.
    fn derived(&self, price: Price) -> Price {
        let Price { stages, busy_ms, bytes_up, bytes_down, .. } = price;
        let wire = wire_ms(bytes_up, self.link.up_mbps).max(wire_ms(bytes_down, self.link.down_mbps));
        Price {
            uncertainty_ms: 2.0 * stages.total() * (MODEL_ERROR.powi(2) + self.noise.powi(2)).sqrt(),
            frames_per_second: 1e3 / busy_ms.max(wire).max(1e-6),
            energy_mj: self.energy.frame_mj(stages.device, stages.up + stages.down, stages.edge),
            ..price
        }
    }

    /// Stages without calibration: what a calibration is made from.
    pub fn uncalibrated(&self, plan: &Plan, trace: &Trace, task: &Task) -> Stages {
        let mut raw = Raw::default();
        self.walk(plan, trace, task, &mut raw);
        raw.stages
    }

    /// Milliseconds of every operation on the tier that runs it, then of the classifier, calibrated; 0 for what is skipped.
    pub fn op_times(&self, plan: &Plan, trace: &Trace, task: &Task) -> Vec<f64> {
        let factor = |tier| match tier {
            Tier::Device => self.calibration.device,
            Tier::Edge => self.calibration.edge,
        };
        let op = |at| factor(plan.tier_of(at)) * self.op_ms(plan.tier_of(at), trace, at, task);
        let tier = plan.tier_of_classifier();
        let classifier = factor(tier) * self.lut(tier).classifier_ms(trace.classifier.input);
        (0..trace.steps.len()).map(op).chain([classifier]).collect()
    }

    /// Milliseconds of one operation on a tier; 0 if it is skipped.
    pub(crate) fn op_ms(&self, tier: Tier, trace: &Trace, at: usize, task: &Task) -> f64 {
        let step = &trace.steps[at];
        if step.dead {
            return 0.0;
        }
        let channels = if step.op == Op::Join { step.output[1] } else { step.input[1] };
        self.lut(tier).op_ms(step.op, Size { rows: step.input[0], channels, k: task.k })
    }

    fn walk(&self, plan: &Plan, trace: &Trace, task: &Task, raw: &mut Raw) {
        let mut at_tier = Tier::Device;
        for segment in plan.segments() {
            if segment.tier != at_tier {
                let live = trace.live_before(segment.ops.start);
                let values = live.iter().map(|live| live.rows * live.cols).sum();
                let bytes = trace.cut_bytes(segment.ops.start, plan.codec().codec);
                self.cross(segment.tier, plan.codec(), values, bytes, raw);
                at_tier = segment.tier;
            }
            let ops: f64 = segment.ops.clone().map(|at| self.op_ms(segment.tier, trace, at, task)).sum();
            let lut = self.lut(segment.tier);
            let classifier = if segment.classifier { lut.classifier_ms(trace.classifier.input) } else { 0.0 };
            let values = |at| trace.live_before(at).iter().map(|live| live.rows * live.cols).sum::<usize>();
            let after = if segment.classifier { task.n_classes } else { values(segment.ops.end) };
            // A move is both ways; the values before come in, those after go out.
            let moved = lut.move_ms((values(segment.ops.start) + after) / 2);
            *raw.compute(segment.tier) += ops + classifier + moved;
        }
        if at_tier == Tier::Edge {
            self.cross(Tier::Device, LinkCodec::default(), task.n_classes, 4 * task.n_classes, raw);
        }
    }

    /// Milliseconds that a crossing before operation `at` takes, codecs included.
    pub(crate) fn crossing_ms(&self, plan: &Plan, trace: &Trace, at: usize, towards: Tier) -> f64 {
        let values = trace.live_before(at).iter().map(|live| live.rows * live.cols).sum();
        let mut raw = Raw::default();
        self.cross(towards, plan.codec(), values, trace.cut_bytes(at, plan.codec().codec), &mut raw);
        raw.stages.total()
    }

    /// Adds a crossing of so many values and bytes.
    pub(crate) fn cross(&self, towards: Tier, codec: LinkCodec, values: usize, bytes: usize, raw: &mut Raw) {
        let bytes = (bytes as f64 * self.lut(towards.other()).compression(codec)) as usize + FRAME_BYTES;
        let (encode, decode) =
            (self.lut(towards.other()).encode_ms(codec, values), self.lut(towards).decode_ms(codec, values));
        raw.stages.rest += encode + decode;
        match towards {
            Tier::Edge => {
                raw.stages.up += self.link.up_ms(bytes);
                raw.bytes_up += bytes;
                (raw.device_codec, raw.edge_codec) = (raw.device_codec + encode, raw.edge_codec + decode);
            }
            Tier::Device => {
                raw.stages.down += self.link.down_ms(bytes);
                raw.bytes_down += bytes;
                (raw.edge_codec, raw.device_codec) = (raw.edge_codec + encode, raw.device_codec + decode);
            }
        }
    }

    fn busy_ms(&self, stages: Stages, raw: &Raw) -> f64 {
        let (device, edge) = (stages.device + raw.device_codec, stages.edge + raw.edge_codec);
        // What a slowed device waits its thread is free for the edge.
        let shared = stages.device / self.device.slowdown() + raw.device_codec + edge;
        device.max(if self.one_thread { shared } else { edge })
    }
}

/// What a walk over a plan adds up, uncalibrated.
#[derive(Default)]
pub(crate) struct Raw {
    pub(crate) stages: Stages,
    bytes_up: usize,
    bytes_down: usize,
    device_codec: f64,
    edge_codec: f64,
}

impl Raw {
    pub(crate) fn compute(&mut self, tier: Tier) -> &mut f64 {
        match tier {
            Tier::Device => &mut self.stages.device,
            Tier::Edge => &mut self.stages.edge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machines() -> Machines {
        Machines::new(&Profile::default())
    }

    fn price(machines: &Machines, text: &str) -> Price {
        let plan: Plan = text.parse().unwrap();
        let task = Task::modelnet10();
        machines.price(&plan, &plan.architecture().trace(&task), &task)
    }

    #[test]
    fn a_plan_on_the_device_alone_pays_no_link() {
        let whole = price(&machines(), "3 2 1 4,0 6 3 0");
        assert_eq!((whole.stages.up, whole.stages.edge, whole.bytes_up, whole.edge_peak_bytes), (0.0, 0.0, 0, 0));
        assert!(whole.stages.device > 0.0 && whole.device_peak_bytes > 0);
    }

    #[test]
    fn the_link_is_paid_there_and_back_with_what_is_live() {
        let split = price(&machines(), "3 2 5 1 4,0 6 0 3 0");
        // Features [1024, 6] as f32 and 10 logits at 40 Mbps, half a round trip of 1 ms each way.
        assert_eq!((split.bytes_up, split.bytes_down), (1024 * 6 * 4 + 64, 40 + 64));
        assert!((split.stages.up - (0.5 + (24_576.0 + 64.0) * 8.0 / 40e3)).abs() < 1e-9, "{:?}", split.stages);
        let squeezed = {
            let plan: Plan = "3 2 5 1 4,0 6 0 3 0".parse().unwrap();
            let plan = plan.with_codec("f16".parse().unwrap());
            let task = Task::modelnet10();
            machines().price(&plan, &plan.architecture().trace(&task), &task)
        };
        assert!(squeezed.bytes_up < split.bytes_up / 2 + 64);
    }

    #[test]
    fn a_pipeline_is_as_fast_as_its_slowest_stage() {
        let mut machines = machines();
        machines.link.up_mbps = 1e5;
        let split = price(&machines, "3 2 5 1 4,0 6 0 3 0");
        assert!(split.frames_per_second > 1e3 / split.latency_ms());
        machines.one_thread = true;
        assert!(price(&machines, "3 2 5 1 4,0 6 0 3 0").frames_per_second < split.frames_per_second);
    }

    #[test]
    fn another_latency_leaves_the_link_as_it_is() {
        let (machines, price) = (machines(), price(&machines(), "3 2 5 1 4,0 6 0 3 0"));
        let slower = machines.with_latency(price, price.latency_ms() + 5.0);
        assert!((slower.latency_ms() - price.latency_ms() - 5.0).abs() < 1e-9);
        assert_eq!((slower.stages.up, slower.stages.down), (price.stages.up, price.stages.down));
        assert!(machines.with_latency(price, 0.0).stages.device > 0.0);
        let Stages { device, up, edge, down, .. } = slower.stages;
        assert_eq!(slower.energy_mj, machines.energy.frame_mj(device, up + down, edge), "energy is of the same model");
        assert!(slower.energy_mj > price.energy_mj && slower.uncertainty_ms > price.uncertainty_ms);
        assert!(slower.frames_per_second <= price.frames_per_second);
        let same = machines.with_latency(price, price.latency_ms());
        assert!((same.energy_mj / price.energy_mj - 1.0).abs() < 1e-9);
    }

    #[test]
    fn calibration_and_operations_add_up() {
        let mut machines = machines();
        let (plan, task): (Plan, _) = ("3 2 1 4,0 6 3 0".parse().unwrap(), Task::modelnet10());
        let trace = plan.architecture().trace(&task);
        let ops: f64 = machines.op_times(&plan, &trace, &task).iter().sum();
        let device = machines.price(&plan, &trace, &task).stages.device;
        assert!(ops < device && ops > 0.9 * device, "{ops} of {device}");
        machines.calibration.device = 2.0;
        assert!((machines.price(&plan, &trace, &task).stages.device - 2.0 * device).abs() < 1e-9);
        assert!((machines.op_times(&plan, &trace, &task).iter().sum::<f64>() - 2.0 * ops).abs() < 1e-9);
    }
}
