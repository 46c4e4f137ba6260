//! The latency look-up table, ready for questions: the time of any operation of any size on one machine.
//!
//! What was not measured is interpolated by one rule. *Channels*: linear between the two measured neighbours; below the
//! first and beyond the last along the nearest line, never under a fifth of the end's own time. Combine and edge
//! convolution, whose time depends on both widths, are bilinear in the same way. *Nodes and neighbours*: a search for
//! neighbours grows with n², everything else on nodes with n, a reduction over neighbours also with k. An operation
//! of which no row exists takes what the [`Roofline`] says, corrected by how far it is off on the rows there are.

use crate::roofline::Roofline;
use crate::stats::median;
use crate::table::Table;
use cleave_arch::{Compression, Connect, LinkCodec, Message, Op, Probe, Sampler};
use cleave_graph::Graph;
use std::collections::BTreeMap;

/// Functions of aggregate, and of pool, that have a curve.
const AGGREGATES: usize = 28;
const POOLS: usize = 6;

/// A piecewise linear function of one size.
#[derive(Clone, Debug, Default, PartialEq)]
struct Curve {
    /// Measured places, ascending in x.
    points: Vec<[f64; 2]>,
}

/// Part of the end's time that an extrapolation never goes below.
const FLOOR: f64 = 0.2;

impl Curve {
    fn new(mut points: Vec<[f64; 2]>) -> Option<Self> {
        points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        points.dedup_by_key(|point| point[0]);
        (!points.is_empty()).then_some(Self { points })
    }

    fn at(&self, x: f64) -> f64 {
        let points = &self.points;
        let last = points.len() - 1;
        if last == 0 {
            return points[0][1];
        }
        let mut i = 1;
        while i < last && points[i][0] < x {
            i += 1;
        }
        let ([x0, y0], [x1, y1]) = (points[i - 1], points[i]);
        let y = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
        let end = if x < x0 { y0 } else { y1 };
        if (x0..=x1).contains(&x) { y } else { y.max(FLOOR * end) }
    }
}

/// A function of two widths: a curve over the second for every measured first.
#[derive(Clone, Debug, Default, PartialEq)]
struct Surface {
    curves: Vec<(f64, Curve)>,
}

impl Surface {
    fn new(points: Vec<[f64; 3]>) -> Option<Self> {
        let mut firsts: Vec<f64> = points.iter().map(|point| point[0]).collect();
        firsts.sort_by(f64::total_cmp);
        firsts.dedup();
        let curve = |first: f64| {
            let over = points.iter().filter(|point| point[0] == first).map(|point| [point[1], point[2]]).collect();
            Some((first, Curve::new(over)?))
        };
        let curves: Vec<_> = firsts.into_iter().filter_map(curve).collect();
        (!curves.is_empty()).then_some(Self { curves })
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let last = self.curves.len() - 1;
        if last == 0 {
            return self.curves[0].1.at(y);
        }
        let mut i = 1;
        while i < last && self.curves[i].0 < x {
            i += 1;
        }
        let ((x0, low), (x1, high)) = (&self.curves[i - 1], &self.curves[i]);
        let (z0, z1) = (low.at(y), high.at(y));
        let z = z0 + (z1 - z0) * (x - x0) / (x1 - x0);
        let end = if x < *x0 { z0 } else { z1 };
        if (*x0..=*x1).contains(&x) { z } else { z.max(FLOOR * end) }
    }
}

/// A cost per piece and per value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Line {
    base: f64,
    slope: f64,
}

impl Line {
    /// Through the first and the last of the points, neither part below 0.
    fn new(points: &[[f64; 2]]) -> Option<Self> {
        let (first, last) =
            (points.iter().min_by(|a, b| a[0].total_cmp(&b[0]))?, points.iter().max_by(|a, b| a[0].total_cmp(&b[0]))?);
        if last[0] <= first[0] {
            return Some(Self { base: 0.0, slope: last[1] / last[0] });
        }
        let slope = ((last[1] - first[1]) / (last[0] - first[0])).max(0.0);
        Some(Self { base: (first[1] - slope * first[0]).max(0.0), slope })
    }

