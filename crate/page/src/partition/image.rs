//! What an image network looks at: noise, a drawing, or a file that was cropped to its size. All of it as plain pixels.

use crate::format;
use cleave_contract::ImageRequest;
use cleave_graph::Shape;

/// The seed of the noise: the same for every run, so that their answers can be compared.
pub const SEED: u64 = 1;

/// A border that is brighter than this was not drawn on black.
const BRIGHT: f64 = 0.5;

/// Part of the drawing's width that the pen's radius has.
const PEN: f64 = 1.0 / 16.0;

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// None: noise.
    Noise,
    /// Drawn by hand: the brightness of every pixel.
    Drawn(Vec<u8>),
    /// Of a file.
    File {
        /// Its name.
        name: String,
        /// Its pixels as they were: red, green, blue, opacity.
        rgba: Vec<u8>,
        /// Whether dark is to be bright; absent where nobody would ask.
        invert: Option<bool>,
    },
}

impl Image {
    /// A file's image for a network of this input. Networks of one channel were trained on what is bright on black: what has
    /// a bright border is inverted until somebody says otherwise.
    pub fn of_file(name: String, rgba: Vec<u8>, shape: Shape) -> Self {
        let may_invert = shape.channels == 1 && border(&rgba, shape) > BRIGHT;
        Image::File { name, rgba, invert: may_invert.then_some(true) }
    }

    /// Its pixels as the network sees them; none of noise.
    pub fn pixels(&self) -> Option<Vec<u8>> {
        match self {
            Image::Noise => None,
            Image::Drawn(values) => Some(values.iter().flat_map(|value| [*value, *value, *value, 255]).collect()),
            Image::File { rgba, invert: Some(true), .. } => Some(inverted(rgba)),
            Image::File { rgba, .. } => Some(rgba.clone()),
        }
    }

    /// As the worker has to know it.
    pub fn request(&self) -> ImageRequest {
        match (self, self.pixels()) {
            (Image::File { name, .. }, Some(rgba)) => ImageRequest::Pixels { name: name.clone(), rgba },
            (_, Some(rgba)) => ImageRequest::Pixels { name: "your drawing".into(), rgba },
            (_, None) => ImageRequest::Noise(SEED),
        }
    }

    /// Whether a network of this input can look at it.
    pub fn fits(&self, shape: Shape) -> bool {
        let n_pixels = shape.width * shape.height;
        match self {
            Image::Noise => true,
            Image::Drawn(values) => shape.channels == 1 && values.len() == n_pixels,
            Image::File { rgba, .. } => rgba.len() == 4 * n_pixels,
        }
    }

    /// What it is, in a sentence.
    pub fn words(&self, shape: Shape) -> String {
        let size = format::shape(&[shape.width, shape.height]);
        match self {
            Image::Noise => format!("Noise of seed {SEED}, {size}: the same for every run."),
            Image::Drawn(_) => format!("Your drawing, {size}."),
            Image::File { name, invert: Some(true), .. } => format!("{name}, cropped to {size} and inverted."),
            Image::File { name, .. } => format!("{name}, cropped to {size}."),
        }
    }
}

fn inverted(rgba: &[u8]) -> Vec<u8> {
    let mut out = rgba.to_vec();
    out.chunks_exact_mut(4).for_each(|pixel| pixel[..3].iter_mut().for_each(|value| *value = 255 - *value));
    out
}

/// Mean brightness of the outermost pixels, 0..=1.
fn border(rgba: &[u8], shape: Shape) -> f64 {
    let (width, height) = (shape.width, shape.height);
    let is_outer = |i: usize| [0, width - 1].contains(&(i % width)) || [0, height - 1].contains(&(i / width));
    let outer = rgba.chunks_exact(4).enumerate().filter(|(i, _)| is_outer(*i));
    let (sum, n) = outer.fold((0.0, 0.0_f64), |(sum, n), (_, pixel)| {
        (sum + 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]), n + 1.0)
    });
    sum / (255.0 * n.max(1.0))
}

/// The largest middle part of an image of this width and height that has the shape's aspect: left, top, width, height.
pub fn crop([width, height]: [f64; 2], shape: Shape) -> [f64; 4] {
    let aspect = shape.width as f64 / shape.height as f64;
    let (own_width, own_height) = (width.min(height * aspect), height.min(width / aspect));
    [(width - own_width) / 2.0, (height - own_height) / 2.0, own_width, own_height]
}

