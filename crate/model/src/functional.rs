//! Operations without parameters, as functions of tensors: what inference and training share.
//! Shapes: features `[b, n, c]`, indexes `[b, n, k]`.

use crate::ops::{distance_reduce, gather_reduce, node_reduce};
use burn::tensor::{Int, Tensor, TensorData};
use cleave_arch::{Message, Pool, Reducer, random_neighbour};
use std::ops::Range;

/// The reduction over neighbours j of a message, without a tensor per edge: the parts of a message
/// that do not depend on j reduce to themselves, and max over j of (x_j − x_i) is (max x_j) − x_i.
/// `[b, n, c]` → `[b, n, message.width(c)]`.
pub fn aggregate(x: Tensor<3>, indexes: Tensor<3, Int>, message: Message, reducer: Reducer) -> Tensor<3> {
    let nodes = x.dims()[1];
    aggregate_rows(x, indexes, message, reducer, 0..nodes)
}

/// As [`aggregate`] for some rows, to which the indexes belong: `[b, n, c]`, `[b, rows, k]` → `[b, rows, message.width(c)]`.
pub fn aggregate_rows(
    x: Tensor<3>,
    indexes: Tensor<3, Int>,
    message: Message,
    reducer: Reducer,
    rows: Range<usize>,
) -> Tensor<3> {
    let [_, nodes, _] = x.dims();
    let k = indexes.dims()[2];
    let own = || if rows.len() == nodes { x.clone() } else { x.clone().narrow(1, rows.start, rows.len()) };
    let target = || {
        if reducer == Reducer::Add { own().mul_scalar(k as f32) } else { own() }
    };
    let source = || gather_reduce(x.clone(), indexes.clone(), reducer);
    let distance = || distance_rows(x.clone(), indexes.clone(), reducer, rows.clone());
    match message {
        Message::Target => target(),
        Message::Source => source(),
        Message::Relative => source() - target(),
        Message::TargetRelative => Tensor::cat(vec![target(), source() - target()], 2),
        Message::SourceRelative => {
            let source = source();
            Tensor::cat(vec![source.clone(), source - target()], 2)
        }
        Message::Distance => distance(),
        Message::Full => {
            let source = source();
            Tensor::cat(vec![target(), source.clone(), source - target(), distance()], 2)
        }
    }
}

/// Distances are between rows of one tensor: of some rows the others' neighbours are the first node, and left out.
fn distance_rows(x: Tensor<3>, indexes: Tensor<3, Int>, reducer: Reducer, rows: Range<usize>) -> Tensor<3> {
    let ([batch, nodes, _], [_, _, k]) = (x.dims(), indexes.dims());
    if rows.len() == nodes {
        return distance_reduce(x, indexes, reducer);
    }
    let all = Tensor::zeros([batch, nodes, k], &x.device());
    let all = all.slice_assign([0..batch, rows.clone(), 0..k], indexes);
    distance_reduce(x, all, reducer).narrow(1, rows.start, rows.len())
}

/// Global pooling: `[b, n, c]` → `[b, 1, c]`, or `[b, 1, 2c]` for two reductions side by side.
pub fn pool(x: Tensor<3>, pool: Pool) -> Tensor<3> {
    let max = || node_reduce(x.clone(), Reducer::Max);
    let mean = || node_reduce(x.clone(), Reducer::Mean);
    let add = || node_reduce(x.clone(), Reducer::Add);
    match pool {
        Pool::Max => max(),
        Pool::Mean => mean(),
        Pool::Add => add(),
        Pool::MaxMean => Tensor::cat(vec![max(), mean()], 2),
        Pool::MaxAdd => Tensor::cat(vec![max(), add()], 2),
        Pool::MeanAdd => Tensor::cat(vec![mean(), add()], 2),
    }
}

/// `x [b, n, c]` + `source [b, n, s]`, where channels beyond the narrower count as zero and the
/// width stays `c` (ResNet's option A; a reconstruction of HGNAS's skip).
pub fn skip(x: Tensor<3>, source: Tensor<3>) -> Tensor<3> {
    let (width, given) = (x.dims()[2], source.dims()[2]);
    if given >= width {
        return x + source.narrow(2, 0, width);
    }
    let sum = x.clone().narrow(2, 0, given) + source;
    Tensor::cat(vec![sum, x.narrow(2, given, width - given)], 2)
}

/// Random neighbours of operation `op`, the same on every tier: `[1, n, k]` as plain data.
pub fn random_indexes(op: usize, nodes: usize, k: usize) -> TensorData {
    random_rows(op, nodes, k, 0..nodes)
}

/// As [`random_indexes`] for some of the nodes: `[1, rows, k]`.
pub fn random_rows(op: usize, nodes: usize, k: usize, rows: Range<usize>) -> TensorData {
    let of = |i: usize| (0..k).map(move |slot| random_neighbour(op, i, slot, nodes) as i32);
    TensorData::new(rows.clone().flat_map(of).collect::<Vec<_>>(), [1, rows.len(), k])
}
