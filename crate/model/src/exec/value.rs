//! Values on a device, and parts of them: cut out to be sent, put together from what has come.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData, Transaction};
use cleave_graph::{Layout, Region, Shape, ValueType};

use crate::ModelError;

/// A value of a graph.
#[derive(Clone, Debug)]
pub enum Value {
    /// A map, flattened or not, `[batch, channels, rows, columns]`.
    Map(Tensor<4>),
    /// Features of nodes `[batch, nodes, channels]`.
    Nodes(Tensor<3>),
    /// Indexes of neighbours `[batch, nodes, k]`.
    Neighbours(Tensor<3, Int>),
}

impl Value {
    /// Its map.
    ///
    /// # Panics
    /// If it is none: kernels are loaded for the types of a valid graph.
    #[expect(clippy::panic, reason = "a valid graph gives every kernel the values that it was loaded for")]
    pub(crate) fn map(self) -> Tensor<4> {
        match self {
            Self::Map(map) => map,
            other => panic!("a map is read, and {other:?} was made"),
        }
    }

    #[expect(clippy::panic, reason = "as above")]
    pub(crate) fn nodes(self) -> Tensor<3> {
        match self {
            Self::Nodes(nodes) => nodes,
            other => panic!("nodes are read, and {other:?} was made"),
        }
    }

    #[expect(clippy::panic, reason = "as above")]
    pub(crate) fn neighbours(self) -> Tensor<3, Int> {
        match self {
            Self::Neighbours(neighbours) => neighbours,
            other => panic!("neighbours are read, and {other:?} was made"),
        }
    }

    /// One number of it.
    pub fn first(self) -> Tensor<1> {
        match self {
            Self::Map(map) => map.slice([0..1, 0..1, 0..1, 0..1]).reshape([1]),
            Self::Nodes(nodes) => nodes.slice([0..1, 0..1, 0..1]).reshape([1]),
            Self::Neighbours(neighbours) => neighbours.slice([0..1, 0..1, 0..1]).float().reshape([1]),
        }
    }

    /// From numbers in the order of [`ValueType`]'s layout; neighbours are whole numbers.
    ///
    /// # Errors
    /// [`ModelError::Parts`] if these are not the numbers of the region.
    pub fn of(values: Vec<f32>, region: &Region, of: ValueType, device: &Device) -> Result<Self, ModelError> {
        let Shape { channels, height, width } = region.shape(of.shape.width);
        if values.len() != channels * height * width {
            let (found, needed) = (values.len(), channels * height * width);
            let found = format!("{found} numbers for a part of {channels}×{height}×{width}, which has {needed}");
            return Err(ModelError::Parts { found });
        }
        Ok(match of.layout {
            Layout::Map | Layout::Flat => {
                Self::Map(Tensor::from_data(TensorData::new(values, [1, channels, height, width]), device))
            }
            Layout::Nodes => Self::Nodes(Tensor::from_data(TensorData::new(values, [1, height, channels]), device)),
            Layout::Neighbours => {
                // An index beyond the nodes would read foreign memory on a GPU and panic on the CPU.
                let nodes = of.shape.height;
                let is_node = |index: &f32| index.fract() == 0.0 && (0.0..nodes as f32).contains(index);
                if let Some(bad) = values.iter().find(|index| !is_node(index)) {
                    return Err(ModelError::Parts { found: format!("neighbour {bad} of {nodes} nodes") });
                }
                let indexes: Vec<i32> = values.into_iter().map(|index| index as i32).collect();
                Self::Neighbours(Tensor::from_data(TensorData::new(indexes, [1, height, channels]), device))
            }
        })
    }

    /// These channels and rows of its own.
    fn slice(self, channels: Range<usize>, rows: Range<usize>) -> Self {
        match self {
            Self::Map(map) => {
                let [batch, _, _, width] = map.dims();
                Self::Map(map.slice([0..batch, channels, rows, 0..width]))
            }
            Self::Nodes(nodes) => {
                let batch = nodes.dims()[0];
                Self::Nodes(nodes.slice([0..batch, rows, channels]))
            }
            Self::Neighbours(neighbours) => {
                let batch = neighbours.dims()[0];
                Self::Neighbours(neighbours.slice([0..batch, rows, channels]))
            }
        }
    }

