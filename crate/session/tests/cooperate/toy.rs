//! A textbook engine for small image networks: loops over one worker's parts, weights drawn from name and position. It
//! panics where anything that it needs is missing, so that a stale or lost part shows.

use std::ops::Range;
use std::sync::Arc;

use cleave_arch::SplitMix64;
use cleave_arch::cnn::{
    COORDINATOR, Kind, LRN_ALPHA, LRN_BETA, LRN_K, Network, Operator, Partition, PoolKind, Reduce, Region, Schedule,
    Shape, Shares, Split, Step, Tail, Work,
};
use cleave_session::cooperate::EngineCall;

/// Values of a region of a map.
#[derive(Clone, Debug)]
struct Piece {
    region: Region,
    width: usize,
    values: Vec<f32>,
}

impl Piece {
    fn zeros(region: Region, width: usize) -> Self {
        let n = region.shape(width).values() as usize;
        Self { region, width, values: vec![0.0; n] }
    }

    fn at(&self, channel: usize, row: usize, column: usize) -> usize {
        assert!(self.region.channels.contains(&channel) && self.region.rows.contains(&row) && column < self.width);
        let (channel, row) = (channel - self.region.channels.start, row - self.region.rows.start);
        (channel * self.region.rows.len() + row) * self.width + column
    }

    fn get(&self, channel: usize, row: usize, column: usize) -> f32 {
        self.values[self.at(channel, row, column)]
    }

    fn add(&mut self, other: &Self) {
        each(&other.region.intersection(&self.region), self.width, |[c, r, x]| {
            let at = self.at(c, r, x);
            self.values[at] += other.get(c, r, x);
        });
    }

    fn cut(&self, region: &Region) -> Vec<f32> {
        assert!(self.region.contains(region), "{region:?} of {:?}", self.region);
        let mut piece = Self::zeros(region.clone(), self.width);
        piece.add(self);
        piece.values
    }
}

fn each(region: &Region, width: usize, mut visit: impl FnMut([usize; 3])) {
    for channel in region.channels.clone() {
        for row in region.rows.clone() {
            (0..width).for_each(|column| visit([channel, row, column]));
        }
    }
}

fn weight(layer: usize, part: u64, index: usize) -> f32 {
    SplitMix64::new((layer as u64) << 40 ^ part << 32 ^ index as u64).unit_f32() - 0.5
}

/// One worker's engine.
#[derive(Default)]
pub struct Engine {
    loaded: Option<(Arc<Network>, Arc<Schedule>, usize)>,
    kept: Option<(usize, Piece)>,
    made: Option<Piece>,
}

impl Engine {
    /// Bytes of its weights, as the schedule has them.
    pub fn load(&mut self, network: Arc<Network>, schedule: Arc<Schedule>, worker: usize) -> u64 {
        let bytes = schedule.memory(&network)[worker].weights;
        *self = Self { loaded: Some((network, schedule, worker)), ..Self::default() };
        bytes
    }

    pub fn run(&mut self, call: EngineCall) -> Vec<Vec<f32>> {
        if let EngineCall::Make { cut, .. } | EngineCall::Finish { cut, .. } = &call {
            assert!(cut.iter().all(|region| cut.iter().filter(|other| *other == region).count() == 1), "{cut:?}");
        }
        let (network, schedule, worker) = self.loaded.clone().expect("loaded");
        match call {
            EngineCall::Make { stage, kept, received, cut, .. } => {
                let (operator, parts) = (&network.operators()[stage], &schedule.stages[stage]);
                let work = parts.work[worker].as_ref().expect("it has work");
                let mut input = Piece::zeros(work.input.clone(), operator.input.width);
                let mut pieces = Vec::new();
                if !kept.is_empty() {
                    let (behind, piece) = self.kept.take().expect("something is kept");
                    assert_eq!((behind + 1, &piece.region), (stage, &kept));
                    pieces.push(piece);
                }
                let width = operator.input.width;
                pieces.extend(received.into_iter().map(|(region, values)| {
                    assert_eq!(values.len() as u64, region.shape(width).values());
                    Piece { region, width, values }
                }));
                let covered: u64 = pieces.iter().map(|p| p.region.intersection(&work.input).shape(1).values()).sum();
                assert_eq!(covered, work.input.shape(1).values(), "the input is there, and nothing of it twice");
                pieces.iter().for_each(|piece| input.add(piece));
                let made = layer(operator, work, &input);
                let values = cut.iter().map(|region| made.cut(region)).collect();
                self.made = Some(made);
                values
            }
            EngineCall::Finish { stage, received, cut, .. } => {
                let (operator, parts) = (&network.operators()[stage], &schedule.stages[stage]);
                let (complete, width) = (parts.complete[worker].clone(), operator.made.width);
                let mut sum = Piece::zeros(complete.clone(), width);
                if parts.work[worker].is_some() {
                    sum.add(&self.made.take().expect("something was made"));
                }
                for values in received {
                    assert_eq!(values.len(), sum.values.len());
                    sum.add(&Piece { region: complete.clone(), width, values });
                }
                let output = tail(operator, sum, &parts.output[worker]);
                let values = cut.iter().map(|region| output.cut(region)).collect();
                self.kept = Some((stage, output));
                values
            }
            other => panic!("{other:?} is no job"),
        }
    }

