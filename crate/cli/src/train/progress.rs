//! How a training run shows itself: a bar per epoch, a line when it is done, and the checkpoint in its file.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use cleave_train::{Command, Config, EpochReport, Observer, Progress, TrainError, Trainer};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// The observer of `cleave train network`. A run is stopped by ending the process: the checkpoint of the last epoch
/// is complete at any moment.
pub(super) struct Bar {
    bar: ProgressBar,
    checkpoint: PathBuf,
    started: Instant,
    /// Steps since `started`.
    steps: usize,
}

impl Bar {
    pub(super) fn new(checkpoint: PathBuf, config: &Config) -> Self {
        let bar = ProgressBar::new(config.epochs as u64);
        let template = "{bar:30} {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, checkpoint, started: Instant::now(), steps: 0 }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Bar {
    fn step(&mut self, progress: &Progress) -> Command {
        self.steps += 1;
        let of_step = self.started.elapsed() / self.steps as u32;
        let left = progress.epochs * progress.steps - progress.epoch * progress.steps - progress.step;
        self.bar.set_length(progress.steps as u64);
        self.bar.set_position(progress.step as u64);
        self.bar.set_message(format!(
            "epoch {}/{}  loss {:.3}  right {:.1} %  {:.0} clouds/s  {} left",
            progress.epoch + 1,
            progress.epochs,
            progress.loss,
            100.0 * progress.accuracy,
            progress.batch as f64 / of_step.as_secs_f64(),
            HumanDuration(of_step * left as u32)
        ));
        Command::Continue
    }

    fn epoch(&mut self, report: &EpochReport, trainer: &Trainer) -> Result<Command, TrainError> {
        let Progress { epoch, loss, accuracy, rate, .. } = report.last;
        // Written beside and renamed: a process that ends in between leaves the old checkpoint whole.
        let beside = self.checkpoint.with_extension("checkpoint.new");
        let kept = fs::write(&beside, trainer.checkpoint()?).and_then(|()| fs::rename(&beside, &self.checkpoint));
        let line = format!("epoch {:3}  loss {loss:.4}  right {:.2} %  rate {rate:.5}", epoch + 1, 100.0 * accuracy);
        self.bar.suspend(|| println!("{line}"));
        kept.map_err(|why| TrainError::Checkpoint {
            why: format!("{} cannot be written: {why}", self.checkpoint.display()),
        })?;
        Ok(Command::Continue)
    }
}
