//! Synthetic furniture: a function of class, seed and version; sound clouds; every class with its own build.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use cleave_data::furniture::{self, CLASSES, Turn};
use cleave_data::{DataError, VERSION};

const POINTS: usize = 256;

/// FNV-1a over the bits: a short name for "exactly these numbers".
fn fingerprint(cloud: &[f32]) -> u64 {
    let bytes = cloud.iter().flat_map(|c| c.to_bits().to_le_bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn clouds(class: usize, n: u64) -> impl Iterator<Item = Vec<f32>> {
    (0..n).map(move |seed| furniture::generate(class, POINTS, seed).unwrap())
}

#[test]
fn a_seed_means_the_same_cloud_for_ever() {
    let all: Vec<f32> = (0..CLASSES.len()).flat_map(|class| clouds(class, 20)).flatten().collect();
    // If this changes on purpose, raise VERSION with it.
    assert_eq!((VERSION, fingerprint(&all)), (1, GOLDEN), "got {:#018x}", fingerprint(&all));
}

const GOLDEN: u64 = 0x50f8_3f46_64e4_427b;

#[test]
fn every_cloud_is_centred_with_radius_one() {
    for (class, name) in CLASSES.iter().enumerate() {
        for cloud in clouds(class, 40) {
            let (points, _) = cloud.as_chunks::<3>();
            let radius = points.iter().map(|[x, y, z]| (x * x + y * y + z * z).sqrt()).fold(0.0, f32::max);
            let mean = (0..3).map(|i| points.iter().map(|p| p[i]).sum::<f32>() / POINTS as f32);
            assert!((radius - 1.0).abs() < 1e-5 && mean.clone().all(|m| m.abs() < 1e-5), "{name} {radius}");
        }
    }
}

#[test]
fn every_piece_stands_on_the_floor_and_has_sound_faces() {
    for (class, name) in CLASSES.iter().enumerate() {
        for seed in 0..100 {
            let mesh = furniture::mesh(class, seed).unwrap();
            mesh.check().unwrap();
            let floor = mesh.vertices.iter().map(|v| v[2]).fold(f32::MAX, f32::min);
            assert!((-4.0..6.0).contains(&floor), "{name} {seed}: lowest point at {floor} cm");
        }
    }
}

#[test]
fn seeds_vary_and_classes_do_not_share_a_stream() {
    let first = |class| furniture::generate(class, POINTS, 1).unwrap();
    assert_eq!(first(2), first(2));
    assert_ne!(first(2), furniture::generate(2, POINTS, 2).unwrap());
    assert_ne!(fingerprint(&first(4)), fingerprint(&first(6)));
}

/// Mean over clouds of the share of points in the upper or lower part and of the extents.
fn mean_of(class: usize, measure: impl Fn(&[[f32; 3]]) -> f32) -> f32 {
    clouds(class, 60).map(|cloud| measure(cloud.as_chunks::<3>().0)).sum::<f32>() / 60.0
}

fn extent(points: &[[f32; 3]], axis: usize) -> f32 {
    let all = points.iter().map(|p| p[axis]);
    all.clone().fold(f32::MIN, f32::max) - all.fold(f32::MAX, f32::min)
}

#[test]
fn classes_have_the_build_of_the_real_ones() {
    let [bathtub, bed, chair, _, dresser, monitor, _, sofa, table, toilet] = std::array::from_fn(|class| class);
    let height = |class| mean_of(class, |p| extent(p, 2));
    for (tall, flat) in [(chair, sofa), (toilet, bed), (dresser, bathtub), (monitor, table)] {
        assert!(height(tall) > height(flat) + 0.3, "{} is not taller than {}", CLASSES[tall], CLASSES[flat]);
    }
    let top = mean_of(table, |p| {
        let high = p.iter().map(|p| p[2]).fold(f32::MIN, f32::max);
        p.iter().filter(|p| p[2] > high - 0.15).count() as f32 / POINTS as f32
    });
    assert!(top > 0.6, "only {top} of a table is its top");
    let length = |class| mean_of(class, |p| extent(p, 1) / extent(p, 0));
    assert!(length(sofa) > 1.6 && length(bathtub) > 1.4 && length(monitor) > 1.5, "long side is not along y");
    // The back of a chair is at +y, that of a sofa at +x, as in ModelNet10.
    let lean = |class, axis: usize| {
        mean_of(class, |p| {
            let high = p.iter().map(|p| p[2]).fold(f32::MIN, f32::max) - 0.25;
            let tops: Vec<f32> = p.iter().filter(|p| p[2] > high).map(|p| p[axis]).collect();
            tops.iter().sum::<f32>() / tops.len() as f32
        })
    };
    assert!(lean(chair, 1) > 0.2 && lean(bed, 1) > 0.2 && lean(toilet, 1) > 0.15 && lean(sofa, 0) > 0.05);
}

#[test]
fn turns_are_about_the_vertical() {
    let height = |turn| {
        let cloud = furniture::cloud(2, POINTS, 7, turn).unwrap();
        extent(cloud.as_chunks::<3>().0, 2)
    };
    assert!((height(Turn::Aligned) - height(Turn::Quarters)).abs() < 0.1);
}

#[test]
fn wrong_requests_are_errors() {
    let message = furniture::generate(10, POINTS, 0).unwrap_err().to_string();
    assert!(message.contains("no furniture class 10") && message.contains("bathtub"), "{message}");
    assert_eq!(furniture::generate(0, 0, 0), Err(DataError::NoneAsked));
}
