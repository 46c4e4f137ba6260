//! The networks that have names.

use crate::error::GraphError;
use crate::graph::Graph;

/// Names and text forms. `resnet` is ours: three residual blocks (He et al. 2016, figure 2, option B), of Fashion-MNIST's
/// size. AlexNet and VGG11 are torchvision's, whose adaptive pooling does nothing at 224 × 224;
/// `alexnet-lrn` is the original on one GPU's worth of connections (Krizhevsky et al. 2012, without groups).
pub const NETWORKS: [(&str, &str); 5] = [
    (
        "lenet5",
        "1x28x28: conv 6 k5 p2, relu, maxpool 2, conv 16 k5, relu, maxpool 2, flatten, linear 120, relu, linear 84, relu, \
         linear 10",
    ),
    (
        "resnet",
        "1x28x28: conv 32 k3 s2 p1, norm, a = relu, conv 32 k3 p1, norm, relu, conv 32 k3 p1, norm, add with a, b = relu, \
         conv 64 k3 s2 p1, norm, relu, conv 64 k3 p1, c = norm, conv 64 k1 s2 of b, norm, add with c, d = relu, \
         conv 128 k3 s2 p1, norm, relu, conv 128 k3 p1, e = norm, conv 128 k1 s2 of d, norm, add with e, relu, globalpool, \
         flatten, linear 10",
    ),
    (
        "alexnet",
        "3x224x224: conv 64 k11 s4 p2, relu, maxpool 3 s2, conv 192 k5 p2, relu, maxpool 3 s2, conv 384 k3 p1, relu, \
         conv 256 k3 p1, relu, conv 256 k3 p1, relu, maxpool 3 s2, flatten, dropout, linear 4096, relu, dropout, \
         linear 4096, relu, linear 1000",
    ),
    (
        "alexnet-lrn",
        "3x227x227: conv 96 k11 s4, relu, lrn 5, maxpool 3 s2, conv 256 k5 p2, relu, lrn 5, maxpool 3 s2, \
         conv 384 k3 p1, relu, conv 384 k3 p1, relu, conv 256 k3 p1, relu, maxpool 3 s2, flatten, dropout, linear 4096, \
         relu, dropout, linear 4096, relu, linear 1000",
    ),
    (
        "vgg11",
        "3x224x224: conv 64 k3 p1, relu, maxpool 2, conv 128 k3 p1, relu, maxpool 2, conv 256 k3 p1, relu, \
         conv 256 k3 p1, relu, maxpool 2, conv 512 k3 p1, relu, conv 512 k3 p1, relu, maxpool 2, conv 512 k3 p1, relu, \
         conv 512 k3 p1, relu, maxpool 2, flatten, linear 4096, relu, dropout, linear 4096, relu, dropout, linear 1000",
    ),
];

/// The network of this name, or of this text form.
///
/// # Errors
/// [`GraphError::UnknownName`] for a word without a chain, or what is wrong with the chain.
pub fn network(name: &str) -> Result<Graph, GraphError> {
    let named = NETWORKS.iter().find(|(known, _)| *known == name.trim());
    match named {
        Some((_, text)) => text.parse(),
        None if name.contains(':') => name.parse(),
        None => Err(GraphError::UnknownName { name: name.into(), known: NETWORKS.map(|(known, _)| known).join(", ") }),
    }
}

/// The name of a network that has one.
pub fn name_of(graph: &Graph) -> Option<&'static str> {
    NETWORKS.iter().find(|(_, text)| text.parse().as_ref() == Ok(graph)).map(|(name, _)| *name)
}
