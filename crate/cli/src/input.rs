//! Where an input comes from: a cloud of a file in any format that is read or of the seeded generator of furniture; for an
//! image network a picture, or noise.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ArgGroup;
use cleave_app::cooperation::noise;
use cleave_app::network::NetworkInput;
use cleave_arch::Array;
use cleave_data::furniture::{self, CLASSES};
use cleave_data::{Format, Sample, read, sample};
use cleave_graph::Shape;

use crate::file;
use crate::partition::look;

/// What is asked for on the command line.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Input", group = ArgGroup::new("source").required(true).args(["input", "sample"]))]
pub(crate) struct InputArgs {
    #[arg(long, value_name = "FILE", help = format!("A cloud or mesh: {}; for an image network a PNG or JPEG", Format::list()))]
    input: Option<PathBuf>,
    /// Which cloud of a file that holds several, counted from 0
    #[arg(long, value_name = "I", default_value_t = 0, requires = "input")]
    index: usize,
    #[arg(long, value_name = "CLASS", help = format!("A synthetic shape instead: one of {}; for an image network {NOISE}", CLASSES.join(", ")))]
    sample: Option<String>,
    /// Bright for dark: networks for Fashion-MNIST were trained on what is bright on black
    #[arg(long, requires = "input")]
    invert: bool,
}

/// What image networks look at without a picture.
const NOISE: &str = "noise";

/// An input as a network takes it.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// Where it comes from, for people.
    pub(crate) name: String,
    /// Features `[n, 3]`, centred, of radius one; or an image `[channels, rows, columns]`.
    pub(crate) values: Array,
    /// Its true class, where it is known.
    pub(crate) class: Option<String>,
}

impl InputArgs {
    /// Reads or makes what a network wants.
    pub(crate) fn load(&self, wanted: &NetworkInput, seed: u64) -> Result<Input> {
        match *wanted {
            NetworkInput::Cloud { n_points, in_channels: 3, .. } => self.cloud(n_points, seed),
            NetworkInput::Cloud { in_channels, .. } => {
                bail!("this network reads {in_channels} channels per point; a point cloud has 3")
            }
            NetworkInput::Image { channels, height, width } => self.image(Shape { channels, height, width }, seed),
        }
    }

    fn image(&self, shape: Shape, seed: u64) -> Result<Input> {
        let (name, values) = match (&self.input, self.sample.as_deref()) {
            (Some(path), _) => (path.display().to_string(), look::read(path, self.invert, shape)?),
            (None, Some(NOISE)) => (format!("noise, seed {seed}"), noise(shape, seed).next().unwrap_or_default()),
            _ => bail!("an image network looks at a picture or at noise; give --input FILE or --sample {NOISE}"),
        };
        Ok(Input { name, values: Array::f32([shape.channels, shape.height, shape.width], values)?, class: None })
    }

    fn cloud(&self, n_points: usize, seed: u64) -> Result<Input> {
        let (name, class, points) = match (&self.input, &self.sample) {
            (Some(path), _) => from_file(path, self.index, n_points, seed)?,
            (None, Some(class)) => {
                let class = class_index(class)?;
                let points = furniture::generate(class, n_points, seed)?;
                (format!("synthetic {}, seed {seed}", CLASSES[class]), Some(CLASSES[class].to_owned()), points)
            }
            (None, None) => bail!("no input is named; give --input FILE or --sample CLASS"),
        };
        Ok(Input { name, values: Array::f32([n_points, 3], points)?, class })
    }
}

/// Name, class where the file tells it, and points.
fn from_file(path: &Path, index: usize, n_points: usize, seed: u64) -> Result<(String, Option<String>, Vec<f32>)> {
    let mut name = path.display().to_string();
    let bytes = file::read("the input", path)?;
    let Sample { geometry, of, class } = read(&name, &bytes, index).with_context(|| format!("the input {name}"))?;
    let points = sample::to_cloud(&geometry, n_points, seed).with_context(|| format!("the input {name}"))?;
    if of > 1 {
        name = format!("{name}, cloud {index} of {of}");
    }
    Ok((name, class, points))
}

/// A class by name.
fn class_index(name: &str) -> Result<usize> {
    let found = CLASSES.iter().position(|class| *class == name);
    found.with_context(|| format!("there is no furniture class \"{name}\"; there are {}", CLASSES.join(", ")))
}
