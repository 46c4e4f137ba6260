//! The four example strings of GCoDE's authors: they parse, print back, run whole and run as they say.

use cleave_arch::tolerance::{SPLIT_F32, distance};
use cleave_arch::{Plan, Task};
use cleave_session::Outcome;
use cleave_tests::link::{Link, Loaded, cloud};

use crate::json;

const EXAMPLES: [&str; 4] = [
    "1 5 3 2 3 2 1 2 0 2 2 4,2 0 0 6 0 6 4 6 0 6 6 3",
    "3 0 5 0 1 0 1 2 0 2 2 4,0 0 0 0 2 0 4 6 0 6 6 3",
    "1 0 0 1 3 2 1 2 5 1 0 4,2 0 0 2 0 6 4 6 0 4 0 3",
    "1 5 1 0 3 0 2 0 1 0 4 1,2 0 2 0 0 0 6 0 4 0 3 4",
];

#[test]
fn parse_print_run_and_split() {
    let task = Task { n_points: 128, ..Task::dgcnn40() };
    let mut link = Link::start().unwrap();
    for (seed, text) in (1..).zip(EXAMPLES) {
        let plan: Plan = text.parse().unwrap();
        assert_eq!(plan.to_string(), text);
        let loaded = Loaded::random(plan.clone(), task, seed).unwrap();
        let cloud = cloud(&task, seed).unwrap();
        let unsplit = loaded.engine.whole(&cloud).unwrap();
        link.deploy(&loaded, loaded.network.mapping.clone()).unwrap();
        let report = link.run(&cloud).unwrap();
        assert_eq!(report.outcome, Outcome::AsPlanned, "{text}");
        let far = distance(report.output.unwrap().as_f32().unwrap(), &unsplit);
        assert!(far <= SPLIT_F32, "{text}: distance {far:e}");
    }
}

#[test]
fn the_command_lists_tier_shape_flops_and_cut_bytes() {
    for text in EXAMPLES {
        let account = json(&["arch", text, "--classes", "40", "--json"]);
        assert_eq!(account["plan"], text);
        let plan: Plan = text.parse().unwrap();
        let trace = plan.architecture().trace(&Task::dgcnn40());
        let operations = account["operations"].as_array().unwrap();
        assert_eq!(operations.len(), trace.steps.len());
        for (at, (listed, step)) in operations.iter().zip(&trace.steps).enumerate() {
            assert_eq!(listed["tier"], plan.tier_of(at).to_string(), "{text}, operation {at}");
            assert_eq!(listed["output"], serde_json::json!(step.output), "{text}, operation {at}");
            assert_eq!(listed["flops"], step.flops, "{text}, operation {at}");
            assert_eq!(listed["cut_bytes_before"]["f32"], trace.cut_bytes(at, cleave_arch::Codec::F32), "{text}, {at}");
        }
        let used: Vec<_> = account["cuts"].as_array().unwrap().iter().filter(|cut| cut["used"] == true).collect();
        assert_eq!(used.len(), plan.crossings().len(), "{text}");
    }
}
