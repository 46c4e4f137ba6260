//! The same seed gives the same furniture, the same weights and the same answer, whoever asks.

use cleave_arch::Task;
use cleave_cli::network::Network;
use cleave_data::furniture;
use cleave_tests::link::Loaded;

use crate::json;

const TEXT: &str = "3 2 1 3 2 5 1 4,0 6 3 1 14 0 4 3";

fn infer(seed: &str) -> serde_json::Value {
    json(&["infer", "--arch", TEXT, "--points", "256", "--k", "10", "--sample", "sofa", "--seed", seed, "--json"])
}

#[test]
fn furniture_and_weights_are_functions_of_their_seed() {
    let chair = |seed| furniture::generate(2, 300, seed).unwrap();
    assert_eq!(chair(4), chair(4));
    assert_ne!(chair(4), chair(5));
    let file = |seed| Network::random(TEXT.parse().unwrap(), Task::modelnet10(), seed).unwrap().source();
    assert_eq!(file(4), file(4));
    assert_ne!(file(4), file(5));
}

#[test]
fn the_command_answers_the_same_twice_and_as_the_library() {
    let (first, second, other) = (infer("4"), infer("4"), infer("5"));
    assert_eq!(first["logits"], second["logits"]);
    assert_ne!(first["logits"], other["logits"]);
    let task = Task { n_points: 256, k: 10, ..Task::modelnet10() };
    let loaded = Loaded::random(TEXT.parse().unwrap(), task, 4).unwrap();
    let points = furniture::generate(7, 256, 4).unwrap();
    let run =
        loaded.engine.split(&loaded.network.mapping, &cleave_arch::Array::f32([256, 3], points).unwrap()).unwrap();
    let printed = first["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap() as f32);
    assert_eq!(printed.collect::<Vec<_>>(), run.logits);
    assert_eq!(first["edge"], "in this process");
}
