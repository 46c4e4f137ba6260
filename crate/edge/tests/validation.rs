//! Clouds for judging over loopback: taken from the training part, told of and sent to whoever knows the token, and refused
//! with words where there are none.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use cleave_data::modelnet::{self, Dataset};
use cleave_data::validation::Validation;
use cleave_data::{ASIDE, furniture};
use cleave_edge::{Config, read_validation};
use cleave_wire::{RefusalCode, Subject, ToDevice, ToEdge};
use common::client::{Client, hello};
use common::{Folder, TOKEN, config, start};

/// Forty clouds of each of ten classes.
fn training() -> Dataset {
    let clouds = (0..400).map(|i| furniture::generate(i % 10, 64, i as u64).unwrap());
    Dataset {
        points: clouds.flatten().collect(),
        labels: (0..400).map(|i| (i % 10) as u8).collect(),
        n_points: 64,
        classes: furniture::CLASSES.map(str::to_owned).to_vec(),
    }
}

fn with_data(folder: &Folder) -> Config {
    folder.write(modelnet::TRAIN, modelnet::encode(&training()));
    Config { validation: Some(read_validation(folder.path()).unwrap()), ..config() }
}

#[tokio::test]
async fn whoever_knows_the_token_gets_the_clouds_that_were_kept_aside() {
    let folder = Folder::new("validation");
    let edge = start(with_data(&folder)).await;
    let (mut client, set) = Client::welcomed(&edge).await;
    let set = set.unwrap();
    assert_eq!((set.name.as_str(), set.clouds), ("ModelNet10", 40));
    let mut body = Vec::new();
    while body.len() < set.bytes as usize {
        client.say(&ToEdge::Validation { offset: body.len() as u32 }).await;
        let heard = client.hear().await;
        let ToDevice::Validation { offset, piece } = heard else { panic!("{heard:?}") };
        assert_eq!(offset as usize, body.len());
        body.extend(piece);
    }
    let read = Validation::decode(&body).unwrap();
    // Stored numbers are as fine as the set's own.
    let stored = modelnet::decode(&modelnet::encode(&training())).unwrap();
    assert_eq!(read.judges, stored.split(ASIDE).1.balanced(200));
    assert!(read.calibration.labels.len() == 20 && read.calibration.n_points == 64);
    client.say(&ToEdge::Validation { offset: set.bytes }).await;
    let refusal = client.refused().await;
    assert_eq!((refusal.code, refusal.subject), (RefusalCode::Malformed, Subject::Session));
    edge.stop().await;
}

#[tokio::test]
async fn nobody_else_gets_them() {
    let folder = Folder::new("validation-guarded");
    let edge = start(with_data(&folder)).await;
    let ask = ToEdge::Validation { offset: 0 };
    for (first, code) in
        [(ask.clone(), RefusalCode::NotGreeted), (hello(&TOKEN.replace('0', "1")), RefusalCode::BadToken)]
    {
        let mut client = Client::connect(&edge).await.unwrap();
        client.say(&first).await;
        client.say(&ask).await;
        assert_eq!(client.refused().await.code, code);
    }
    edge.stop().await;
}

#[tokio::test]
async fn an_edge_without_data_says_so() {
    let edge = start(config()).await;
    let (mut client, set) = Client::welcomed(&edge).await;
    assert_eq!(set, None);
    client.say(&ToEdge::Validation { offset: 0 }).await;
    let refusal = client.refused().await;
    assert!(refusal.wrong.contains("a validation set of 0 bytes"), "{refusal}");
    edge.stop().await;
}

#[test]
fn a_folder_without_the_data_is_named() {
    let folder = Folder::new("validation-missing");
    let why = |folder: &Folder| read_validation(folder.path()).unwrap_err().to_string();
    assert!(why(&folder).contains("modelnet10_1024_train.npz cannot be used: No such file"), "{}", why(&folder));
    folder.write(modelnet::TRAIN, b"PK nonsense");
    assert!(why(&folder).contains("zip"), "{}", why(&folder));
    let few = Dataset { points: vec![0.0; 3], labels: vec![0], n_points: 1, classes: vec!["a".into()] };
    folder.write(modelnet::TRAIN, modelnet::encode(&few));
    assert!(why(&folder).contains("1 clouds of 1 classes are too few"), "{}", why(&folder));
}