    fn at(self, x: f64) -> f64 {
        self.base + self.slope * x
    }
}

/// Times of one codec.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct CodecLines {
    encode: Line,
    decode: Line,
    /// Bytes of a message per byte before compression.
    ratio: f64,
}

/// The table of one machine, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Lut {
    roofline: Roofline,
    /// Measured time over the roofline's, where nothing better is known.
    correction: f64,
    slowdown: f64,
    /// Nodes and neighbours of the measurement.
    base: [f64; 2],
    knn: Option<Curve>,
    random: Option<Curve>,
    skip: Option<Curve>,
    skip_row: Option<Curve>,
    join: Option<Curve>,
    aggregates: Vec<Option<Curve>>,
    pools: Vec<Option<Curve>>,
    combine: Option<Surface>,
    combine_row: Option<Surface>,
    edge_conv: Option<Surface>,
    classifier: Option<Curve>,
    /// Of graphs, by their text.
    graphs: BTreeMap<String, f64>,
    moves: Option<Line>,
    codecs: Vec<Option<CodecLines>>,
}

/// What a part of the network is asked for: rows, input channels, neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Nodes, or 1 behind the pool.
    pub rows: usize,
    /// Channels of the input; of a join, of the output.
    pub channels: usize,
    /// Neighbours of a node.
    pub k: usize,
}

impl Lut {
    /// Compiles a table. Rows of other numbers of nodes than most are left out, but for single rows.
    pub fn new(table: &Table, roofline: Roofline) -> Self {
        let base = base(table);
        let rows = |wanted: &dyn Fn(Op, usize) -> bool| {
            let point = |row: &crate::table::Row| match row.probe {
                Probe::Op { op, rows, channels, .. } if wanted(op, rows) => Some((op, channels as f64, row.ms)),
                _ => None,
            };
            table.rows.iter().filter_map(point).collect::<Vec<_>>()
        };
        let on_nodes = base[0] as usize;
        let curve = |wanted: &dyn Fn(Op) -> bool, n: usize| {
            Curve::new(rows(&|op, rows| rows == n && wanted(op)).into_iter().map(|(_, c, ms)| [c, ms]).collect())
        };
        let surface = |wanted: &dyn Fn(Op) -> Option<usize>, n: usize| {
            let points = rows(&|op, rows| rows == n && wanted(op).is_some()).into_iter();
            Surface::new(points.map(|(op, c, ms)| [c, wanted(op).unwrap_or(0) as f64, ms]).collect())
        };
        let combines = |op| if let Op::Combine { channels } = op { Some(channels) } else { None };
        let convolves = |op| if let Op::EdgeConv { channels } = op { Some(channels) } else { None };
        let of = |id: usize, n: usize| (0..n).map(|f| curve(&|op| op.ids() == (id, f), on_nodes)).collect::<Vec<_>>();
        let values = |wanted: &dyn Fn(&Probe) -> Option<usize>| {
            let point = |row: &crate::table::Row| Some([wanted(&row.probe)? as f64, row.ms]);
            table.rows.iter().filter_map(point).collect::<Vec<_>>()
        };
        let classifier =
            values(&|probe| if let Probe::Classifier { channels, .. } = probe { Some(*channels) } else { None });
        let moves = values(&|probe| if let Probe::Move { values } = probe { Some(*values) } else { None });
        let graphs = table.rows.iter().filter_map(|row| match &row.probe {
            Probe::Graph(graph) => Some((graph.to_string(), row.ms)),
            _ => None,
        });
        let mut lut = Self {
            roofline,
            correction: 1.0,
            slowdown: 1.0,
            base,
            knn: curve(&|op| op == Op::Sample(Sampler::Knn), on_nodes),
            random: curve(&|op| op == Op::Sample(Sampler::Random), on_nodes),
            skip: curve(&|op| op == Op::Connect(Connect::Skip), on_nodes),
            skip_row: curve(&|op| op == Op::Connect(Connect::Skip), 1),
            join: curve(&|op| op == Op::Join, on_nodes),
            aggregates: of(2, AGGREGATES),
            pools: of(4, POOLS),
            combine: surface(&combines, on_nodes),
            combine_row: surface(&combines, 1),
            edge_conv: surface(&convolves, on_nodes),
            classifier: Curve::new(classifier),
            graphs: graphs.collect(),
            moves: Line::new(&moves),
            codecs: LinkCodec::ALL.into_iter().map(|codec| codec_lines(table, codec)).collect(),
        };
        lut.correction = lut.off_by(table);
        lut
    }

