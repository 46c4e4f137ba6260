//! What a plan costs on a pair of machines and a link: GCoDE's sum over the table, with what it leaves out (the round
//! trip, the codecs, only what is live, both directions), and what follows from it: throughput, memory, energy.

use crate::calibration::{Calibration, Stages};
use crate::energy::EnergyProfile;
use crate::link::{LinkFigures, wire_ms};
use crate::lut::{Lut, Size};
use crate::memory::peak_bytes;
use crate::profile::Profile;
use crate::roofline::Roofline;
use cleave_arch::{LinkCodec, Mapping, Op, Task, Tier, Trace};

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

    /// The cost of a mapping, calibrated.
    pub fn price(&self, mapping: &Mapping) -> Price {
        let raw = self.walk(mapping);
        let stages = self.calibration.apply(raw.stages);
        let price = Price {
            stages,
            busy_ms: self.busy_ms(stages, &raw),
            bytes_up: raw.bytes_up,
            bytes_down: raw.bytes_down,
            device_peak_bytes: peak_bytes(mapping, Tier::Device),
            edge_peak_bytes: peak_bytes(mapping, Tier::Edge),
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
    pub fn uncalibrated(&self, mapping: &Mapping) -> Stages {
        self.walk(mapping).stages
    }

    /// Milliseconds of every step on the tier that runs it, calibrated; 0 for what is skipped.
    pub fn step_times(&self, mapping: &Mapping) -> Vec<f64> {
        let factor = |tier| match tier {
            Tier::Device => self.calibration.device,
            Tier::Edge => self.calibration.edge,
        };
        let step = |at| factor(mapping.tier_of(at)) * self.step_ms(mapping.tier_of(at), mapping, at);
        (0..mapping.n_steps()).map(step).collect()
    }

    fn step_ms(&self, tier: Tier, mapping: &Mapping, at: usize) -> f64 {
        match (mapping.plan(), mapping.graph()) {
            (Some((_, trace, task)), _) if at < trace.steps.len() => self.op_ms(tier, trace, at, task),
            (Some((_, trace, _)), _) => self.lut(tier).classifier_ms(trace.classifier.input),
            (None, Some(graph)) => self.lut(tier).operator_ms(graph, at),
            (None, None) => 0.0,
        }
    }

    /// Milliseconds of one operation of an architecture on a tier; 0 if it is skipped.
    pub(crate) fn op_ms(&self, tier: Tier, trace: &Trace, at: usize, task: &Task) -> f64 {
        let step = &trace.steps[at];
        if step.dead {
            return 0.0;
        }
        let channels = if step.op == Op::Join { step.output[1] } else { step.input[1] };
        self.lut(tier).op_ms(step.op, Size { rows: step.input[0], channels, k: task.k })
    }

    fn walk(&self, mapping: &Mapping) -> Raw {
        let (mut raw, mut at_tier) = (Raw::default(), Tier::Device);
        let codec = mapping.codec();
        for (tier, steps) in mapping.segments() {
            if tier != at_tier {
                let bytes = mapping.cut_bytes(steps.start, codec.codec);
                self.cross(tier, codec, mapping.cut_values(steps.start), bytes, &mut raw);
                at_tier = tier;
            }
            // A move is both ways; the values before come in, those after go out.
            let moved = (mapping.cut_values(steps.start) + mapping.cut_values(steps.end)) / 2;
            let computed: f64 = steps.map(|at| self.step_ms(tier, mapping, at)).sum();
            *raw.compute(tier) += computed + self.lut(tier).move_ms(moved);
        }
        if at_tier == Tier::Edge {
            let classes = mapping.n_classes();
            self.cross(Tier::Device, LinkCodec::default(), classes, 4 * classes, &mut raw);
        }
        raw
    }

    /// Milliseconds that a crossing before a step takes, codecs included.
    pub(crate) fn crossing_ms(&self, mapping: &Mapping, at: usize, towards: Tier) -> f64 {
        let (mut raw, codec) = (Raw::default(), mapping.codec());
        self.cross(towards, codec, mapping.cut_values(at), mapping.cut_bytes(at, codec.codec), &mut raw);
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

    fn mapping(text: &str) -> Mapping {
        Mapping::parse(text, &Task::modelnet10()).unwrap()
    }

    fn price(machines: &Machines, text: &str) -> Price {
        machines.price(&mapping(text))
    }

    #[test]
    fn either_family_pays_for_the_same_things() {
        let whole = price(&machines(), "resnet");
        assert_eq!((whole.bytes_up, whole.edge_peak_bytes, whole.stages.rest), (0, 0, 0.0));
        // Within a block its input crosses beside what its layers have made; behind it both of its readers get it once.
        let within = price(&machines(), "resnet@3").bytes_up;
        let split = price(&machines(), "resnet@4");
        let maps = 4 * 32 * 14 * 14;
        assert_eq!((within, split.bytes_up, split.bytes_down), (2 * maps + 64, maps + 64, 40 + 64));
        assert!(split.stages.device < whole.stages.device && split.stages.edge > 0.0);
        assert!(split.device_peak_bytes <= whole.device_peak_bytes && split.edge_peak_bytes > 0);
        let steps: f64 = machines().step_times(&mapping("resnet")).iter().sum();
        assert!(steps < whole.stages.device && steps > 0.9 * whole.stages.device);
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
        let squeezed = { machines().price(&mapping("3 2 5 1 4,0 6 0 3 0").with_codec("f16".parse().unwrap())) };
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
        let whole = mapping("3 2 1 4,0 6 3 0");
        let ops: f64 = machines.step_times(&whole).iter().sum();
        let device = machines.price(&whole).stages.device;
        assert!(ops < device && ops > 0.9 * device, "{ops} of {device}");
        machines.calibration.device = 2.0;
        assert!((machines.price(&whole).stages.device - 2.0 * device).abs() < 1e-9);
        assert!((machines.step_times(&whole).iter().sum::<f64>() - 2.0 * ops).abs() < 1e-9);
    }
}
