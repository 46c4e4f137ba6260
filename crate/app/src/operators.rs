//! The times of a graph's operators, part by part: what is run, how often, after which pause, and what follows
//! from the times. There is one way to probe, so that plans of the page and of the command rest on the same figures; a
//! shell runs one part, or waits.

use burn::tensor::{Device, Tensor};
use cleave_graph::{Axis, Graph};
use cleave_model::ModelError;
use cleave_model::exec::{self, Others, Part};
use cleave_partition::{Measured, Probe, Sample, probes};
use serde_json::{Value, json};
use thiserror::Error;

/// Timed runs of a part, after one that warms it up; the median counts.
const RUNS: usize = 5;
/// Nothing is computed for so long before a timed run: a worker that waits for others finds colder caches than a loop.
const PAUSE_MS: f64 = 5.0;
/// Values that are added to learn what adding takes.
pub const ADDED: usize = 1 << 20;

/// A computation that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The layer of the probe with this index.
    Layer(usize),
    /// What follows the layer, if its part is complete.
    Tail(usize),
    /// The sum of two vectors of [`ADDED`] values.
    Add,
}

/// The next thing that a shell does: wait, run, and time the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What is run.
    pub work: Work,
    /// Nothing is computed for so long before it; none before a run that warms up.
    pub pause_ms: Option<f64>,
}

/// Decides which part is run next: `next`, run, `took`, until nothing is left.
#[derive(Clone, Debug)]
pub struct Probing {
    network: Graph,
    probes: Vec<Probe>,
    is_warm: bool,
    times: Vec<f64>,
    /// Of what is over, in order: layer and tail of each probe, then the sum.
    medians: Vec<f64>,
}

impl Probing {
    /// Nothing has been run.
    pub fn new(network: &Graph) -> Self {
        let probes = probes(network);
        Self { network: network.clone(), probes, is_warm: false, times: Vec::new(), medians: Vec::new() }
    }

    /// What is run next; none: all times are there.
    pub fn next(&self) -> Option<Step> {
        let (at, last) = (self.medians.len(), 2 * self.probes.len());
        let work = match at {
            _ if at > last => return None,
            _ if at == last => Work::Add,
            _ if at % 2 == 0 => Work::Layer(at / 2),
            _ => Work::Tail(at / 2),
        };
        Some(Step { work, pause_ms: self.is_warm.then_some(PAUSE_MS) })
    }

    /// Takes the time of what [`Self::next`] said, milliseconds; none: this part has nothing to run.
    pub fn took(&mut self, ms: Option<f64>) {
        match ms {
            None => self.over(0.0),
            Some(_) if !self.is_warm => self.is_warm = true,
            Some(ms) => {
                self.times.push(ms);
                if self.times.len() == RUNS {
                    self.times.sort_by(f64::total_cmp);
                    self.over(self.times[RUNS / 2]);
                }
            }
        }
    }

    fn over(&mut self, median: f64) {
        self.medians.push(median);
        self.times.clear();
        self.is_warm = false;
    }

    /// Probes that are over, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.medians.len() / 2, self.probes.len())
    }

    /// The times, once nothing is left.
    pub fn finish(&self) -> Option<OperatorTimes> {
        let (add_ms, parts) = self.medians.split_last().filter(|(_, parts)| parts.len() == 2 * self.probes.len())?;
        let sample = |(probe, ms): (&Probe, &[f64])| {
            let Probe { operator, axis, share, .. } = *probe;
            Sample { operator, axis, share, layer_ms: ms[0], tail_ms: ms[1] }
        };
        let samples = self.probes.iter().zip(parts.chunks_exact(2)).map(sample).collect();
        Some(OperatorTimes { network: self.network.to_string(), samples, add_ms_per_value: add_ms / ADDED as f64 })
    }
}

/// What a shell runs the steps of a [`Probing`] with, on one engine.
pub struct Workbench {
    network: Graph,
    probes: Vec<Probe>,
    device: Device,
    part: Option<(usize, Part)>,
    addends: Option<[Tensor<1>; 2]>,
    others: Others,
}

impl Workbench {
    /// For this network on this engine.
    pub fn new(network: &Graph, device: &Device) -> Self {
        let (probes, device) = (probes(network), device.clone());
        Self { network: network.clone(), probes, device, part: None, addends: None, others: Others::default() }
    }

    /// Uses the caches as others would, at the beginning of a pause.
    pub fn disturb(&mut self) {
        self.others.compute();
    }

