//! The pieces of work whose time is measured: a latency table has one row for each.
//!
//! Text form, used on the wire and in profiles: `op ID FUNCTION ROWS CHANNELS K`, `classifier CHANNELS CLASSES`,
//! `graph TEXT`, `move VALUES`, `encode CODEC VALUES`, `decode CODEC VALUES`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cleave_graph::Graph;

use crate::codec::LinkCodec;
use crate::error::{ArchError, shortened};
use crate::op::{Op, Sampler};
use crate::params::CLASSIFIER_HIDDEN;

/// What stands before a graph's text.
const GRAPH: &str = "graph ";
/// Most rows of a probe: a neighbour index has 16 bits.
const MAX_ROWS: usize = 1 << 16;
/// Widest features of a probe: the space's widest, 512, tripled twice and joined.
const MAX_WIDTH: usize = 1 << 14;
/// Most values of a probe: 64 MiB of f32.
const MAX_VALUES: usize = 1 << 24;
/// Most numbers in the weights of a graph: VGG's first linear layer has 103 million.
const MAX_WEIGHTS: usize = 1 << 27;

/// One piece of work of one size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// One operation on features `[rows, channels]`; a skip adds features of the same width, a join puts two halves
    /// side by side.
    Op {
        /// Which.
        op: Op,
        /// Nodes; 1 stands for behind the pool.
        rows: usize,
        /// Channels of its input; of a join, of its output.
        channels: usize,
        /// Neighbours of a node.
        k: usize,
    },
    /// The classifier on one row.
    Classifier {
        /// Channels of the row.
        channels: usize,
        /// Classes of the answer.
        n_classes: usize,
    },
    /// A graph, usually one operator with its tail.
    Graph(Arc<Graph>),
    /// f32 values from the host to the engine and back.
    Move {
        /// How many.
        values: usize,
    },
    /// f32 values to the bytes of a message.
    Encode {
        /// How they are written.
        codec: LinkCodec,
        /// How many.
        values: usize,
    },
    /// The bytes of a message to f32 values.
    Decode {
        /// How they are written.
        codec: LinkCodec,
        /// How many.
        values: usize,
    },
}

impl Probe {
    /// The same probe if an engine may be asked to run it: nothing so large that it could exhaust a machine.
    ///
    /// # Errors
    /// [`ArchError::Probe`] names the size that is too large or too small.
    pub fn checked(self) -> Result<Self, ArchError> {
        let refuse = |what, value, most| Err(ArchError::Probe { what, value, most });
        let sizes: [(&'static str, usize, usize); 3] = match self {
            Self::Graph(ref graph) => {
                let values = |all: u64| usize::try_from(all).unwrap_or(usize::MAX);
                let held = (0..=graph.answer()).map(|value| graph.value(value).shape.values());
                let weights = graph.parameters().iter().fold(0u64, |sum, weight| sum.saturating_add(weight.len()));
                [
                    ("weights", values(weights).max(1), MAX_WEIGHTS),
                    ("values", values(held.sum()), 2 * MAX_VALUES),
                    ("values", 1, 1),
                ]
            }
            Self::Op { rows, channels, k, .. } => {
                [("rows", rows, MAX_ROWS), ("channels", channels, MAX_WIDTH), ("k", k, rows.max(1))]
            }
            Self::Classifier { channels, n_classes } => [
                ("channels", channels, MAX_WIDTH),
                ("classes", n_classes, MAX_WIDTH),
                ("classes", n_classes, MAX_WIDTH),
            ],
            Self::Move { values } | Self::Encode { values, .. } | Self::Decode { values, .. } => {
                [("values", values, MAX_VALUES); 3]
            }
        };
        if let Some((what, value, most)) = sizes.into_iter().find(|(_, value, most)| *value == 0 || value > most) {
            return refuse(what, value, most);
        }
        if let Self::Op { rows, channels, .. } = &self
            && rows * channels > MAX_VALUES
        {
            return refuse("rows × channels", rows * channels, MAX_VALUES);
        }
        Ok(self)
    }

    /// Floating-point operations, or values moved: what bounds its time. Saturates.
    pub fn work(&self) -> u64 {
        let product = |factors: &[usize]| factors.iter().fold(1u64, |all, factor| all.saturating_mul(*factor as u64));
        match *self {
            Self::Graph(ref graph) => graph.flops(),
            Self::Op { op: Op::Sample(Sampler::Knn), rows, channels, .. } => product(&[2, rows, rows, channels]),
            Self::Op { op: Op::Combine { channels: out }, rows, channels, .. } => product(&[2, rows, channels, out]),
            Self::Op { op: Op::EdgeConv { channels: out }, rows, channels, k } => {
                product(&[4, rows, channels, out]).saturating_add(product(&[rows, k, out]))
            }
            Self::Op { rows, channels, k, .. } => product(&[rows, channels, k, 4]),
            Self::Classifier { channels, n_classes } => {
                let [first, second] = CLASSIFIER_HIDDEN;
                product(&[2, channels, first]) + product(&[2, first, second]) + product(&[2, second, n_classes])
            }
            Self::Move { values } | Self::Encode { values, .. } | Self::Decode { values, .. } => values as u64,
        }
    }
}

/// A batch lasts at least this long, milliseconds: a browser's clock has steps of up to a tenth of one.
const BATCH_MS: f64 = 2.0;
/// Most repetitions in a batch.
const LONGEST_BATCH: f64 = 512.0;

/// Milliseconds of each of `runs` runs. `batch` does the work so many times and waits for its end; short work is
/// repeated until a batch is longer than the clock's steps. Two runs before those do not count: the first may compile.
///
/// # Errors
/// The batch's own.
pub async fn timed<E>(
    clock: impl Fn() -> f64,
    runs: usize,
    mut batch: impl AsyncFnMut(usize) -> Result<(), E>,
) -> Result<Vec<f64>, E> {
    batch(1).await?;
    let start = clock();
    batch(1).await?;
    let times = (BATCH_MS / (clock() - start).max(1e-3)).ceil().clamp(1.0, LONGEST_BATCH);
    let mut ms = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = clock();
        batch(times as usize).await?;
        ms.push((clock() - start) / times);
    }
    Ok(ms)
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Op { op, rows, channels, k } => {
                let (id, function) = op.ids();
                write!(f, "op {id} {function} {rows} {channels} {k}")
            }
            Self::Classifier { channels, n_classes } => write!(f, "classifier {channels} {n_classes}"),
            Self::Graph(graph) => write!(f, "{GRAPH}{graph}"),
            Self::Move { values } => write!(f, "move {values}"),
            Self::Encode { codec, values } => write!(f, "encode {codec} {values}"),
            Self::Decode { codec, values } => write!(f, "decode {codec} {values}"),
        }
    }
}