    /// A machine of which nothing was measured.
    pub fn unmeasured(roofline: Roofline) -> Self {
        Self::new(&Table::new("", ""), roofline)
    }

    /// How far the roofline is off on the rows there are.
    fn off_by(&self, table: &Table) -> f64 {
        let part = |row: &crate::table::Row| match row.probe {
            Probe::Op { op, rows, channels, k } => Some(row.ms / self.roofline.op_ms(op, Size { rows, channels, k })),
            Probe::Graph(ref graph) => Some(row.ms / self.roofline.graph_ms(graph)),
            _ => None,
        };
        let parts: Vec<f64> = table.rows.iter().filter_map(part).filter(|part| part.is_finite()).collect();
        median(&parts).unwrap_or(1.0)
    }

    /// The same machine computing so many times slower, as an emulated one does. Codecs take what they take.
    pub fn slowed(self, times: f64) -> Self {
        Self { slowdown: times * self.slowdown, ..self }
    }

    /// How many times slower than its table it computes.
    pub(crate) fn slowdown(&self) -> f64 {
        self.slowdown
    }

    /// Time of one operation, milliseconds. A skip is taken to add features of its own width.
    pub fn op_ms(&self, op: Op, size: Size) -> f64 {
        let c = size.channels as f64;
        let by_nodes = size.rows as f64 / self.base[0];
        let by_edges = by_nodes * size.k as f64 / self.base[1];
        let on_row = size.rows == 1;
        let measured = match op {
            Op::Connect(Connect::Identity) => return 0.0,
            Op::Connect(Connect::Skip) if on_row => self.skip_row.as_ref().map(|curve| curve.at(c)),
            Op::Connect(Connect::Skip) => self.skip.as_ref().map(|curve| by_nodes * curve.at(c)),
            Op::Sample(Sampler::Knn) => self.knn.as_ref().map(|curve| by_nodes * by_nodes * curve.at(c)),
            Op::Sample(Sampler::Random) => self.random.as_ref().map(|curve| by_edges * curve.at(c)),
            Op::Aggregate { message, .. } => {
                let curve = self.aggregates.get(op.ids().1).and_then(Option::as_ref);
                curve.map(|curve| if message == Message::Target { by_nodes } else { by_edges } * curve.at(c))
            }
            Op::Pool(_) => self.pools.get(op.ids().1).and_then(Option::as_ref).map(|curve| by_nodes * curve.at(c)),
            Op::Join => self.join.as_ref().map(|curve| by_nodes * curve.at(c)),
            Op::Combine { channels } if on_row => {
                self.combine_row.as_ref().map(|surface| surface.at(c, channels as f64))
            }
            Op::Combine { channels } => self.combine.as_ref().map(|surface| by_nodes * surface.at(c, channels as f64)),
            Op::EdgeConv { channels } => {
                self.edge_conv.as_ref().map(|surface| by_nodes * surface.at(c, channels as f64))
            }
        };
        self.slowdown * measured.unwrap_or_else(|| self.correction * self.roofline.op_ms(op, size))
    }

    /// Time of an operator of a graph with its tail, milliseconds: its own row, or by the roofline.
    pub fn operator_ms(&self, graph: &Graph, operator: usize) -> f64 {
        let alone = graph.operator_alone(operator).ok();
        let measured = alone.as_ref().and_then(|alone| self.graphs.get(&alone.to_string()).copied());
        let by_roofline = || alone.as_ref().map_or(0.0, |alone| self.roofline.graph_ms(alone));
        self.slowdown * measured.unwrap_or_else(|| self.correction * by_roofline())
    }