    /// Runs a part: all of it is computed once the value that is returned can be read. None: there is nothing to run.
    /// The first run of a part also prepares it.
    ///
    /// # Errors
    /// A part that the engine cannot hold.
    pub fn run(&mut self, work: Work) -> Result<Option<Tensor<1>>, ModelError> {
        Ok(match work {
            Work::Layer(probe) => self.part(probe)?.layer().map(exec::Value::first),
            Work::Tail(probe) => self.part(probe)?.tail().map(exec::Value::first),
            Work::Add => {
                let ones = || Tensor::ones([ADDED], &self.device);
                let [a, b] = self.addends.get_or_insert_with(|| [ones(), ones()]).clone();
                Some((a + b).slice(0..1))
            }
        })
    }

    fn part(&mut self, at: usize) -> Result<&Part, ModelError> {
        if self.part.as_ref().is_none_or(|(held, _)| *held != at) {
            // One at a time: a part may hold hundreds of megabytes.
            self.part = None;
            let probe = &self.probes[at];
            self.part = Some((at, Part::new(&self.network, probe.operator, probe.split.clone(), &self.device)?));
        }
        match &self.part {
            Some((_, part)) => Ok(part),
            None => Err(ModelError::Parts { found: "no part".into() }),
        }
    }
}

/// Why times cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimesError {
    /// Of another network.
    #[error("they are of {found}; they must be of {expected}")]
    Network {
        /// Whose they are.
        found: String,
        /// Whose they are to be.
        expected: String,
    },
    /// Other parts are measured today.
    #[error("they have {found} samples where {expected} are needed; measure them again")]
    Samples {
        /// Samples of the file.
        found: usize,
        /// Parts that are measured.
        expected: usize,
    },
    /// A field is missing, or is none.
    #[error("{what}")]
    Field {
        /// What it has to be.
        what: String,
    },
}

fn field(what: &str) -> TimesError {
    TimesError::Field { what: what.into() }
}

const AXES: [(Axis, &str); 3] = [(Axis::Outputs, "outputs"), (Axis::Inputs, "inputs"), (Axis::Rows, "rows")];

/// What the operators of one network take on one engine.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorTimes {
    network: String,
    samples: Vec<Sample>,
    add_ms_per_value: f64,
}

