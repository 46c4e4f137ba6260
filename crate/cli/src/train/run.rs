//! What every training run on ModelNet10 has in common: its settings, its checkpoint and its data.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cleave_arch::Task;
use cleave_data::modelnet::{self, Dataset};
use cleave_train::{Config, Subject, Trainer, fit};

use super::progress::Bar;

/// Settings of a run.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct RunArgs {
    /// Folder with modelnet10_1024_train.npz and modelnet10_1024_test.npz
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Weights to write; the checkpoint stands beside them
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) out: PathBuf,
    /// Go on from the checkpoint beside the weights, with its settings
    #[arg(long)]
    resume: bool,
    /// Passes over the data
    #[arg(long, value_name = "N", default_value_t = 40)]
    epochs: usize,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Clouds of a step
    #[arg(long, value_name = "B", default_value_t = 32)]
    batch: usize,
    /// Points of a cloud while training, a fresh subset per visit if fewer than 1024
    #[arg(long, value_name = "N", default_value_t = 1024)]
    points: usize,
    /// Last epochs that train with all points
    #[arg(long, value_name = "N", default_value_t = 0)]
    whole_epochs: usize,
    /// Share of generated furniture in a batch
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    furniture: f32,
    /// Highest learning rate
    #[arg(long, value_name = "R", default_value_t = 0.002)]
    rate: f32,
    /// Share of the classifier's hidden values that is dropped
    #[arg(long, value_name = "SHARE", default_value_t = 0.4)]
    dropout: f32,
}

impl RunArgs {
    /// Trains to the end, with a bar and a checkpoint after every epoch.
    pub(super) fn train(&self, subject: Subject, data: &Dataset) -> Result<Trainer> {
        let mut trainer = self.trainer(subject)?;
        let config = trainer.config().clone();
        println!("training {}", config.subject);
        println!(
            "seed     {}, data version {}, {} epochs, {} done",
            config.seed,
            cleave_data::VERSION,
            config.epochs,
            trainer.epoch()
        );
        let mut bar = Bar::new(checkpoint_path(&self.out), &config);
        fit(&mut trainer, data, &mut bar)?;
        bar.finish();
        Ok(trainer)
    }

    fn trainer(&self, subject: Subject) -> Result<Trainer> {
        if !self.resume {
            return Ok(Trainer::new(self.config(subject))?);
        }
        let path = checkpoint_path(&self.out);
        let bytes = fs::read(&path).with_context(|| format!("the checkpoint {} cannot be read", path.display()))?;
        let trainer = Trainer::resume(&bytes)?;
        if trainer.config().subject != subject {
            let found = &trainer.config().subject;
            bail!("the checkpoint {} is of `{found}`; this run is of `{subject}`", path.display());
        }
        Ok(trainer)
    }

    /// The settings for this subject.
    pub(super) fn config(&self, subject: Subject) -> Config {
        Config {
            epochs: self.epochs,
            batch: self.batch,
            points: self.points,
            whole_epochs: self.whole_epochs,
            furniture: self.furniture,
            rate: self.rate,
            dropout: self.dropout,
            ..Config::new(subject, Task::modelnet10(), self.seed)
        }
    }

    /// Seed of everything that is drawn.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes the weights.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<()> {
        fs::write(&self.out, bytes).with_context(|| format!("{} cannot be written", self.out.display()))?;
        println!("{} written, {} bytes", self.out.display(), bytes.len());
        Ok(())
    }
}

fn checkpoint_path(out: &Path) -> PathBuf {
    out.with_extension("checkpoint")
}

/// Reads the `train` or the `test` part of ModelNet10.
pub(super) fn read(folder: &Path, part: &str) -> Result<Dataset> {
    let path = folder.join(format!("modelnet10_1024_{part}.npz"));
    let bytes = fs::read(&path).with_context(|| format!("the data {} cannot be read", path.display()))?;
    modelnet::decode(&bytes).with_context(|| format!("the data {}", path.display()))
}
