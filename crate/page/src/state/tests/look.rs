//! Image networks in the main view: cut like others, and what they look at.

use super::*;
use crate::partition::image::Image;
use crate::pipeline::tests::image_network;
use crate::price::{bars, tests::prices};
use cleave_contract::{ImageRequest, Network, NetworkInput};

fn drawn(value: u8) -> Image {
    Image::Drawn(vec![value; 28 * 28])
}

/// LeNet-5 is held, and its first frame has been answered. There was no cloud.
fn looking() -> State {
    let mut state = opened();
    state.act(Act::Choose("lenet5".into()));
    state.hear(Event::Network(image_network("lenet5")));
    state.hear(Event::Frame(frame(1, 0.0)));
    assert_eq!(state.run, Run::Idle);
    state
}

fn pixels(intents: &[Intent]) -> Option<u8> {
    intents.iter().find_map(|intent| match intent {
        Intent::Look(ImageRequest::Pixels { rgba, .. }) => Some(rgba[0]),
        _ => None,
    })
}

#[test]
fn one_that_becomes_held_is_told_what_it_looks_at_and_runs_without_a_cloud() {
    let mut state = opened();
    assert!(!state.can_run());
    assert_eq!(names(&state.act(Act::Choose("lenet5".into()))), ["network lenet5"]);
    let then = state.hear(Event::Network(image_network("lenet5")));
    assert_eq!(names(&then), ["plan lenet5@2 f32", "look", "runonce"]);
    assert!(state.can_run() && state.hear(cloud()).is_empty(), "the cloud is nothing to it");
}

#[test]
fn its_cuts_are_moved_added_and_removed() {
    let mut state = looking();
    assert_eq!(names(&state.act(Act::MoveCut { cut: 0, to: 1 })), ["plan lenet5@1 f32", "runonce"]);
    assert_eq!(names(&state.act(Act::AddCut)), ["plan lenet5@1@4 f32"]);
    assert_eq!(names(&state.act(Act::MoveCut { cut: 1, to: usize::MAX })), ["plan lenet5@1 f32"]);
    assert_eq!(names(&state.act(Act::Write("f16".parse().unwrap()))), ["plan lenet5@1 f16"]);
    state.act(Act::MoveCut { cut: 0, to: 5 });
    assert_eq!(state.settings.cuts, Cuts::At(vec![]));
    state.act(Act::Choose("resnet".into()));
    assert_eq!(state.settings.cuts, Cuts::Default, "another network has its own");
}

#[test]
fn its_prices_and_frames_are_told_from_those_of_others() {
    let mut state = looking();
    state.hear(Event::Prices(prices("lenet5")));
    assert_eq!(
        bars(&state).iter().map(|bar| bar.place.as_str()).collect::<Vec<_>>()[4..],
        ["cut before operation 4", "cut before operation 5"]
    );
    let took = |plan: &str| Event::Frame(contract::Frame { plan: plan.into(), codec: "f32".into(), ..frame(2, 0.0) });
    state.hear(took("lenet5@4"));
    state.hear(took("resnet@3"));
    assert_eq!(state.frames.measured, [(vec![4], 40.0)]);
    state.hear(Event::Prices(prices(SMALL)));
    assert!(bars(&state).is_empty());
}

#[test]
fn another_image_is_told_and_run_and_kept_for_networks_of_its_size() {
    let mut state = looking();
    let intents = state.act(Act::Stroke(Looker::Held, drawn(7)));
    assert_eq!((names(&intents), pixels(&intents)), (vec!["look".into(), "runonce".into()], Some(7)));
    assert!(state.frames.answer.is_some() && !state.frames.is_current());
    state.act(Act::Choose("compact".into()));
    state.hear(cloud());
    assert_eq!(names(&state.hear(Event::Network(network(SMALL)))).len(), 2, "a network of points looks at nothing");
    assert!(state.act(Act::Look(Looker::Held, drawn(8))).is_empty(), "nor does it run for an image");
    state.act(Act::Choose("resnet".into()));
    assert_eq!(pixels(&state.hear(Event::Network(image_network("resnet")))), Some(8));
    state.act(Act::Choose("alexnet".into()));
    let input = NetworkInput::Image { channels: 3, height: 224, width: 224 };
    let intents = state.hear(Event::Network(Network { input, ..image_network("alexnet") }));
    assert!(names(&intents).contains(&"look".into()) && pixels(&intents).is_none());
    assert_eq!(**state.input.image(Looker::Held), Image::Noise);
}

#[test]
fn workers_look_at_an_image_of_their_own() {
    let mut state = looking();
    state.settings.partition.network = "lenet5".into();
    assert!(state.act(Act::Look(Looker::Workers, drawn(3))).is_empty());
    state.act(Act::Look(Looker::Held, drawn(5)));
    assert_eq!(**state.input.image(Looker::Workers), drawn(3));
    assert_eq!(**state.input.image(Looker::Held), drawn(5));
}

#[test]
fn the_next_worker_is_told_the_image_again() {
    let mut state = looking();
    state.act(Act::Stroke(Looker::Held, drawn(7)));
    state.act(Act::Die { death: contract::Death::OutOfMemory, at_ms: 0.0 });
    assert!(state.act(Act::Stroke(Looker::Held, drawn(9))).is_empty(), "nobody is there");
    assert_eq!(names(&state.hear(ready())).last().unwrap(), "network lenet5");
    let then = state.hear(Event::Network(image_network("lenet5")));
    assert_eq!(
        (names(&then), pixels(&then)),
        (vec!["plan lenet5@2 f32".into(), "look".into(), "runonce".into()], Some(9))
    );
}
