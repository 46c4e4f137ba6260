//! Where a point cloud comes from: a file in any format that is read, or the seeded generator of furniture.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ArgGroup;
use cleave_arch::{Array, Task};
use cleave_data::furniture::{self, CLASSES};
use cleave_data::{Format, Sample, read, sample};

use crate::file;

/// What is asked for on the command line.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Input", group = ArgGroup::new("source").required(true).args(["input", "sample"]))]
pub(crate) struct InputArgs {
    #[arg(long, value_name = "FILE", help = format!("A cloud or mesh: {}", Format::list()))]
    input: Option<PathBuf>,
    /// Which cloud of a file that holds several, counted from 0
    #[arg(long, value_name = "I", default_value_t = 0, requires = "input")]
    index: usize,
    #[arg(long, value_name = "CLASS", help = format!("A synthetic shape instead: one of {}", CLASSES.join(", ")))]
    sample: Option<String>,
}

/// A cloud as a network takes it.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// Where it comes from, for people.
    pub(crate) name: String,
    /// Features `[n, 3]`, centred, of radius one.
    pub(crate) cloud: Array,
    /// Its true class, where it is known.
    pub(crate) class: Option<String>,
}

impl InputArgs {
    /// Reads or makes the cloud that `task` wants.
    pub(crate) fn load(&self, task: &Task, seed: u64) -> Result<Input> {
        if task.in_channels != 3 {
            bail!("this network reads {} channels per point; a point cloud has 3", task.in_channels);
        }
        let (name, class, points) = match (&self.input, &self.sample) {
            (Some(path), _) => from_file(path, self.index, task.n_points, seed)?,
            (None, Some(class)) => {
                let class = class_index(class)?;
                let points = furniture::generate(class, task.n_points, seed)?;
                (format!("synthetic {}, seed {seed}", CLASSES[class]), Some(CLASSES[class].to_owned()), points)
            }
            (None, None) => bail!("no input is named; give --input FILE or --sample CLASS"),
        };
        Ok(Input { name, cloud: Array::f32([task.n_points, 3], points)?, class })
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