    pub fn forget(&mut self) {
        (self.kept, self.made) = (None, None);
    }
}

fn layer(operator: &Operator, work: &Work, input: &Piece) -> Piece {
    let mut made = Piece::zeros(work.made.clone(), operator.made.width);
    let (all, layer) = (operator.input, operator.layer);
    each(&work.made, operator.made.width, |[out, row, column]| {
        let mut sum = if work.bias { weight(layer, 1, out) } else { 0.0 };
        match operator.kind {
            Kind::Conv { kernel, stride, padding } => {
                for (channel, y, x) in work.input.channels.clone().flat_map(|c| window(c, kernel)) {
                    let (r, c) =
                        ((row * stride + y).wrapping_sub(padding), (column * stride + x).wrapping_sub(padding));
                    if r < all.height && c < all.width {
                        let index = ((out * all.channels + channel) * kernel + y) * kernel + x;
                        sum += weight(layer, 0, index) * input.get(channel, r, c);
                    }
                }
            }
            Kind::Linear => each(&work.input, all.width, |[channel, r, c]| {
                let index = ((out * all.channels + channel) * all.height + r) * all.width + c;
                sum += weight(layer, 0, index) * input.get(channel, r, c);
            }),
            Kind::Lrn { size } => {
                let near = out.saturating_sub(size / 2)..(out + size / 2 + 1).min(all.channels);
                let squares: f32 = near.map(|channel| input.get(channel, row, column).powi(2)).sum();
                sum = input.get(out, row, column) / (LRN_K + LRN_ALPHA * squares).powf(LRN_BETA);
            }
        }
        let at = made.at(out, row, column);
        made.values[at] = sum;
    });
    made
}

fn window(channel: usize, kernel: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..kernel).flat_map(move |y| (0..kernel).map(move |x| (channel, y, x)))
}

fn tail(operator: &Operator, mut piece: Piece, output: &Region) -> Piece {
    let mut shape = operator.made;
    // The rows that each layer of the tail gives, from the last one backwards.
    let rows: Vec<Range<usize>> = (0..operator.tail.len())
        .map(|at| Operator { tail: operator.tail[at + 1..].to_vec(), ..operator.clone() }.made_rows(&output.rows))
        .collect();
    for (layer, rows) in operator.tail.iter().zip(rows) {
        match *layer {
            Tail::Relu => piece.values.iter_mut().for_each(|value| *value = value.max(0.0)),
            Tail::BatchNorm { layer } => each(&piece.region.clone(), piece.width, |[channel, row, column]| {
                let at = piece.at(channel, row, column);
                piece.values[at] = piece.values[at] * (1.0 + weight(layer, 2, channel)) + weight(layer, 3, channel);
            }),
            Tail::Pool { kind, kernel, stride } => {
                let along = |extent: usize| (extent - kernel) / stride + 1;
                shape = Shape { height: along(shape.height), width: along(shape.width), ..shape };
                let region = Region { channels: piece.region.channels.clone(), rows };
                let mut pooled = Piece::zeros(region.clone(), shape.width);
                each(&region, shape.width, |[channel, row, column]| {
                    let all =
                        window(channel, kernel).map(|(c, y, x)| piece.get(c, row * stride + y, column * stride + x));
                    let at = pooled.at(channel, row, column);
                    pooled.values[at] = match kind {
                        PoolKind::Max => all.fold(f32::MIN, f32::max),
                        PoolKind::Mean => all.sum::<f32>() / (kernel * kernel) as f32,
                    };
                });
                piece = pooled;
            }
        }
    }
    assert_eq!(&piece.region, output);
    piece
}

