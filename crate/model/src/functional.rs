//! Operations without parameters, as functions of tensors: what inference and training share.
//! Shapes: features `[b, n, c]`, indexes `[b, n, k]`.

use crate::ops::{distance_reduce, gather_reduce, node_reduce};
use burn::tensor::{Int, Tensor, TensorData};
use cleave_arch::{Message, Pool, Reducer, random_neighbour};

/// The reduction over neighbours j of a message, without a tensor per edge: the parts of a message
/// that do not depend on j reduce to themselves, and max over j of (x_j − x_i) is (max x_j) − x_i.
/// `[b, n, c]` → `[b, n, message.width(c)]`.
pub fn aggregate(x: Tensor<3>, indexes: Tensor<3, Int>, message: Message, reducer: Reducer) -> Tensor<3> {
    let k = indexes.dims()[2];
    let target = || {
        if reducer == Reducer::Add { x.clone().mul_scalar(k as f32) } else { x.clone() }
    };
    let source = || gather_reduce(x.clone(), indexes.clone(), reducer);
    let distance = || distance_reduce(x.clone(), indexes.clone(), reducer);
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
    let indexes = (0..nodes * k).map(|at| random_neighbour(op, at / k, at % k, nodes) as i32).collect::<Vec<_>>();
    TensorData::new(indexes, [1, nodes, k])
}