    /// Whether every operator of a graph has a row of its own.
    pub fn has_measured(&self, graph: &Graph) -> bool {
        let alone = |operator| graph.operator_alone(operator).ok();
        let is_there = |operator| alone(operator).is_some_and(|alone| self.graphs.contains_key(&alone.to_string()));
        (0..graph.operators().len()).all(is_there)
    }

    /// Time of the classifier on a row of so many channels, milliseconds.
    pub fn classifier_ms(&self, channels: usize) -> f64 {
        let measured = self.classifier.as_ref().map(|curve| curve.at(channels as f64));
        self.slowdown * measured.unwrap_or_else(|| self.correction * self.roofline.classifier_ms(channels))
    }

    /// Time to bring so many values to the engine and back, milliseconds.
    pub fn move_ms(&self, values: usize) -> f64 {
        self.slowdown * self.moves.map_or_else(|| self.roofline.move_ms(values), |line| line.at(values as f64))
    }

    /// Time to write so many values as a message, milliseconds.
    pub fn encode_ms(&self, codec: LinkCodec, values: usize) -> f64 {
        self.codec(codec).map_or_else(|| self.roofline.move_ms(values), |lines| lines.encode.at(values as f64))
    }

    /// Time to read so many values from a message, milliseconds.
    pub fn decode_ms(&self, codec: LinkCodec, values: usize) -> f64 {
        self.codec(codec).map_or_else(|| self.roofline.move_ms(values), |lines| lines.decode.at(values as f64))
    }

    /// Bytes on the link per byte before compression; 1 without compression or measurement.
    pub fn compression(&self, codec: LinkCodec) -> f64 {
        match codec.compression {
            Compression::None => 1.0,
            Compression::Lz4 => self.codec(codec).map_or(1.0, |lines| lines.ratio),
        }
    }

    fn codec(&self, codec: LinkCodec) -> Option<&CodecLines> {
        let at = LinkCodec::ALL.iter().position(|known| *known == codec)?;
        self.codecs[at].as_ref()
    }
}

/// The numbers of nodes and neighbours that most rows have.
fn base(table: &Table) -> [f64; 2] {
    let sizes = table.rows.iter().filter_map(|row| match row.probe {
        Probe::Op { rows, k, .. } if rows > 1 => Some([rows as f64, k as f64]),
        _ => None,
    });
    let sizes: Vec<[f64; 2]> = sizes.collect();
    let votes = |size: &[f64; 2]| sizes.iter().filter(|other| *other == size).count();
    sizes.iter().copied().max_by_key(votes).unwrap_or([1024.0, 20.0])
}

