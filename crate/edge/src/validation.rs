//! The clouds for judging that this edge offers: read once at the start, kept as the bytes that are sent.

use std::path::Path;

use cleave_data::modelnet;
use cleave_data::validation::Validation;
use cleave_session::OwnValidation;
use cleave_wire::ValidationSet;
use sha2::{Digest, Sha256};

use crate::error::EdgeError;

/// Takes what judges from the training part of ModelNet10 in this folder; the test part is not opened.
///
/// # Errors
/// [`EdgeError::Data`] with the file that was looked for.
pub fn read_validation(folder: &Path) -> Result<OwnValidation, EdgeError> {
    let path = folder.join(modelnet::TRAIN);
    let bad = |why: String| EdgeError::Data { path: path.clone(), why };
    let bytes = std::fs::read(&path).map_err(|why| bad(why.to_string()))?;
    let training = modelnet::decode(&bytes).map_err(|why| bad(why.to_string()))?;
    let validation = Validation::of(&training);
    if validation.judges.is_empty() || validation.calibration.is_empty() || training.n_points == 0 {
        let (n, classes) = (training.len(), training.classes.len());
        return Err(bad(format!("{n} clouds of {classes} classes are too few to keep a tenth of each class aside")));
    }
    let body = validation.encode();
    let digest = Sha256::digest(&body);
    let set = ValidationSet {
        name: modelnet::NAME.into(),
        clouds: validation.judges.len() as u32,
        bytes: body.len() as u32,
        digest: u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
    };
    tracing::info!("searches may be judged on {set}");
    Ok(OwnValidation { set, body: body.into() })
}
