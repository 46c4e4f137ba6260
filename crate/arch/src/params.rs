//! Names and shapes of the weights, as they stand in a weight file.
//!
//! An operation at position i has `op.{i}.weight` `[in, out]`, `op.{i}.bias` `[out]` and
//! `op.{i}.norm.{weight,bias,mean,var}` `[out]`. For an edge convolution the weight is `[2·in, out]`: rows `0..in` act
//! on x_j − x_i, rows `in..2·in` on x_i. The classifier's layers are `classifier.{0,1,2}.*`; the last has no norm.
//! Positions do not count communicates, so every plan of an architecture reads the same file.

use cleave_graph::ParamSpec;

use crate::architecture::Architecture;
use crate::op::Op;
use crate::task::Task;

/// Widths of the classifier's two hidden layers (GCoDE's released code, as DGCNN's).
pub const CLASSIFIER_HIDDEN: [usize; 2] = [512, 256];

impl Architecture {
    /// Every weight of the network for `task`, in the order of execution.
    pub fn parameters(&self, task: &Task) -> Vec<ParamSpec> {
        let trace = self.trace(task);
        let mut specs = Vec::new();
        for (i, step) in trace.steps.iter().enumerate() {
            if let Some(shape) = weight_shape(step.op, step.input[1]) {
                specs.extend(linear(&format!("op.{i}"), shape, Norm::Batch));
            }
        }
        let last = trace.classifier.layers.len() - 1;
        for (j, (input, output)) in trace.classifier.layers.iter().enumerate() {
            let norm = if j == last { Norm::None } else { Norm::Batch };
            specs.extend(linear(&format!("classifier.{j}"), [*input, *output], norm));
        }
        specs
    }
}

/// Whether a BatchNorm follows a linear layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    Batch,
    None,
}

/// `[in, out]` of the linear layer of an operation on `c` channels, if it has one.
pub(crate) fn weight_shape(op: Op, c: usize) -> Option<[usize; 2]> {
    match op {
        Op::Combine { channels } => Some([c, channels]),
        Op::EdgeConv { channels } => Some([c.saturating_mul(2), channels]),
        _ => None,
    }
}

/// Numbers in a linear layer with its norm: in·out + out, and 4·out more.
pub(crate) fn n_params([input, output]: [usize; 2], norm: Norm) -> u64 {
    let vectors = if norm == Norm::Batch { 5 } else { 1 };
    (input as u64).saturating_add(vectors).saturating_mul(output as u64)
}

fn linear(prefix: &str, [input, output]: [usize; 2], norm: Norm) -> Vec<ParamSpec> {
    let spec = |name: &str, shape: &[usize]| ParamSpec { name: format!("{prefix}.{name}"), shape: shape.to_vec() };
    let mut specs = vec![spec("weight", &[input, output]), spec("bias", &[output])];
    if norm == Norm::Batch {
        specs.extend(["norm.weight", "norm.bias", "norm.mean", "norm.var"].map(|name| spec(name, &[output])));
    }
    specs
}
