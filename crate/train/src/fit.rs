//! A whole run, epoch by epoch, told to an observer.

use crate::{Material, Samples, TrainError, Trainer};

/// Where a run stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Epochs of the run.
    pub epochs: usize,
    /// Steps of this epoch that are done.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean loss of this epoch so far.
    pub loss: f32,
    /// Share of this epoch's clouds so far that were classified right, as augmented and with dropout.
    pub accuracy: f32,
    /// Learning rate of the step.
    pub rate: f32,
    /// Clouds of a step.
    pub batch: usize,
}

/// An epoch that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochReport {
    /// Its last step.
    pub last: Progress,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Go on.
    Continue,
    /// Stop here. What an unfinished epoch has learned is not in the next checkpoint: resume from the last.
    Stop,
}

/// Who hears of a run, keeps its checkpoints and may stop it. Clocks and files are the observer's.
pub trait Observer {
    /// After every step.
    fn step(&mut self, progress: &Progress) -> Command;

    /// After every epoch; the moment to keep [`Trainer::checkpoint`] or to evaluate.
    ///
    /// # Errors
    /// What stops the run.
    fn epoch(&mut self, report: &EpochReport, trainer: &Trainer) -> Result<Command, TrainError>;
}

/// Runs the epochs that `trainer` (new or resumed) has left. The result is the same for the same settings and data,
/// however often the run was interrupted between epochs.
///
/// # Errors
/// Data that does not fit, a loss that is no number, or what the observer says.
pub fn fit(trainer: &mut Trainer, material: &dyn Material, observer: &mut dyn Observer) -> Result<Command, TrainError> {
    while trainer.epoch < trainer.config.epochs {
        let Some(report) = run_epoch(trainer, material, observer)? else { return Ok(Command::Stop) };
        trainer.epoch += 1;
        if observer.epoch(&report, trainer)? == Command::Stop {
            return Ok(Command::Stop);
        }
    }
    Ok(Command::Continue)
}

/// None: stopped on the way.
fn run_epoch(
    trainer: &mut Trainer,
    material: &dyn Material,
    observer: &mut dyn Observer,
) -> Result<Option<EpochReport>, TrainError> {
    let config = trainer.config.clone();
    let epoch = trainer.epoch;
    let samples = Samples::new(&config, material, epoch)?;
    let steps = samples.steps();
    let at = |step: usize| epoch as f32 + step as f32 / steps as f32;
    let (mut loss, mut correct, mut seen) = (0.0f64, 0usize, 0usize);
    for step in 0..steps {
        let report = trainer.step(&samples.batch(step)?, step, at(step + 1))?;
        loss += f64::from(report.loss);
        correct += report.correct;
        seen += report.n;
        let progress = Progress {
            epoch,
            epochs: config.epochs,
            step: step + 1,
            steps,
            loss: (loss / (step + 1) as f64) as f32,
            accuracy: correct as f32 / seen as f32,
            rate: config.rate_at(at(step + 1)),
            batch: config.batch,
        };
        let command = observer.step(&progress);
        if step + 1 == steps {
            return Ok(Some(EpochReport { last: progress }));
        }
        if command == Command::Stop {
            return Ok(None);
        }
    }
    Ok(None)
}
