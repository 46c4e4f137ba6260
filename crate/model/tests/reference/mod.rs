//! The networks by their definitions: one message per edge, normalisation after the linear layer,
//! activation before the maximum, double precision. Slow and obvious; the engine must agree with it.

use cleave_arch::{Architecture, Connect, Message, Op, Pool, Reducer, Sampler, Task, random_neighbour};
use cleave_model::{EPSILON, SLOPE, Weights};
use std::collections::HashMap;

type Rows = Vec<Vec<f64>>;

/// Logits of one cloud `[n, channels]`.
pub fn logits(architecture: &Architecture, task: &Task, weights: &Weights, points: &[f32]) -> Vec<f64> {
    let net = Net { weights };
    let mut x: Rows = points.chunks(task.in_channels).map(|p| p.iter().map(|v| *v as f64).collect()).collect();
    let mut graph: Vec<Vec<usize>> = Vec::new();
    let (mut source, mut convolved): (Option<Rows>, HashMap<usize, Rows>) = (None, HashMap::new());
    for (at, op) in architecture.ops().iter().enumerate() {
        match *op {
            Op::Connect(Connect::Identity) => {}
            Op::Connect(Connect::Skip) => {
                if let Some(source) = &source {
                    for (row, from) in x.iter_mut().zip(source) {
                        row.iter_mut().zip(from).for_each(|(a, b)| *a += b);
                    }
                }
            }
            Op::Sample(Sampler::Knn) => graph = nearest(&x, task.k),
            Op::Sample(Sampler::Random) => {
                let n = x.len();
                graph = (0..n).map(|i| (0..task.k).map(|s| random_neighbour(at, i, s, n)).collect()).collect();
            }
            Op::Combine { channels } => {
                source = Some(x.clone());
                x = x.iter().map(|row| net.block(&format!("op.{at}"), row, channels)).collect();
            }
            Op::Aggregate { message: kind, reducer } => {
                source = Some(x.clone());
                let each = |(i, near): (usize, &Vec<usize>)| {
                    reduce(reducer, near.iter().map(|j| message(kind, &x[i], &x[*j])).collect())
                };
                x = graph.iter().enumerate().map(each).collect();
            }
            Op::EdgeConv { channels } => {
                source = Some(x.clone());
                let name = format!("op.{at}");
                let edge = |i: usize, j: usize| {
                    let input: Vec<f64> = relative(&x[i], &x[j]).into_iter().chain(x[i].clone()).collect();
                    net.block(&name, &input, channels)
                };
                let each =
                    |(i, near): (usize, &Vec<usize>)| reduce(Reducer::Max, near.iter().map(|j| edge(i, *j)).collect());
                x = graph.iter().enumerate().map(each).collect();
                convolved.insert(at, x.clone());
            }
            Op::Join => {
                let replaced = architecture.replaced_edge_convs(at);
                let parts = || replaced.iter().map(|conv| &convolved[conv]).chain([&x]);
                x = (0..x.len()).map(|i| parts().flat_map(|part| part[i].clone()).collect()).collect();
            }
            Op::Pool(pool) => {
                source = None;
                x = vec![parts(pool).iter().flat_map(|r| reduce(*r, x.clone())).collect()];
            }
        }
    }
    let hidden = net.block("classifier.1", &net.block("classifier.0", &x[0], 512), 256);
    net.plain("classifier.2", &hidden, task.n_classes)
}

struct Net<'a> {
    weights: &'a Weights,
}

impl Net<'_> {
    /// Linear, BatchNorm, LeakyReLU.
    fn block(&self, name: &str, x: &[f64], outputs: usize) -> Vec<f64> {
        let norm = |part: &str, o: usize| {
            self.weights.get(&format!("{name}.norm.{part}"), &[outputs]).unwrap().values[o] as f64
        };
        let normalised = self.plain(name, x, outputs).into_iter().enumerate().map(|(o, z)| {
            (z - norm("mean", o)) / (norm("var", o) + EPSILON as f64).sqrt() * norm("weight", o) + norm("bias", o)
        });
        normalised.map(|z| if z > 0.0 { z } else { SLOPE as f64 * z }).collect()
    }

    fn plain(&self, name: &str, x: &[f64], outputs: usize) -> Vec<f64> {
        let weight = &self.weights.get(&format!("{name}.weight"), &[x.len(), outputs]).unwrap().values;
        let bias = &self.weights.get(&format!("{name}.bias"), &[outputs]).unwrap().values;
        let dot = |o: usize| x.iter().enumerate().map(|(i, v)| v * weight[i * outputs + o] as f64).sum::<f64>();
        (0..outputs).map(|o| dot(o) + bias[o] as f64).collect()
    }
}

fn nearest(x: &Rows, k: usize) -> Vec<Vec<usize>> {
    let distance = |i: usize, j: usize| if i == j { -1.0 } else { norm2(&relative(&x[i], &x[j])) };
    let near = |i: usize| {
        let mut all: Vec<usize> = (0..x.len()).collect();
        all.sort_by(|a, b| distance(i, *a).total_cmp(&distance(i, *b)));
        all.truncate(k);
        all
    };
    (0..x.len()).map(near).collect()
}

fn relative(i: &[f64], j: &[f64]) -> Vec<f64> {
    i.iter().zip(j).map(|(i, j)| j - i).collect()
}

fn norm2(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum()
}

fn message(kind: Message, i: &[f64], j: &[f64]) -> Vec<f64> {
    let distance = vec![norm2(&relative(i, j)).sqrt()];
    match kind {
        Message::Full => [i.to_vec(), j.to_vec(), relative(i, j), distance].concat(),
        Message::Source => j.to_vec(),
        Message::TargetRelative => [i.to_vec(), relative(i, j)].concat(),
        Message::Relative => relative(i, j),
        Message::Target => i.to_vec(),
        Message::SourceRelative => [j.to_vec(), relative(i, j)].concat(),
        Message::Distance => distance,
    }
}

fn reduce(reducer: Reducer, rows: Rows) -> Vec<f64> {
    let column = |c: usize| rows.iter().map(move |row| row[c]);
    let one = |c: usize| match reducer {
        Reducer::Max => column(c).fold(f64::MIN, f64::max),
        Reducer::Min => column(c).fold(f64::MAX, f64::min),
        Reducer::Add => column(c).sum(),
        Reducer::Mean => column(c).sum::<f64>() / rows.len() as f64,
    };
    (0..rows[0].len()).map(one).collect()
}

fn parts(pool: Pool) -> Vec<Reducer> {
    match pool {
        Pool::Max => vec![Reducer::Max],
        Pool::Mean => vec![Reducer::Mean],
        Pool::Add => vec![Reducer::Add],
        Pool::MaxMean => vec![Reducer::Max, Reducer::Mean],
        Pool::MaxAdd => vec![Reducer::Max, Reducer::Add],
        Pool::MeanAdd => vec![Reducer::Mean, Reducer::Add],
    }
}