fn codec_lines(table: &Table, wanted: LinkCodec) -> Option<CodecLines> {
    let (mut encode, mut decode, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for row in &table.rows {
        match row.probe {
            Probe::Encode { codec, values } if codec == wanted => {
                encode.push([values as f64, row.ms]);
                bytes.push([values as f64, row.bytes as f64]);
            }
            Probe::Decode { codec, values } if codec == wanted => decode.push([values as f64, row.ms]),
            _ => {}
        }
    }
    let plain = table.rows.iter().filter_map(|row| match row.probe {
        Probe::Encode { codec, values }
            if codec.codec == wanted.codec && codec.compression == Compression::None && row.bytes > 0 =>
        {
            Some([values as f64, row.bytes as f64])
        }
        _ => None,
    });
    let plain: Vec<[f64; 2]> = plain.collect();
    let ratio = match (Line::new(&bytes), Line::new(&plain)) {
        (Some(packed), Some(plain)) if plain.slope > 0.0 => packed.slope / plain.slope,
        _ => 1.0,
    };
    Some(CodecLines { encode: Line::new(&encode)?, decode: Line::new(&decode)?, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;

    fn table(rows: &[(&str, f64)]) -> Table {
        let mut table = Table::new("m", "e");
        for (probe, ms) in rows {
            table.put(probe.parse().unwrap(), Estimate { ms: *ms, half_width: 0.0, kept: 5 }, 0);
        }
        table
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} instead of {expected}");
    }

    const SIZE: Size = Size { rows: 1024, channels: 32, k: 20 };

    #[test]
    fn channels_are_linear_between_and_beyond_the_measured() {
        let lut = Lut::new(
            &table(&[("op 3 0 1024 16 20", 2.0), ("op 3 0 1024 64 20", 5.0), ("op 3 0 1024 128 20", 5.5)]),
            Roofline::default(),
        );
        let at = |channels| lut.op_ms(Op::Sample(Sampler::Knn), Size { channels, ..SIZE });
        near(at(16), 2.0);
        near(at(32), 3.0);
        near(at(96), 5.25);
        near(at(256), 6.5);
        near(at(3), 2.0 - 13.0 / 16.0);
    }

    #[test]
    fn other_clouds_and_neighbourhoods_scale() {
        let lut = Lut::new(&table(&[("op 3 0 1024 32 20", 2.0), ("op 2 0 1024 32 20", 3.0)]), Roofline::default());
        near(lut.op_ms(Op::Sample(Sampler::Knn), Size { rows: 512, ..SIZE }), 0.5);
        let full = Op::from_ids(2, 0).unwrap();
        near(lut.op_ms(full, Size { rows: 512, k: 10, ..SIZE }), 0.75);
    }

    #[test]
    fn both_widths_of_a_combine_count() {
        let rows = [
            ("op 1 0 1024 16 20", 1.0),
            ("op 1 3 1024 16 20", 3.0),
            ("op 1 0 1024 64 20", 2.0),
            ("op 1 3 1024 64 20", 9.0),
        ];
        let lut = Lut::new(&table(&rows), Roofline::default());
        near(lut.op_ms(Op::Combine { channels: 36 }, Size { channels: 40, ..SIZE }), (2.0 + 5.5) / 2.0);
    }

    #[test]
    fn an_operation_without_a_row_takes_the_corrected_roofline() {
        let roofline = Roofline::default();
        let knn = Op::Sample(Sampler::Knn);
        let measured = 3.0 * roofline.op_ms(knn, SIZE);
        let lut = Lut::new(&table(&[("op 3 0 1024 32 20", measured)]), roofline);
        let combine = Op::Combine { channels: 64 };
        near(lut.op_ms(combine, SIZE), 3.0 * roofline.op_ms(combine, SIZE));
        near(Lut::unmeasured(roofline).op_ms(combine, SIZE), roofline.op_ms(combine, SIZE));
    }

    #[test]
    fn a_slowed_machine_computes_longer_and_writes_messages_as_before() {
        let lut = Lut::new(&table(&[("op 3 0 1024 32 20", 2.0), ("encode f32 1000", 1.0)]), Roofline::default());
        let slowed = lut.clone().slowed(3.0);
        for op in [Op::Sample(Sampler::Knn), Op::Combine { channels: 64 }] {
            near(slowed.op_ms(op, SIZE), 3.0 * lut.op_ms(op, SIZE));
        }
        near(slowed.classifier_ms(64), 3.0 * lut.classifier_ms(64));
        near(slowed.move_ms(1000), 3.0 * lut.move_ms(1000));
        near(slowed.encode_ms(LinkCodec::default(), 1000), lut.encode_ms(LinkCodec::default(), 1000));
    }

    #[test]
    fn codecs_have_a_price_per_message_and_per_value() {
        let rows =
            [("encode f32 1000", 1.0), ("encode f32 3000", 2.0), ("decode f32 1000", 0.5), ("decode f32 3000", 0.5)];
        let lut = Lut::new(&table(&rows), Roofline::default());
        near(lut.encode_ms(LinkCodec::default(), 5000), 3.0);
        near(lut.decode_ms(LinkCodec::default(), 5000), 0.5);
    }
}
