//! Seeded synthetic furniture: the ten classes of ModelNet10 from boxes, rods and lofts.
//!
//! The page needs samples from its first second and ModelNet itself may not be shipped. Each draw varies the kind
//! (a chair on four legs, on a star foot, as a shell), the proportions and the optional parts; the ranges were set by
//! holding extents and the distribution of surface over height against the real set. Axes are ModelNet10's: z up,
//! the long side of most things along y; a chair, a bed and a toilet have their back at +y, a sofa at +x.
//! Lengths are centimetres until a cloud is normalised.

mod bathtub;
mod bed;
mod chair;
mod desk;
mod dresser;
mod monitor;
mod night_stand;
mod parts;
mod sofa;
mod solid;
mod table;
mod toilet;

use crate::{DataError, Mesh, sample};
use cleave_arch::SplitMix64;
use solid::Solid;

/// Names of the classes; a class is an index into this.
pub use cleave_arch::MODELNET10 as CLASSES;

/// How a piece is turned about the vertical before it is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// As ModelNet10 has its class.
    Aligned,
    /// Up to six degrees from that: what a network that has learned aligned shapes should still know.
    Slight,
    /// The same and a random number of quarter turns.
    Quarters,
}

/// A cloud of `n` points of class `class`, flat `[n, 3]`, centred, of radius one, turned slightly: [`cloud`] with
/// [`Turn::Slight`].
///
/// # Errors
/// As for [`cloud`].
pub fn generate(class: usize, n: usize, seed: u64) -> Result<Vec<f32>, DataError> {
    cloud(class, n, seed, Turn::Slight)
}

/// A cloud of `n` points of class `class`, flat `[n, 3]`, centred, of radius one, with a little noise.
///
/// # Errors
/// [`DataError::NoSuchClass`]; [`DataError::NoneAsked`] for no point, [`DataError::AllPointsEqual`] for one.
pub fn cloud(class: usize, n: usize, seed: u64, turn: Turn) -> Result<Vec<f32>, DataError> {
    if n == 0 {
        return Err(DataError::NoneAsked);
    }
    let mut rng = stream(class, seed);
    let mut piece = build(class, &mut rng)?;
    turn_about_z(&mut piece, turn, &mut rng);
    // Many published meshes have each face twice, once for either side: two layers of points.
    if rng.chance(0.45) {
        piece.double();
    }
    let mut points = sample::surface(&piece.into_mesh(), n, rng.next_u64())?;
    sample::normalise(&mut points)?;
    // Models and scans are not exact either: up to 0.4 % of the radius, a tenth of the distance between points.
    let noise = rng.between(0.0005, 0.004);
    points.iter_mut().flatten().for_each(|c| *c += (noise * rng.normal()) as f32);
    sample::normalise(&mut points)?;
    Ok(points.into_flattened())
}

/// The piece that [`cloud`] with [`Turn::Aligned`] samples, in centimetres.
///
/// # Errors
/// [`DataError::NoSuchClass`].
pub fn mesh(class: usize, seed: u64) -> Result<Mesh, DataError> {
    build(class, &mut stream(class, seed)).map(Solid::into_mesh)
}

/// Its own stream for each class, so that equal seeds do not give a bed the numbers of a chair.
fn stream(class: usize, seed: u64) -> SplitMix64 {
    SplitMix64::new(SplitMix64::new(seed).next_u64() ^ (class as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93))
}

fn build(class: usize, rng: &mut SplitMix64) -> Result<Solid, DataError> {
    Ok(match class {
        0 => bathtub::build(rng),
        1 => bed::build(rng),
        2 => chair::build(rng),
        3 => desk::build(rng),
        4 => dresser::build(rng),
        5 => monitor::build(rng),
        6 => night_stand::build(rng),
        7 => sofa::build(rng),
        8 => table::build(rng),
        9 => toilet::build(rng),
        _ => return Err(DataError::NoSuchClass { class }),
    })
}

fn turn_about_z(piece: &mut Solid, turn: Turn, rng: &mut SplitMix64) {
    const SIX_DEGREES: f64 = 6.0 / 180.0 * std::f64::consts::PI;
    let quarters = match turn {
        Turn::Aligned => return,
        Turn::Slight => 0,
        Turn::Quarters => rng.scaled_below(4),
    };
    let angle = quarters as f64 * std::f64::consts::FRAC_PI_2 + rng.between(-SIX_DEGREES, SIX_DEGREES);
    let (cos, sin) = solid::cos_sin(angle);
    piece.map_from(0, |[x, y, z]| [cos * x - sin * y, sin * x + cos * y, z]);
}
