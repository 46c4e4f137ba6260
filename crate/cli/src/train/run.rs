//! What every training run has in common: its settings, its checkpoint and its data.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cleave_arch::{GraphSource, Task};
use cleave_train::{Augment, Config, Material, Subject, Texts, Trainer, fit};

use super::progress::Bar;
use crate::file;

/// A task by name.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum TaskName {
    /// Point clouds of furniture
    #[default]
    Modelnet10,
    /// Movie reviews as text graphs
    Mr,
}

impl TaskName {
    /// Its sizes.
    pub(crate) fn task(self) -> Task {
        match self {
            Self::Modelnet10 => Task::modelnet10(),
            Self::Mr => Task::mr(),
        }
    }
}

/// Settings of a run.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct RunArgs {
    /// What is classified
    #[arg(long, value_enum, default_value_t)]
    task: TaskName,
    /// Folder with modelnet10_1024_train.npz and modelnet10_1024_test.npz, or with the folder mr
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Weights to write; the checkpoint stands beside them
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) out: PathBuf,
    /// Trained vectors of words, for texts; the folder's for words that are not there
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) words: Option<PathBuf>,
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
    /// Points of a cloud while training, a fresh subset per visit if fewer than 1024 [default: all]
    #[arg(long, value_name = "N")]
    points: Option<usize>,
    /// Last epochs that train with all points
    #[arg(long, value_name = "N", default_value_t = 0)]
    whole_epochs: usize,
    /// Share of generated furniture in a batch of point clouds
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    furniture: f32,
    /// Share of a text's words that are blanked while training
    #[arg(long, value_name = "SHARE", default_value_t = Augment::default().blank)]
    blank: f32,
    /// Decoupled weight decay
    #[arg(long, value_name = "D", default_value_t = 0.01)]
    decay: f32,
    /// Highest learning rate
    #[arg(long, value_name = "R", default_value_t = 0.002)]
    rate: f32,
    /// Share of the classifier's hidden values that is dropped
    #[arg(long, value_name = "SHARE", default_value_t = 0.4)]
    dropout: f32,
}

impl RunArgs {
    /// Trains to the end, with a bar and a checkpoint after every epoch.
    pub(super) fn train(&self, subject: Subject, data: &dyn Material) -> Result<Trainer> {
        let trainer = self.trainer(subject)?;
        self.go_on(trainer, data)
    }

    /// As [`RunArgs::train`], and the vectors of the texts' words with it.
    pub(super) fn train_with_words(&self, subject: Subject, texts: &Texts) -> Result<Trainer> {
        let mut trainer = self.trainer(subject)?;
        trainer.train_words(texts.vocabulary().vectors.clone());
        self.go_on(trainer, texts)
    }

    fn go_on(&self, mut trainer: Trainer, data: &dyn Material) -> Result<Trainer> {
        let config = trainer.config().clone();
        println!("training {}", config.subject);
        println!(
            "seed     {}, data version {}, {} epochs, {} done",
            config.seed,
            cleave_data::VERSION,
            config.epochs,
            trainer.epoch()
        );
        let mut bar = Bar::new(checkpoint_path(&self.out));
        fit(&mut trainer, data, &mut bar)?;
        bar.finish();
        Ok(trainer)
    }

    fn trainer(&self, subject: Subject) -> Result<Trainer> {
        if !self.resume {
            return Ok(Trainer::new(self.config(subject))?);
        }
        let path = checkpoint_path(&self.out);
        let trainer = Trainer::resume(&file::read("the checkpoint", &path)?)?;
        if trainer.config().subject != subject {
            let found = &trainer.config().subject;
            bail!("the checkpoint {} is of `{found}`; this run is of `{subject}`", path.display());
        }
        Ok(trainer)
    }

    /// The settings for this subject.
    pub(super) fn config(&self, subject: Subject) -> Config {
        let task = self.task();
        Config {
            epochs: self.epochs,
            batch: self.batch,
            points: self.points.unwrap_or(task.n_points),
            whole_epochs: self.whole_epochs,
            furniture: if task.graph == GraphSource::Given { 0.0 } else { self.furniture },
            rate: self.rate,
            dropout: self.dropout,
            weight_decay: self.decay,
            augment: Augment { blank: self.blank, ..Augment::default() },
            ..Config::new(subject, task, self.seed)
        }
    }

    /// What is classified.
    pub(super) fn task(&self) -> Task {
        self.task.task()
    }

    /// Seed of everything that is drawn.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes the weights.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<()> {
        file::write("the weights", &self.out, bytes)?;
        println!("{} written, {} bytes", self.out.display(), bytes.len());
        Ok(())
    }
}

fn checkpoint_path(out: &Path) -> PathBuf {
    out.with_extension("checkpoint")
}
