//! Damaged files: whatever bytes come, reading and sampling end with a value or an error, never with a panic, and
//! without taking memory that the file does not justify.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;

use cleave_arch::SplitMix64;
use cleave_data::text::{self, Corpus, Vectors};
use cleave_data::{modelnet, read, sample};

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
    if let Ok(vectors) = Vectors::decode(bytes) {
        // A checksum guards each array, so what is read at all is what was written.
        assert_eq!(vectors, whole_vectors(), "{name}");
    }
}

fn whole_vectors() -> Vectors {
    Vectors::decode(&fs::read(common::folder().join("vectors/four.npz")).unwrap()).unwrap()
}

/// Documents and their list, to be damaged.
const CORPUS: &[u8] = b"the plot , he 's told , is thin\ndull\nso warm and so kind \\?\n";
const SPLIT: &[u8] = b"0\ttrain\t0\n1\ttest\t0\n2\ttrain\t1\n";

/// Decodes and, where that works, builds and sets aside; what comes out has to fit together.
fn exercise_corpus(corpus: &[u8], split: &[u8]) -> bool {
    let Ok(corpus) = Corpus::decode(corpus, split) else {
        return false;
    };
    for document in &corpus.documents {
        assert!(!document.tokens.is_empty() && usize::from(document.label) < text::CLASSES.len());
        exercise_graph(&document.tokens);
    }
    let (rest, aside) = corpus.aside(2);
    assert_eq!(rest.len() + aside.len() + corpus.test().count(), corpus.documents.len());
    true
}

fn exercise_graph(tokens: &[String]) {
    const K: usize = 3;
    let graph = text::graph(tokens, &Vectors::default(), K).unwrap();
    assert!(graph.n >= 1 && graph.n == graph.words.len() && graph.n <= tokens.len());
    assert_eq!((graph.features.len(), graph.neighbours.len()), (graph.n * text::DIMENSIONS, graph.n * K));
    for (node, row) in graph.neighbours.chunks(K).enumerate() {
        let own = |&neighbour: &u32| neighbour as usize == node;
        assert!(row.iter().all(|&neighbour| (neighbour as usize) < graph.n), "{tokens:?}");
        assert_eq!(row.iter().any(own), graph.n == 1, "{tokens:?}");
    }
}

#[test]
fn a_corpus_cut_short_is_noticed() {
    assert!(exercise_corpus(CORPUS, SPLIT));
    for end in 0..SPLIT.len() - 1 {
        assert!(!exercise_corpus(CORPUS, &SPLIT[..end]), "{end} bytes of the list");
    }
    let third = CORPUS.len() - b"so warm and so kind \\?\n".len();
    for end in 0..=third {
        assert!(!exercise_corpus(&CORPUS[..end], SPLIT), "{end} bytes of the documents");
    }
}

#[test]
fn a_damaged_corpus_is_survived() {
    let mut rng = SplitMix64::new(21);
    let mut n_read = 0;
    for _ in 0..3000 {
        let (mut corpus, mut split) = (CORPUS.to_vec(), SPLIT.to_vec());
        for bytes in [&mut corpus, &mut split] {
            let at = rng.scaled_below(bytes.len() * 2);
            if at < bytes.len() {
                mutate(bytes, at, &mut rng);
            }
        }
        n_read += usize::from(exercise_corpus(&corpus, &split));
    }
    assert!((1000..2500).contains(&n_read), "{n_read} of 3000 were still corpora");
}

#[test]
fn any_text_gives_clean_tokens() {
    const PIECES: [&str; 16] =
        ["n't", "'s", "'", "’", "N", "T", "(", "?", "\\", " ", "\u{85}", "é", "a", "7", "\0", "'LL"];
    let mut rng = SplitMix64::new(22);
    for _ in 0..3000 {
        let typed: String = (0..rng.scaled_below(12)).map(|_| PIECES[rng.scaled_below(PIECES.len())]).collect();
        let tokens = text::tokens(&typed);
        let clean = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase();
        assert!(tokens.iter().all(|token| !token.is_empty() && token.chars().all(clean)), "{typed:?}: {tokens:?}");
        assert_eq!(text::tokens(&tokens.join(" ")), tokens, "{typed:?}");
        if !tokens.is_empty() {
            exercise_graph(&tokens);
        }
    }
}

fn each_file(check: impl Fn(&str, &[u8], &mut SplitMix64)) {
    let mut rng = SplitMix64::new(20);
    let files = |folder: &str| fs::read_dir(common::folder().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let sets = files("modelnet").chain(files("vectors"));
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
            for _ in 0..=rng.scaled_below(4) {
                let at = rng.scaled_below(damaged.len());
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
    let end = (at + 1 + rng.scaled_below(8)).min(bytes.len());
    match rng.scaled_below(5) {
        0 => bytes[at] ^= 1 << rng.scaled_below(8),
        1 => bytes[at] = HURTFUL[rng.scaled_below(HURTFUL.len())],
        2 => drop(bytes.drain(at..end)),
        3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        _ => bytes[at..end].fill(HURTFUL[rng.scaled_below(HURTFUL.len())]),
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
