//! What an image network looks at: a picture's file as its input.

use std::path::Path;

use anyhow::{Context, Result};
use cleave_data::images::from_rgba;
use cleave_graph::Shape;
use image::imageops::FilterType;

/// The middle of a PNG or JPEG, scaled to the network's height and width.
pub(crate) fn read(path: &Path, invert: bool, shape: Shape) -> Result<Vec<f32>> {
    let within = || format!("{} cannot be looked at; it has to be a PNG or a JPEG image", path.display());
    let mut picture = image::open(path).with_context(within)?;
    if invert {
        picture.invert();
    }
    let picture = picture.resize_to_fill(shape.width as u32, shape.height as u32, FilterType::Triangle);
    from_rgba(&picture.to_rgba8(), shape.channels, [shape.height, shape.width])
        .with_context(|| format!("{} cannot be read by this network", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENET: Shape = Shape { channels: 1, height: 28, width: 28 };

    #[test]
    fn a_picture_is_cut_scaled_and_inverted() {
        let path = std::env::temp_dir().join(format!("cleave-look-{}.png", std::process::id()));
        // White but for a black middle, twice as wide as high.
        let picture =
            image::RgbImage::from_fn(112, 56, |x, _| image::Rgb([if (42..70).contains(&x) { 0 } else { 255 }; 3]));
        picture.save(&path).unwrap();
        let (plain, inverted) = (read(&path, false, LENET).unwrap(), read(&path, true, LENET).unwrap());
        assert_eq!((plain.len(), plain[0], plain[14]), (784, 1.0, 0.0));
        assert!(plain.iter().zip(&inverted).all(|(a, b)| (a + b - 1.0).abs() < 1e-6));
        let why = format!("{:#}", read(&path, false, Shape { channels: 2, ..LENET }).unwrap_err());
        assert!(why.contains("2 channels"), "{why}");
        std::fs::write(&path, b"OFF").unwrap();
        let why = format!("{:#}", read(&path, false, LENET).unwrap_err());
        assert!(why.contains("has to be a PNG or a JPEG image"), "{why}");
        std::fs::remove_file(&path).unwrap();
    }
}
