//! Reads every case file and holds the result against the expectation beside it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;

use cleave_data::{DataError, Geometry, read};

#[test]
fn every_case_gives_what_its_expectation_says() {
    let failures: Vec<String> = common::cases()
        .into_iter()
        .filter_map(|(path, expected)| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let result = read(name, &fs::read(&path).unwrap(), 0).map(|sample| sample.geometry);
            let wrong: Vec<&str> = expected.lines().filter(|line| !holds(line, &result)).collect();
            (!wrong.is_empty()).then(|| format!("{name}\n  expected {wrong:?}\n  got      {}", describe(&result)))
        })
        .collect();
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

fn holds(line: &str, result: &Result<Geometry, DataError>) -> bool {
    let (keyword, rest) = line.split_once(' ').unwrap();
    let numbers = || rest.split(' ').map(|word| word.parse::<f32>().unwrap()).collect::<Vec<_>>();
    match (keyword, result) {
        ("mesh", Ok(Geometry::Mesh(mesh))) => numbers() == [mesh.vertices.len() as f32, mesh.faces.len() as f32],
        ("points", Ok(Geometry::Points(points))) => numbers() == [points.len() as f32],
        ("first", Ok(geometry)) => numbers() == geometry.positions()[0],
        ("last", Ok(geometry)) => numbers() == *geometry.positions().last().unwrap(),
        ("error", Err(error)) => error.to_string().contains(rest),
        ("mesh" | "points" | "first" | "last" | "error", _) => false,
        _ => panic!("unknown keyword in the expectation `{line}`"),
    }
}

fn describe(result: &Result<Geometry, DataError>) -> String {
    match result {
        Ok(Geometry::Mesh(mesh)) => format!("mesh {} {}: {:?}", mesh.vertices.len(), mesh.faces.len(), mesh.vertices),
        Ok(Geometry::Points(points)) => format!("points {}: {points:?}", points.len()),
        Err(error) => format!("error {error}"),
    }
}