impl FromStr for Probe {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        let unknown = || ArchError::UnknownProbe { text: shortened(text) };
        if let Some(graph) = text.strip_prefix(GRAPH) {
            return Self::Graph(Arc::new(graph.parse()?)).checked();
        }
        let words: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).ok_or_else(unknown);
        let (probe, n_words) = match words[0] {
            "op" => {
                let op = Op::from_ids(number(1)?, number(2)?).ok_or_else(unknown)?;
                (Self::Op { op, rows: number(3)?, channels: number(4)?, k: number(5)? }, 6)
            }
            "classifier" => (Self::Classifier { channels: number(1)?, n_classes: number(2)? }, 3),
            "move" => (Self::Move { values: number(1)? }, 2),
            "encode" => (Self::Encode { codec: words.get(1).ok_or_else(unknown)?.parse()?, values: number(2)? }, 3),
            "decode" => (Self::Decode { codec: words.get(1).ok_or_else(unknown)?.parse()?, values: number(2)? }, 3),
            _ => return Err(unknown()),
        };
        if words.len() == n_words { probe.checked() } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Connect, Pool};
    use std::future::Future;

    #[test]
    fn every_probe_reads_what_it_prints() {
        let op = |op| Probe::Op { op, rows: 1024, channels: 64, k: 20 };
        let probes = [
            op(Op::Sample(Sampler::Knn)),
            op(Op::Combine { channels: 512 }),
            op(Op::Pool(Pool::MaxMean)),
            op(Op::Connect(Connect::Skip)),
            op(Op::EdgeConv { channels: 64 }),
            op(Op::Join),
            Probe::Classifier { channels: 256, n_classes: 10 },
            Probe::Graph(Arc::new("256x6x6: flatten, linear 64, relu".parse().unwrap())),
            Probe::Move { values: 65_536 },
            Probe::Encode { codec: "f16+lz4".parse().unwrap(), values: 3 },
            Probe::Decode { codec: LinkCodec::default(), values: 3 },
        ];
        for probe in &probes {
            assert_eq!(probe.to_string().parse().as_ref(), Ok(probe), "{probe}");
        }
        assert_eq!(probes[0].to_string(), "op 3 0 1024 64 20");
    }

    #[test]
    fn short_work_is_repeated_and_warm_up_does_not_count() {
        let (now, done) = (std::cell::Cell::new(0.0), std::cell::Cell::new(0));
        let batch = async |times: usize| {
            // The first run compiles.
            now.set(now.get() + if done.get() == 0 { 100.0 } else { 0.25 * times as f64 });
            done.set(done.get() + times);
            Ok::<_, ()>(())
        };
        let mut future = std::pin::pin!(timed(|| now.get(), 3, batch));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(ms) = future.as_mut().poll(&mut context) else { panic!("nothing waits") };
        assert_eq!(ms, Ok(vec![0.25; 3]));
        assert_eq!(done.get(), 2 + 3 * 8);
    }

    #[test]
    fn what_is_no_probe_or_too_large_is_named() {
        for text in ["", "op", "op 5 0 1 1 1", "op 3 0 1024 64", "op 3 0 1024 64 20 1", "move x", "encode f32", "x 1"] {
            let message = text.parse::<Probe>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")), "{message}");
        }
        for (text, says) in [
            ("op 3 0 65537 3 20", "65537 rows"),
            ("op 3 0 16 3 17", "17 k"),
            ("op 1 0 65536 16384 1", "rows × channels"),
            ("move 0", "0 values"),
            ("classifier 16385 10", "16385 channels"),
            ("graph 64x512x512: relu, relu, relu", "values"),
        ] {
            let message = text.parse::<Probe>().unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
