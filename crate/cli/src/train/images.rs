//! `cleave train images` and the evaluation of what it trained: image networks on Fashion-MNIST.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cleave_data::images::{FASHION, ImageSet};
use cleave_graph::zoo;
use cleave_model::ImageCard;
use cleave_model::exec::Params;
use cleave_model::{Storage, Weights};
use cleave_train::{Command, Evaluation, ImageConfig, Progress, evaluate_images, fit_images};

use super::progress::Steps;
use crate::file;

/// Arguments of `cleave train images`.
#[derive(clap::Args, Debug)]
pub(super) struct ImagesArgs {
    /// Name of a network, or its chain
    #[arg(long, default_value = "lenet5")]
    network: String,
    /// Folder with Fashion-MNIST's IDX files, packed or not
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Weights to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Passes over the data
    #[arg(long, value_name = "N", default_value_t = 12)]
    epochs: usize,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Images of a step
    #[arg(long, value_name = "B", default_value_t = 64)]
    batch: usize,
    /// Highest learning rate
    #[arg(long, value_name = "R", default_value_t = 0.002)]
    rate: f32,
    /// Name in the weights' card [default: the file's]
    #[arg(long)]
    name: Option<String>,
}

/// Trains, tests what was stored, and writes it.
pub(super) fn train(args: &ImagesArgs) -> Result<()> {
    let network = zoo::network(&args.network)?;
    let (set, test) = (read(&args.data, "train")?, read(&args.data, "t10k")?);
    let config = ImageConfig {
        epochs: args.epochs,
        batch: args.batch,
        rate: args.rate,
        ..ImageConfig::new(network.clone(), args.seed)
    };
    let mut bar = Steps::default();
    let mut observer = |progress: &Progress| {
        bar.show(progress);
        Command::Continue
    };
    let Some(weights) = fit_images(&config, &set, &mut observer)? else { bail!("the training was stopped") };
    bar.finish();
    let name = args.name.clone().unwrap_or_else(|| file::stem(&args.out));
    let classes = FASHION.map(str::to_owned).to_vec();
    let card = ImageCard { name, network, classes, accuracy: None };
    let stored = Weights::from_safetensors(&card.with(&weights, Storage::F16)?)?;
    let evaluation = evaluate_images(&card.network, &Params::stored(&card.network, stored.clone())?, &test)?;
    println!("{}", super::summary(&evaluation, &card.classes));
    let card = ImageCard { accuracy: Some(evaluation.accuracy()), ..card };
    let bytes = card.with(&stored, Storage::F16)?;
    file::write("the weights", &args.out, &bytes)?;
    println!("wrote {} ({} kB)", args.out.display(), bytes.len() / 1000);
    Ok(())
}

/// Every test image, classified by weights with this card.
pub(super) fn evaluate(card: &ImageCard, file: &[u8], data: &Path) -> Result<Evaluation> {
    let weights = Params::stored(&card.network, Weights::from_safetensors(file)?)?;
    Ok(evaluate_images(&card.network, &weights, &read(data, "t10k")?)?)
}

/// The images and labels of a part, `train` or `t10k`.
fn read(folder: &Path, part: &str) -> Result<ImageSet> {
    let file = |kind: &str| {
        let path = folder.join(format!("{part}-{kind}-ubyte"));
        fs::read(&path).or_else(|_| fs::read(path.with_extension("gz"))).with_context(|| {
            format!("the data {0} or {0}.gz cannot be read; Debian's dataset-fashion-mnist has it", path.display())
        })
    };
    let (images, labels) = (file("images-idx3")?, file("labels-idx1")?);
    ImageSet::decode(&images, &labels, FASHION.len()).with_context(|| format!("the data in {}", folder.display()))
}