    /// Side by side, in channels or in rows.
    fn cat(parts: Vec<Self>, by_channels: bool) -> Option<Self> {
        let axis = |channels: usize, rows: usize| if by_channels { channels } else { rows };
        Some(match parts.first()? {
            Self::Map(_) => Self::Map(Tensor::cat(parts.into_iter().map(Self::map).collect(), axis(1, 2))),
            Self::Nodes(_) => Self::Nodes(Tensor::cat(parts.into_iter().map(Self::nodes).collect(), axis(2, 1))),
            Self::Neighbours(_) => {
                Self::Neighbours(Tensor::cat(parts.into_iter().map(Self::neighbours).collect(), axis(2, 1)))
            }
        })
    }
}

/// A part of a value.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which part.
    pub region: Region,
    /// What is in it.
    pub value: Value,
}

impl Piece {
    /// A part of it; all of it if that is asked for.
    ///
    /// # Panics
    /// When it has not got the part: an error of the caller.
    pub(super) fn cut(&self, part: &Region) -> Value {
        if self.region == *part {
            return self.value.clone();
        }
        let within = |part: &Range<usize>, of: &Range<usize>| part.start - of.start..part.end - of.start;
        let channels = within(&part.channels, &self.region.channels);
        self.value.clone().slice(channels, within(&part.rows, &self.region.rows))
    }

    /// Parts of it as plain numbers, with one wait for all of them.
    pub(super) async fn read(&self, wanted: &[Region]) -> Result<Vec<Vec<f32>>, ModelError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(part) = wanted.iter().find(|part| !self.region.contains(part)) {
            return Err(ModelError::Parts { found: format!("{part:?} is wanted of {:?}", self.region) });
        }
        let register = |reads: Transaction, part| match self.cut(part) {
            Value::Map(map) => reads.register(map),
            Value::Nodes(nodes) => reads.register(nodes),
            Value::Neighbours(neighbours) => reads.register(neighbours.float()),
        };
        let read_back = |why: String| ModelError::ReadBack { why };
        let read = wanted.iter().fold(Transaction::default(), register).execute_async().await;
        let read = read.map_err(|why| read_back(format!("{why:?}")))?;
        read.into_iter().map(|data| data.try_into_vec::<f32>().map_err(|why| read_back(format!("{why:?}")))).collect()
    }
}

/// A region from pieces which together have it, side by side in channels or in rows. What a piece has beyond the region, or
/// beyond where another one ends, is left out. None if a part is missing.
pub(super) fn assemble(region: &Region, pieces: &[Piece]) -> Option<Value> {
    if let Some(whole) = pieces.iter().find(|piece| piece.region.contains(region)) {
        return Some(whole.cut(region));
    }
    side_by_side(region, pieces, true).or_else(|| side_by_side(region, pieces, false))
}

/// A region from those pieces that have all of its rows, or all of its channels.
fn side_by_side(region: &Region, pieces: &[Piece], by_channels: bool) -> Option<Value> {
    let axis = |region: &Region| if by_channels { region.channels.clone() } else { region.rows.clone() };
    let other = |region: &Region| if by_channels { region.rows.clone() } else { region.channels.clone() };
    let mut parts: Vec<(&Piece, Region)> =
        pieces.iter().map(|piece| (piece, piece.region.intersection(region))).collect();
    parts.retain(|(_, part)| !part.is_empty() && other(part) == other(region));
    parts.sort_by_key(|(_, part)| axis(part).start);
    let (mut end, mut cut) = (axis(region).start, Vec::with_capacity(parts.len()));
    for (piece, part) in parts {
        let range = axis(&part);
        if range.start > end {
            return None;
        }
        if range.end > end {
            let range = end..range.end;
            end = range.end;
            let part = if by_channels { Region { channels: range, ..part } } else { Region { rows: range, ..part } };
            cut.push(piece.cut(&part));
        }
    }
    if end == axis(region).end { Value::cat(cut, by_channels) } else { None }
}