/// Draws with the pen from one place to another, both in pixels. What is brighter already stays so.
pub fn stroke(values: &mut [u8], shape: Shape, from: [f64; 2], to: [f64; 2]) {
    let radius = (PEN * shape.width.min(shape.height) as f64).max(0.75);
    let (across, down) = (to[0] - from[0], to[1] - from[1]);
    let square = (across * across + down * down).max(1e-9);
    for (i, value) in values.iter_mut().enumerate() {
        let (x, y) = ((i % shape.width) as f64 + 0.5 - from[0], (i / shape.width) as f64 + 0.5 - from[1]);
        let along = ((x * across + y * down) / square).clamp(0.0, 1.0);
        let distance = (x - along * across).hypot(y - along * down);
        // The edge of the line is one pixel wide.
        let bright = (radius + 0.5 - distance).clamp(0.0, 1.0);
        *value = (*value).max((255.0 * bright) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Shape = Shape { channels: 1, height: 4, width: 4 };
    const DIGIT: Shape = Shape { channels: 1, height: 28, width: 28 };

    fn even(value: u8) -> Vec<u8> {
        [value, value, value, 255].repeat(16)
    }

    #[test]
    fn a_bright_border_is_inverted_for_networks_of_one_channel() {
        let invert = |value, shape| match Image::of_file("x".into(), even(value), shape) {
            Image::File { invert, .. } => invert,
            _ => None,
        };
        assert_eq!([invert(255, SMALL), invert(100, SMALL)], [Some(true), None]);
        assert_eq!(invert(255, Shape { channels: 3, ..SMALL }), None);
        let mut framed = even(0);
        framed[4 * 5] = 255;
        assert_eq!(border(&framed, SMALL), 0.0, "the middle does not count");
    }

    #[test]
    fn pixels_are_as_the_network_sees_them() {
        let image = Image::of_file("cat.png".into(), even(250), SMALL);
        assert_eq!(image.pixels().unwrap()[..4], [5, 5, 5, 255]);
        assert_eq!(image.words(SMALL), "cat.png, cropped to 4 × 4 and inverted.");
        assert_eq!(Image::Drawn(vec![7; 16]).pixels().unwrap()[60..], [7, 7, 7, 255]);
        assert_eq!(Image::Noise.request(), ImageRequest::Noise(SEED));
        assert!(
            matches!(image.request(), ImageRequest::Pixels { name, rgba } if name == "cat.png" && rgba.len() == 64)
        );
    }

    #[test]
    fn an_image_fits_networks_of_its_size() {
        let (drawing, file) = (Image::Drawn(vec![0; 16]), Image::of_file("x".into(), even(0), SMALL));
        let wide = Shape { channels: 3, ..SMALL };
        assert_eq!([drawing.fits(SMALL), drawing.fits(wide), drawing.fits(DIGIT)], [true, false, false]);
        assert_eq!([file.fits(SMALL), file.fits(wide), file.fits(DIGIT)], [true, true, false]);
        assert!(Image::Noise.fits(DIGIT));
    }

    #[test]
    fn the_middle_is_cropped() {
        assert_eq!(crop([400.0, 300.0], DIGIT), [50.0, 0.0, 300.0, 300.0]);
        assert_eq!(crop([100.0, 300.0], DIGIT), [0.0, 100.0, 100.0, 100.0]);
        assert_eq!(crop([300.0, 300.0], Shape { channels: 3, height: 10, width: 20 }), [0.0, 75.0, 300.0, 150.0]);
    }

    #[test]
    fn a_stroke_is_a_thick_line_and_never_darkens() {
        let mut values = vec![0; 28 * 28];
        stroke(&mut values, DIGIT, [4.5, 14.5], [23.5, 14.5]);
        let at = |x: usize, y: usize| values[28 * y + x];
        assert_eq!([at(4, 14), at(14, 14), at(23, 14), at(14, 13)], [255; 4]);
        assert_eq!([at(14, 10), at(27, 14), at(0, 0)], [0; 3]);
        let before = values.clone();
        stroke(&mut values, DIGIT, [14.5, 14.5], [14.5, 14.5]);
        assert!(values.iter().zip(&before).all(|(now, was)| now >= was));
    }
}