impl OperatorTimes {
    /// The network's chain.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The times of workers that are so many times slower, in their order.
    pub fn measured<'a>(&self, network: &'a Graph, slowdowns: &[f64]) -> Measured<'a> {
        let mut measured = Measured::new(network);
        slowdowns.iter().for_each(|slower| measured.add_worker(&self.samples, self.add_ms_per_value, *slower));
        measured
    }

    /// An operator whole, milliseconds.
    pub fn of(&self, operator: usize) -> f64 {
        let whole = self.samples.iter().find(|sample| sample.operator == operator && sample.share >= 1.0);
        whole.map_or(0.0, |sample| sample.layer_ms + sample.tail_ms)
    }

    /// So many of the first operators whole, one after another, milliseconds.
    pub fn whole_ms(&self, operators: usize) -> f64 {
        (0..operators).map(|operator| self.of(operator)).sum()
    }

    /// As a file holds it.
    pub fn to_json(&self) -> Value {
        let sample = |sample: &Sample| {
            let way = AXES.iter().find(|(axis, _)| *axis == sample.axis).map_or("", |(_, name)| name);
            let Sample { operator, share, layer_ms, tail_ms, .. } = sample;
            json!({ "operator": operator, "way": way, "share": share, "layer_ms": layer_ms, "tail_ms": tail_ms })
        };
        let samples: Vec<Value> = self.samples.iter().map(sample).collect();
        json!({ "network": self.network, "samples": samples, "add_ms_per_value": self.add_ms_per_value })
    }

    /// From what [`Self::to_json`] made for this network.
    ///
    /// # Errors
    /// [`TimesError`]: another network's, other parts, or a number that is none.
    pub fn from_json(json: &Value, network: &Graph) -> Result<Self, TimesError> {
        let number = |json: &Value, key: &str| {
            let number = json[key].as_f64().filter(|number| number.is_finite() && *number >= 0.0);
            number.ok_or_else(|| field(&format!("{key} must be a number from 0")))
        };
        let sample = |json: &Value| {
            let axis = AXES.iter().find(|(_, name)| json["way"].as_str() == Some(name));
            Ok(Sample {
                operator: number(json, "operator")? as usize,
                axis: axis.ok_or_else(|| field("way must be outputs, inputs or rows"))?.0,
                share: number(json, "share")?,
                layer_ms: number(json, "layer_ms")?,
                tail_ms: number(json, "tail_ms")?,
            })
        };
        let times = Self {
            network: json["network"].as_str().ok_or_else(|| field("network must be a chain"))?.to_owned(),
            samples: json["samples"].as_array().into_iter().flatten().map(sample).collect::<Result<_, _>>()?,
            add_ms_per_value: number(json, "add_ms_per_value")?,
        };
        let (expected, probes) = (network.to_string(), probes(network));
        if times.network != expected {
            return Err(TimesError::Network { found: times.network, expected });
        }
        match times.samples.len() == probes.len() {
            true => Ok(times),
            false => Err(TimesError::Samples { found: times.samples.len(), expected: probes.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = "2x8x8: conv 4 k3 p1, relu, maxpool 2, flatten, linear 3";

    fn network() -> Graph {
        NETWORK.parse().unwrap()
    }

    /// Runs all steps with the times of `take`, and returns them.
    fn probe(mut take: impl FnMut(Step) -> Option<f64>) -> (Vec<Step>, OperatorTimes) {
        let (mut probing, mut steps) = (Probing::new(&network()), Vec::new());
        while let Some(step) = probing.next() {
            assert!(probing.finish().is_none());
            steps.push(step);
            probing.took(take(step));
        }
        (steps, probing.finish().unwrap())
    }

    #[test]
    fn each_part_warms_up_once_and_its_median_of_five_counts() {
        let mut runs = 0;
        let (steps, times) = probe(|step| match step.work {
            Work::Tail(_) => None,
            _ => {
                // The first is an outlier that must not count, and so is one of the others.
                runs += 1;
                Some([100.0, 3.0, 1.0, 2.0, 50.0, 4.0][(runs - 1) % 6])
            }
        });
        let of = |work: Work| steps.iter().filter(|step| step.work == work).map(|s| s.pause_ms).collect::<Vec<_>>();
        assert_eq!(of(Work::Layer(0)), [None, Some(5.0), Some(5.0), Some(5.0), Some(5.0), Some(5.0)]);
        assert_eq!((of(Work::Tail(0)), of(Work::Add).len()), (vec![None], 6), "what has no tail is asked once");
        assert_eq!((times.of(0), times.of(1), times.whole_ms(2)), (3.0, 3.0, 6.0));
        assert_eq!(times.add_ms_per_value, 3.0 / ADDED as f64);
        let network = network();
        let measured = times.measured(&network, &[1.0, 2.5]);
        let adding = |worker| cleave_partition::ComputeTimes::add_ms(&measured, worker, ADDED as u64);
        assert!((adding(0) - 3.0).abs() < 1e-9 && (adding(1) - 7.5).abs() < 1e-9);
    }

    #[test]
    fn what_was_kept_is_read_again_and_only_for_its_network() {
        let (_, times) = probe(|step| Some(if let Work::Layer(at) = step.work { at as f64 / 3.0 } else { 0.25 }));
        let json: Value = serde_json::from_str(&times.to_json().to_string()).unwrap();
        let read = OperatorTimes::from_json(&json, &network()).unwrap();
        assert!((read.whole_ms(2) - times.whole_ms(2)).abs() < 1e-9 && read.samples.len() == times.samples.len());
        let other = "2x8x8: conv 5 k3 p1".parse().unwrap();
        let why = OperatorTimes::from_json(&json, &other).unwrap_err();
        assert!(matches!(why, TimesError::Network { .. }), "{why}");
        type Change<'a> = &'a dyn Fn(&mut Value);
        let changed = |change: Change| {
            let mut json = json.clone();
            change(&mut json);
            OperatorTimes::from_json(&json, &network()).unwrap_err().to_string()
        };
        let wrong: [(Change, &str); 4] = [
            (&|json| json["samples"][1]["layer_ms"] = json!(-1.0), "layer_ms must be a number from 0"),
            (&|json| json["samples"][0]["way"] = json!("columns"), "outputs, inputs or rows"),
            (&|json| drop(json["samples"].as_array_mut().unwrap().pop()), "measure them again"),
            (&|json| json["network"] = Value::Null, "network must be a chain"),
        ];
        wrong.iter().for_each(|(change, says)| assert!(changed(change).contains(says), "{}", changed(change)));
    }

    #[test]
    fn a_workbench_runs_every_step_of_a_network() {
        let mut bench = Workbench::new(&network(), &Device::flex());
        let (steps, _) = probe(|step| {
            if step.pause_ms.is_some() {
                bench.disturb();
            }
            let value = bench.run(step.work).unwrap()?.into_data().try_into_vec::<f32>().unwrap();
            assert_eq!(value.len(), 1);
            Some(1.0)
        });
        assert!(steps.iter().any(|step| matches!(step.work, Work::Tail(_)) && step.pause_ms.is_some()));
    }
}
