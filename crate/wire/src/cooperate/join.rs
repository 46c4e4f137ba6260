//! What a member is told of its group: who works, at what, and how it is split.

use cleave_graph::{MAX_NODES, MAX_WORKERS, Partition, Reduce, Shares, Split, Step};

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::types::{LinkShape, WeightSource, bad_tag};

/// Most bytes of a worker's name.
pub const MAX_NAME_BYTES: usize = 64;
/// Most channels or rows that workers share.
pub const MAX_UNITS: usize = 1 << 16;

/// Conditions that a worker imposes on the parts that it sends, one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uplink {
    /// Before the bytes of each message, microseconds.
    pub setup_micros: u32,
    /// Rate, delay and jitter.
    pub shape: LinkShape,
}

impl Uplink {
    /// As it is.
    pub const UNSHAPED: Self = Self { setup_micros: 0, shape: LinkShape::UNSHAPED };

    /// So many milliseconds of set-up, megabits per second (infinitely many: not shaped) and milliseconds of delay, without
    /// jitter; times above [`LinkShape::MAX_DELAY_MICROS`] are that.
    pub fn of(setup_ms: f64, mbps: f64, delay_ms: f64) -> Self {
        let micros = |ms: f64| (ms * 1e3).round().clamp(0.0, LinkShape::MAX_DELAY_MICROS.into()) as u32;
        let bits_per_second = if mbps.is_finite() { (mbps * 1e6).round() as u64 } else { 0 };
        let shape = LinkShape { bits_per_second, delay_micros: micros(delay_ms), jitter_micros: 0 };
        Self { setup_micros: micros(setup_ms), shape }
    }
}

/// What one worker is to do in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Number of the group, drawn at random.
    pub group: u64,
    /// Which of its workers the receiver is.
    pub worker: u16,
    /// Names of all workers: of each another, none empty.
    pub names: Vec<String>,
    /// Text form of the graph.
    pub graph: String,
    /// Who computes what; not checked against the graph yet.
    pub partition: Partition,
    /// Where the weights come from.
    pub weights: WeightSource,
    /// What the receiver imposes on what it sends.
    pub uplink: Uplink,
}

impl Join {
    pub(super) fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        let writer = writer.u64(self.group).u16(self.worker).list(&self.names, |name, writer| _ = writer.text(name));
        let writer = writer.text(&self.graph).list(&self.partition.steps, write_step);
        let writer = self.weights.write(writer);
        self.uplink.shape.write(writer.u32(self.uplink.setup_micros))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (group, worker) = (reader.u64("group")?, reader.u16("worker")?);
        let names = read_names(reader)?;
        let workers = names.len();
        if usize::from(worker) >= workers {
            let right = "the number of one of the workers";
            return Err(WireError::Value { field: "worker", found: worker.into(), right });
        }
        let graph = reader.text("graph")?;
        let steps = reader.u16("steps")?;
        check_limit("steps", steps.into(), MAX_NODES as u64, "")?;
        let steps = (0..steps).map(|_| read_step(reader, workers)).collect::<Result<_, _>>()?;
        let weights = WeightSource::read(reader)?;
        let setup_micros = reader.u32("set-up")?;
        check_limit("set-up", setup_micros.into(), LinkShape::MAX_DELAY_MICROS.into(), "microseconds")?;
        let uplink = Uplink { setup_micros, shape: LinkShape::read(reader)? };
        Ok(Self { group, worker, names, graph, partition: Partition { workers, steps }, weights, uplink })
    }
}

fn read_names(reader: &mut Reader<'_>) -> Result<Vec<String>, WireError> {
    let workers = usize::from(reader.u16("workers")?);
    if !(1..=MAX_WORKERS).contains(&workers) {
        return Err(WireError::Value { field: "workers", found: workers as u64, right: "from 1 to 16" });
    }
    let mut names: Vec<String> = Vec::with_capacity(workers);
    for worker in 0..workers {
        let name = reader.text("name")?;
        check_limit("name", name.len() as u64, MAX_NAME_BYTES as u64, "bytes")?;
        if name.is_empty() || names.contains(&name) {
            let right = "a worker with a name that no other has";
            return Err(WireError::Value { field: "name of worker", found: worker as u64, right });
        }
        names.push(name);
    }
    Ok(names)
}

fn write_step(step: &Step, writer: &mut Writer) {
    let writer = match &step.split {
        Split::Replicated => writer.u8(0),
        Split::Alone(worker) => writer.u8(1).u16(*worker as u16),
        Split::Outputs(shares) => write_shares(shares, writer.u8(2)),
        Split::Inputs(shares) => write_shares(shares, writer.u8(3)),
        Split::Rows(shares) => write_shares(shares, writer.u8(4)),
    };
    match &step.reduce {
        Reduce::Direct => writer.u8(0),
        Reduce::Root(worker) => writer.u8(1).u16(*worker as u16),
        Reduce::Scatter(shares) => write_shares(shares, writer.u8(2)),
    };
}

fn read_step(reader: &mut Reader<'_>, workers: usize) -> Result<Step, WireError> {
    let split = match reader.u8("split")? {
        0 => Split::Replicated,
        1 => Split::Alone(reader.u16("worker of a step")?.into()),
        2 => Split::Outputs(read_shares(reader, workers)?),
        3 => Split::Inputs(read_shares(reader, workers)?),
        4 => Split::Rows(read_shares(reader, workers)?),
        found => {
            let right = "0 (replicated), 1 (alone), 2 (output channels), 3 (inputs) or 4 (rows)";
            return Err(bad_tag("split", found, right));
        }
    };
    let reduce = match reader.u8("reduce")? {
        0 => Reduce::Direct,
        1 => Reduce::Root(reader.u16("root")?.into()),
        2 => Reduce::Scatter(read_shares(reader, workers)?),
        found => return Err(bad_tag("reduce", found, "0 (direct), 1 (root) or 2 (scatter)")),
    };
    Ok(Step { split, reduce })
}

fn write_shares<'a>(shares: &Shares, writer: &'a mut Writer) -> &'a mut Writer {
    writer.list(shares.units(), |units, writer| _ = writer.u32(u32::try_from(*units).unwrap_or(u32::MAX)))
}

fn read_shares(reader: &mut Reader<'_>, workers: usize) -> Result<Shares, WireError> {
    let found = reader.u16("shares")?;
    if usize::from(found) != workers {
        return Err(WireError::Value { field: "shares", found: found.into(), right: "one for each worker" });
    }
    let units = (0..found).map(|_| reader.u32("share")).collect::<Result<Vec<_>, _>>()?;
    let total = units.iter().map(|units| u64::from(*units)).sum();
    check_limit("all shares", total, MAX_UNITS as u64, "channels or rows")?;
    Ok(Shares::new(units.into_iter().map(|units| units as usize).collect()))
}
