//! How a training run shows itself: a bar per epoch, a line when it is done, and the checkpoint in its file.

use std::path::PathBuf;
use std::time::Instant;

use cleave_train::{Command, EpochReport, Observer, Progress, TrainError, Trainer};
use indicatif::{HumanDuration, ProgressBar};

use crate::{file, output};

/// The steps of a run as a bar.
pub(super) struct Steps {
    bar: ProgressBar,
    started: Instant,
    /// Steps since `started`.
    steps: usize,
}

impl Default for Steps {
    fn default() -> Self {
        Self { bar: output::bar(1, "{bar:30} {msg}"), started: Instant::now(), steps: 0 }
    }
}

impl Steps {
    pub(super) fn show(&mut self, progress: &Progress) {
        self.steps += 1;
        let of_step = self.started.elapsed() / self.steps as u32;
        let left = progress.epochs * progress.steps - progress.epoch * progress.steps - progress.step;
        self.bar.set_length(progress.steps as u64);
        self.bar.set_position(progress.step as u64);
        self.bar.set_message(format!(
            "epoch {}/{}  loss {:.3}  right {:.1} %  {:.0} samples/s  {} left",
            progress.epoch + 1,
            progress.epochs,
            progress.loss,
            100.0 * progress.accuracy,
            progress.batch as f64 / of_step.as_secs_f64(),
            HumanDuration(of_step * left as u32)
        ));
        if progress.step == progress.steps {
            let Progress { epoch, loss, accuracy, rate, .. } = progress;
            let right = 100.0 * accuracy;
            let line = format!("epoch {:3}  loss {loss:.4}  right {right:.2} %  rate {rate:.5}", epoch + 1);
            self.bar.suspend(|| println!("{line}"));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The observer of `cleave train network`. A run is stopped by ending the process: the checkpoint of the last epoch
/// is complete at any moment.
pub(super) struct Bar {
    steps: Steps,
    checkpoint: PathBuf,
}

impl Bar {
    pub(super) fn new(checkpoint: PathBuf) -> Self {
        Self { steps: Steps::default(), checkpoint }
    }

    pub(super) fn finish(&self) {
        self.steps.finish();
    }
}

impl Observer for Bar {
    fn step(&mut self, progress: &Progress) -> Command {
        self.steps.show(progress);
        Command::Continue
    }

    fn epoch(&mut self, _: &EpochReport, trainer: &Trainer) -> Result<Command, TrainError> {
        file::replace("the checkpoint", &self.checkpoint, trainer.checkpoint()?)
            .map_err(|why| TrainError::Checkpoint { why: format!("{why:#}") })?;
        Ok(Command::Continue)
    }
}