/// The unsplit answer.
pub fn whole(network: &Arc<Network>, image: &[f32]) -> Vec<f32> {
    let partition = Partition::whole(1, network.operators().len(), COORDINATOR);
    let schedule = Arc::new(Schedule::new(network, &partition).unwrap());
    let mut engine = Engine::default();
    engine.load(network.clone(), schedule, COORDINATOR);
    let (mut received, mut answer) = (vec![(Region::all(network.input()), image.to_vec())], Vec::new());
    for (stage, operator) in network.operators().iter().enumerate() {
        let kept = if stage == 0 { Region::default() } else { Region::all(operator.input) };
        let received = std::mem::take(&mut received);
        engine.run(EngineCall::Make { job: 0, run: 0, stage, kept, received, cut: Vec::new() });
        let cut = vec![Region::all(operator.output)];
        answer = engine.run(EngineCall::Finish { job: 0, run: 0, stage, received: Vec::new(), cut }).remove(0);
    }
    answer
}

pub fn image(network: &Network, seed: u64) -> Vec<f32> {
    let mut rng = SplitMix64::new(seed);
    (0..network.input().values()).map(|_| rng.unit_f32() - 0.5).collect()
}

/// Largest difference, relative to the largest value.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

/// All ways to share a network that have names here.
pub const STRATEGIES: [&str; 6] = ["outputs", "rows", "direct", "root", "scatter", "copies"];

/// The partition of a strategy; shares are even, or grow with the worker.
pub fn partition(network: &Network, strategy: &str, workers: usize, even: bool) -> Partition {
    let share = |units| {
        let weights: Vec<f64> = (0..workers).map(|j| if even { 1.0 } else { 1.0 + 1.5 * j as f64 }).collect();
        Shares::by_weight(units, &weights)
    };
    let step = |(at, operator): (usize, &Operator)| {
        let is_norm = matches!(operator.kind, Kind::Lrn { .. });
        let outputs = || Split::Outputs(share(operator.made.channels));
        let split = match strategy {
            "rows" if operator.kind == Kind::Linear => Split::Alone(at % workers),
            "rows" => Split::Rows(share(operator.output.height)),
            "copies" if at % 2 == 0 => Split::Copies,
            "outputs" | "copies" => outputs(),
            _ if at % 2 == 1 && !is_norm => Split::Inputs(share(operator.input.channels)),
            _ => outputs(),
        };
        let reduce = match strategy {
            "root" => Reduce::Root(workers - 1),
            "scatter" => Reduce::Scatter(share(operator.made.channels)),
            _ => Reduce::Direct,
        };
        Step { split, reduce }
    };
    Partition { workers, steps: network.operators().iter().enumerate().map(step).collect() }
}

/// Any partition at all, with shares of zero.
pub fn random_partition(network: &Network, workers: usize, rng: &mut SplitMix64) -> Partition {
    let step = |operator: &Operator| {
        let mut shares = |units| {
            let weights: Vec<f64> = (0..workers).map(|_| rng.below(4) as f64).collect();
            Shares::by_weight(units, &weights)
        };
        let (outputs, inputs) = (shares(operator.made.channels), shares(operator.input.channels));
        let (rows, scatter) = (shares(operator.output.height), shares(operator.made.channels));
        let reduce = match rng.below(3) {
            0 => Reduce::Direct,
            1 => Reduce::Root(rng.below(workers)),
            _ => Reduce::Scatter(scatter),
        };
        let split = match (rng.below(5), operator.kind) {
            (0, _) => Split::Copies,
            (1, _) => Split::Alone(rng.below(workers)),
            (2, Kind::Conv { .. } | Kind::Lrn { .. }) => Split::Rows(rows),
            (3, Kind::Conv { .. } | Kind::Linear) => Split::Inputs(inputs),
            _ => Split::Outputs(outputs),
        };
        Step { split, reduce }
    };
    Partition { workers, steps: network.operators().iter().map(step).collect() }
}
