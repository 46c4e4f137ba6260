//! Labelled sets: a hand-made one of two clouds, and what is said about wrong ones.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use cleave_data::modelnet::{self, Dataset};
use cleave_data::{DataError, read};

fn decode(name: &str) -> Result<Dataset, DataError> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/case/modelnet").join(name)).unwrap();
    modelnet::decode(&bytes)
}

#[test]
fn two_clouds_of_three_points() {
    let set = decode("two.npz").unwrap();
    assert_eq!((set.len(), set.n_points), (2, 3));
    assert_eq!((set.labels.as_slice(), set.classes.as_slice()), (&[1, 0][..], &["chair".into(), "table".into()][..]));
    assert_eq!(set.cloud(0), Some(&[0., 0., 1., 0., 0., -1., 0., 0., 0.][..]));
    assert_eq!(set.cloud(1), Some(&[1., 0., 0., -1., 0., 0., 0., 0., 0.][..]));
    assert_eq!(set.cloud(2), None);
}

#[test]
fn what_is_wrong_with_a_set_is_named() {
    let says = |name: &str, text: &str| {
        let message = decode(name).unwrap_err().to_string();
        assert!(message.contains(text), "{name}: {message}");
    };
    says("label_without_class.npz", "found the label 2, expected labels below 2");
    says("other_shape.npz", "found points of shape [2, 3, 3], expected [1, n, 3]");
    says("no_labels.npz", "found the arrays [points.npy, classes.npy], expected an array labels among them");
}

#[test]
fn a_set_is_also_a_file_of_clouds() {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/case/modelnet/two.npz")).unwrap();
    let second = read("two.npz", &bytes, 1).unwrap();
    assert_eq!((second.of, second.class.as_deref()), (2, Some("chair")));
    assert_eq!(second.geometry.positions()[1], [-32767.0, 0.0, 0.0]);
    assert_eq!(read("two.npz", &bytes, 0).unwrap().class.as_deref(), Some("table"));
    let why = read("two.npz", &bytes, 2).unwrap_err().to_string();
    assert_eq!(why, "there is no cloud 2 in the file: it holds 2, counted from 0");
}
