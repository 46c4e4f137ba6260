//! The text form of an image network: its input, a colon, its layers with commas between.
//!
//! `1x28x28: conv 6 k5 p2, relu, maxpool 2, flatten, linear 10`. A stride that is not given is 1 for a convolution and
//! the window for a pooling; a padding that is not given is 0. A text that parsed prints as itself, up to blanks.

use std::fmt;
use std::str::FromStr;

use super::error::NetworkError;
use super::layer::{Layer, PoolKind, Shape};
use super::network::Network;

const LAYERS: &str = "a layer is `conv 64 k3 s1 p1`, `linear 10`, `maxpool 2 s2`, `avgpool 2 s2`, `relu`, `norm`, `lrn 5`, \
                      `flatten` or `dropout`";

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (input, chain) = text.split_once(':').ok_or_else(|| wrong(text, "write the input, a colon, the layers"))?;
        let layers = chain.split(',').map(|layer| parse_layer(layer.trim())).collect::<Result<_, _>>()?;
        Self::new(parse_shape(input.trim())?, layers)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { channels, height, width } = self.input();
        write!(f, "{channels}x{height}x{width}:")?;
        for (i, layer) in self.layers().iter().enumerate() {
            write!(f, "{} {layer}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn wrong(found: &str, expected: &'static str) -> NetworkError {
    NetworkError::Text { found: found.chars().take(40).collect(), expected }
}

fn parse_shape(text: &str) -> Result<Shape, NetworkError> {
    let extents: Option<Vec<usize>> = text.split(['x', '×']).map(|extent| extent.trim().parse().ok()).collect();
    match extents.as_deref() {
        Some([channels, height, width]) => Ok(Shape { channels: *channels, height: *height, width: *width }),
        _ => Err(wrong(text, "an input is channels×height×width, like 3x224x224")),
    }
}

fn parse_layer(text: &str) -> Result<Layer, NetworkError> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let numbers = Numbers::parse(text, words)?;
    let layer = match name {
        "conv" => Layer::Conv {
            channels: numbers.first()?,
            kernel: numbers.kernel.ok_or_else(|| wrong(text, "a convolution needs its kernel, like k3"))?,
            stride: numbers.stride.unwrap_or(1),
            padding: numbers.padding.unwrap_or(0),
        },
        "linear" => Layer::Linear { features: numbers.first()? },
        "maxpool" | "avgpool" => Layer::Pool {
            kind: if name == "maxpool" { PoolKind::Max } else { PoolKind::Mean },
            kernel: numbers.first()?,
            stride: numbers.stride.map_or_else(|| numbers.first(), Ok)?,
        },
        "relu" => Layer::Relu,
        "norm" => Layer::BatchNorm,
        "lrn" => Layer::Lrn { size: numbers.first()? },
        "flatten" => Layer::Flatten,
        "dropout" => Layer::Dropout,
        _ => return Err(wrong(text, LAYERS)),
    };
    // What a layer does not print, it does not have.
    if numbers.fits(&layer) { Ok(layer) } else { Err(wrong(text, LAYERS)) }
}

/// `64 k3 s1 p1`
struct Numbers<'a> {
    text: &'a str,
    plain: Option<usize>,
    kernel: Option<usize>,
    stride: Option<usize>,
    padding: Option<usize>,
}

impl<'a> Numbers<'a> {
    fn parse(text: &'a str, words: impl Iterator<Item = &'a str>) -> Result<Self, NetworkError> {
        let mut numbers = Self { text, plain: None, kernel: None, stride: None, padding: None };
        for word in words {
            let digits = word.trim_start_matches(['k', 's', 'p']);
            let slot = match word.chars().next() {
                Some('k') => &mut numbers.kernel,
                Some('s') => &mut numbers.stride,
                Some('p') => &mut numbers.padding,
                _ => &mut numbers.plain,
            };
            let value = digits.parse().map_err(|_| wrong(text, LAYERS))?;
            if word.len() - digits.len() > 1 || slot.replace(value).is_some() {
                return Err(wrong(text, LAYERS));
            }
        }
        Ok(numbers)
    }

    fn first(&self) -> Result<usize, NetworkError> {
        self.plain.ok_or_else(|| wrong(self.text, LAYERS))
    }

    fn fits(&self, layer: &Layer) -> bool {
        let (plain, kernel, stride, padding) = match layer {
            Layer::Conv { .. } => (true, true, true, true),
            Layer::Pool { .. } => (true, false, true, false),
            Layer::Linear { .. } | Layer::Lrn { .. } => (true, false, false, false),
            Layer::Relu | Layer::BatchNorm | Layer::Flatten | Layer::Dropout => (false, false, false, false),
        };
        let given = [self.plain, self.kernel, self.stride, self.padding].map(|number| number.is_some());
        given.iter().zip([plain, kernel, stride, padding]).all(|(given, allowed)| allowed || !given)
    }
}
