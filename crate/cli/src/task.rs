//! The sizes that an architecture leaves open, as options of several subcommands.

use anyhow::Result;
use cleave_arch::Task;
use serde_json::{Value, json};

/// Each one overrides a default, which a weights file may bring.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Task")]
pub(crate) struct TaskArgs {
    /// Points of a cloud [default: 1024]
    #[arg(long, value_name = "N")]
    points: Option<usize>,
    /// Neighbours of a point in a sampled graph [default: 20]
    #[arg(long, value_name = "K")]
    k: Option<usize>,
    /// Classes of the answer [default: 10]
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// Channels of the input [default: 3]
    #[arg(long, value_name = "C")]
    channels: Option<usize>,
}

impl TaskArgs {
    /// `default` with what was given on the command line.
    pub(crate) fn over(&self, default: Task) -> Result<Task> {
        let task = Task {
            n_points: self.points.unwrap_or(default.n_points),
            in_channels: self.channels.unwrap_or(default.in_channels),
            k: self.k.unwrap_or(default.k),
            n_classes: self.classes.unwrap_or(default.n_classes),
            graph: default.graph,
        };
        Ok(task.checked()?)
    }
}

/// The sizes as JSON.
pub(crate) fn to_json(task: &Task) -> Value {
    json!({ "points": task.n_points, "channels": task.in_channels, "k": task.k, "classes": task.n_classes })
}
