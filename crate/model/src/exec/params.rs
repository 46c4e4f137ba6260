//! Where weights come from: a file, or a seed. Either way a worker reads only its slices.

use std::ops::Range;

use crate::{ModelError, Weights};
use cleave_graph::{Graph, ParamSpec, SplitMix64, fnv_1a};

/// The weights of a graph, by the names of [`Graph::parameters`].
#[derive(Clone, Debug)]
pub enum Params {
    /// From a file, torchvision's for example.
    Stored(Weights),
    /// A function of this seed and of name and position, so that every worker draws its slices alone. The scale of the
    /// activations is kept (He et al. 2015, equation 10, uniform).
    Seeded(u64),
}

impl Params {
    /// Stored weights that are exactly those of a graph.
    ///
    /// # Errors
    /// [`ModelError`]: the first that is missing, too many, of another shape or not finite.
    pub fn stored(graph: &Graph, weights: Weights) -> Result<Self, ModelError> {
        weights.check_against(&graph.parameters())?;
        Ok(Self::Stored(weights))
    }
}

/// Where a loader reads slices of weights.
pub trait Slices {
    /// A block of a weight as a matrix: rows of its first extent, columns of all others together.
    ///
    /// # Errors
    /// [`ModelError::Missing`] or [`ModelError::WrongShape`].
    fn block(&self, spec: &ParamSpec, rows: Range<usize>, cols: Range<usize>) -> Result<Vec<f32>, ModelError>;
}

/// Where each row of a block begins and ends in a weight.
fn ranges(spec: &ParamSpec, rows: Range<usize>, cols: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let width: usize = spec.shape[1..].iter().product();
    rows.map(move |row| row * width + cols.start..row * width + cols.end)
}

impl Slices for Weights {
    fn block(&self, spec: &ParamSpec, rows: Range<usize>, cols: Range<usize>) -> Result<Vec<f32>, ModelError> {
        // Exactly as many as there are: what is collected from a flat map takes up to twice its memory.
        let mut block = Vec::with_capacity(rows.len() * cols.len());
        let values = &self.get(&spec.name, &spec.shape)?.values;
        ranges(spec, rows, cols).for_each(|range| block.extend_from_slice(&values[range]));
        Ok(block)
    }
}

impl Slices for Params {
    fn block(&self, spec: &ParamSpec, rows: Range<usize>, cols: Range<usize>) -> Result<Vec<f32>, ModelError> {
        match self {
            Self::Stored(weights) => weights.block(spec, rows, cols),
            Self::Seeded(seed) => {
                let mut block = Vec::with_capacity(rows.len() * cols.len());
                let draw = Draw::new(*seed, spec, spec.shape[1..].iter().product());
                ranges(spec, rows, cols).for_each(|range| block.extend(draw.values(range)));
                Ok(block)
            }
        }
    }
}

/// How the numbers of one weight are drawn.
struct Draw {
    seed: u64,
    least: f32,
    span: f32,
}

impl Draw {
    fn new(seed: u64, spec: &ParamSpec, fan_in: usize) -> Self {
        let (least, most) = match spec.name.rsplit('.').next() {
            _ if spec.shape.len() > 1 => {
                let bound = (6.0 / fan_in as f32).sqrt();
                (-bound, bound)
            }
            // A norm's.
            Some("weight" | "running_var" | "var") => (0.5, 1.5),
            _ => (-0.1, 0.1),
        };
        Self { seed: seed ^ fnv_1a(spec.name.as_bytes()), least, span: most - least }
    }

    fn values(&self, range: Range<usize>) -> impl Iterator<Item = f32> {
        let mut rng = SplitMix64::new(self.seed);
        rng.skip(range.start as u64);
        let (least, span) = (self.least, self.span);
        range.map(move |_| least + span * rng.unit_f32())
    }
}
