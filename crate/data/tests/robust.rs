//! Damaged files: whatever bytes come, reading and sampling end with a value or an error, never with a panic, and
//! without taking memory that the file does not justify.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;

use cleave_data::{SplitMix64, modelnet, read, sample};

const POINTS: usize = 16;

/// Reads and, where that works, samples; panics fail the test by themselves.
fn exercise(name: &str, bytes: &[u8]) {
    if let Ok(geometry) = read(name, bytes, 0).map(|sample| sample.geometry) {
        assert!(geometry.positions().iter().flatten().all(|c| c.is_finite()));
        if let Ok(cloud) = sample::to_cloud(&geometry, POINTS, 1) {
            assert!(cloud.len() == 3 * POINTS && cloud.iter().all(|c| c.abs() <= 1.000_001), "{name}: {cloud:?}");
        }
    }
    let _ = modelnet::decode(bytes);
}

fn each_file(check: impl Fn(&str, &[u8], &mut SplitMix64)) {
    let mut rng = SplitMix64::new(20);
    let sets = fs::read_dir(common::folder().join("modelnet")).unwrap().map(|entry| entry.unwrap().path());
    for path in common::cases().into_iter().map(|(path, _)| path).chain(sets) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        check(&name, &fs::read(&path).unwrap(), &mut rng);
    }
}

#[test]
fn every_prefix_is_survived() {
    each_file(|name, bytes, _| (0..bytes.len()).for_each(|end| exercise(name, &bytes[..end])));
}

#[test]
fn changed_bytes_are_survived() {
    each_file(|name, bytes, rng| {
        for _ in 0..150 {
            let mut damaged = bytes.to_vec();
            for _ in 0..=rng.below(4) {
                let at = rng.below(damaged.len());
                mutate(&mut damaged, at, rng);
            }
            exercise(name, &damaged);
        }
    });
}

/// Changes a byte, to one that tends to hurt, or removes, doubles or moves a few.
fn mutate(bytes: &mut Vec<u8>, at: usize, rng: &mut SplitMix64) {
    const HURTFUL: &[u8] = &[0, 0xFF, 0x7F, 0x80, b'9', b'-', b'e', b'\n', b' ', b'/'];
    if bytes.is_empty() {
        return;
    }
    let end = (at + 1 + rng.below(8)).min(bytes.len());
    match rng.below(5) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = HURTFUL[rng.below(HURTFUL.len())],
        2 => drop(bytes.drain(at..end)),
        3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        _ => bytes[at..end].fill(HURTFUL[rng.below(HURTFUL.len())]),
    }
}

#[test]
fn garbage_under_every_extension_is_survived() {
    let mut rng = SplitMix64::new(5);
    for extension in ["off", "obj", "ply", "pcd", "xyz", "npy", "npz", "bin"] {
        for length in [1, 7, 64, 1000] {
            let bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
            exercise(&format!("garbage.{extension}"), &bytes);
        }
    }
}
