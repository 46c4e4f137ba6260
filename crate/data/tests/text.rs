//! Text graphs on documents made up here: both files of a corpus, word vectors, graphs, typed sentences, and what is
//! said about wrong ones.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use cleave_data::DataError;
use cleave_data::text::{CLASSES, Corpus, DIMENSIONS, NEIGHBOURS, Part, TextGraph, Vectors, graph, tokens};

fn decode(name: &str) -> Result<Vectors, DataError> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/case/vectors").join(name)).unwrap();
    Vectors::decode(&bytes)
}

/// The graph of the words between blanks.
fn graph_of(text: &str, k: usize) -> TextGraph {
    graph(&text.split(' ').collect::<Vec<_>>(), &Vectors::default(), k).unwrap()
}

/// Each node's row as words, to read.
fn rows(graph: &TextGraph) -> Vec<String> {
    let row = |indices: &[u32]| indices.iter().map(|&i| graph.words[i as usize].as_str()).collect::<Vec<_>>().join(" ");
    graph.neighbours.chunks(graph.k).map(row).collect()
}

#[test]
fn a_corpus_keeps_its_order_labels_and_parts() {
    let documents = b"\xEF\xBB\xBFa warm little tale\r\n no plot  , no end \r\nwarm\n";
    let corpus = Corpus::decode(documents, b"0\ttrain\t1\r\n1\ttest\t0\n2\ttrain\t0").unwrap();
    let all: Vec<_> = corpus.documents.iter().map(|d| (d.tokens.join("|"), d.label, d.part)).collect();
    let expected =
        [("a|warm|little|tale", 1, Part::Train), ("no|plot|,|no|end", 0, Part::Test), ("warm", 0, Part::Train)];
    assert_eq!(all, expected.map(|(tokens, label, part)| (tokens.to_owned(), label, part)));
    assert_eq!(corpus.train().map(|d| d.tokens.len()).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(corpus.test().map(|d| d.tokens.len()).collect::<Vec<_>>(), [5]);
    assert_eq!(CLASSES[usize::from(corpus.documents[0].label)], "positive");
}

#[test]
fn what_is_wrong_with_a_corpus_is_named_with_its_line() {
    let says = |documents: &[u8], split: &[u8], text: &str| {
        assert_eq!(Corpus::decode(documents, split).unwrap_err().to_string(), text);
    };
    let (two, list) = (b"fine work\ndull\n", b"0\ttrain\t1\n1\ttest\t0\n");
    says(b"fine\n \n", list, "corpus, line 2: found no word, expected the words of a document, between spaces");
    says(b"fine\nd\xFFll", list, r#"corpus, line 2: found the byte "\xff", expected text in UTF-8"#);
    says(
        b"fine",
        list,
        "corpus, line 2: found the end of the file, expected document 1, counted from 0: both files have a line for each",
    );
    says(
        b"",
        b"",
        "corpus, line 1: found the end of the file, expected document 0, counted from 0: both files have a line for each",
    );
    let split_says = |split: &[u8], text: &str| says(two, split, &format!("split of the corpus, {text}"));
    split_says(
        b"0\ttrain\t1",
        "line 2: found the end of the file, expected document 1, counted from 0: both files have a line for each",
    );
    let fields = "three fields between tabs: id, train or test, label";
    split_says(b"0\ttrain\n", &format!(r#"line 1: found "0\ttrain", expected {fields}"#));
    split_says(b"0\ttrain\t1\t\n", &format!(r#"line 1: found "0\ttrain\t1\t", expected {fields}"#));
    split_says(b"0\ttrain\t1\n\n", &format!(r#"line 2: found "", expected {fields}"#));
    split_says(b"0\ttrain\t1\n2\ttest\t0", r#"line 2: found "2", expected the id 1: ids count the lines from 0"#);
    split_says(b"0\ttrain\t1\n1\tdev\t0", r#"line 2: found "dev", expected train or test"#);
    let label = "expected the label 0 (negative) or 1 (positive)";
    split_says(b"0\ttrain\t2", &format!(r#"line 1: found "2", {label}"#));
    split_says(b"0\ttrain\t1\n1\ttest\tpositive", &format!(r#"line 2: found "positive", {label}"#));
}

#[test]
fn every_third_training_document_of_each_class_is_set_aside() {
    let of = |i: usize| (if i % 5 == 4 { "test" } else { "train" }, usize::from(i < 20));
    let documents: String = (0..40).map(|i| format!("w{i}\n")).collect();
    let split: String = (0..40).map(|i| format!("{i}\t{}\t{}\n", of(i).0, of(i).1)).collect();
    let corpus = Corpus::decode(documents.as_bytes(), split.as_bytes()).unwrap();
    let (rest, aside) = corpus.aside(3);
    let words: Vec<&str> = aside.iter().map(|document| document.tokens[0].as_str()).collect();
    // Of each class the training documents are 0 1 2 3, 5 6 7 8, 10 …, from its first.
    assert_eq!(words, ["w2", "w6", "w10", "w13", "w17", "w22", "w26", "w30", "w33", "w37"]);
    assert_eq!(rest.len() + aside.len(), corpus.train().count());
    assert!(rest.iter().all(|document| document.part == Part::Train && !aside.contains(document)));
    assert_eq!(corpus.aside(0).1.len(), 32, "0 is taken for 1");
}

#[test]
fn vectors_of_known_words_are_those_of_the_file() {
    for name in ["four.npz", "stored_f4.npz"] {
        let vectors = decode(name).unwrap();
        for (word, first) in [("good", 1.0), ("bad", 2.0), ("n't", 3.0), ("film", 4.0)] {
            let expected: [f32; DIMENSIONS] = std::array::from_fn(|j| first + j as f32 / 64.0);
            assert_eq!(vectors.get(word), Some(&expected), "{name}: {word}");
            assert_eq!(vectors.vector(word), expected);
        }
        assert_eq!(vectors.get("goo"), None);
    }
}

#[test]
fn vectors_of_other_words_are_a_function_of_the_word() {
    let (some, none) = (decode("four.npz").unwrap(), Vectors::default());
    assert_eq!(some.vector("quux"), none.vector("quux"));
    assert_ne!(none.vector("quux"), none.vector("quuy"));
    // Frozen: trained weights know these vectors, so another value needs another VERSION.
    assert_eq!(none.vector("quux")[..3], QUUX);
}

/// Computed apart from this crate, by a few lines of Python.
const QUUX: [f32; 3] = [0.12559201, -0.3468699, 0.09187267];

#[test]
fn what_is_wrong_with_vectors_is_named() {
    let says = |name: &str, text: &str| {
        let message = decode(name).unwrap_err().to_string();
        assert!(message.contains(text), "{name}: {message}");
    };
    says("no_vec.npz", "found the arrays [words.npy], expected an array vec among them");
    says("no_words.npz", "found the arrays [vec.npy], expected an array words among them");
    says("forty_nine.npz", "found vec of shape [4, 49], expected [4, 50]: 50 numbers for each word");
    says("three_words.npz", "found vec of shape [4, 50], expected [3, 50]");
    says("words_as_numbers.npz", "found an array of numbers, expected an array of text");
    says("vec_as_text.npz", "found an array of text, expected an array of numbers");
    says("nan.npz", r#"found NaN in the vector of "n't", expected finite numbers"#);
    says("twice.npz", r#"found the word "bad" twice, expected each word once"#);
    says("fortran.npz", "an array in Fortran order is not read; save it with numpy.ascontiguousarray");
    says("lying.npz", "the header announces 200 entries, at least 400 bytes, but 398 bytes follow it");
    says("truncated.npz", "expected a zip's directory; it is cut short");
}

#[test]
fn words_within_three_tokens_are_neighbours() {
    let graph = graph_of("a b c d a", 4);
    assert_eq!(graph.words, ["a", "b", "c", "d"]);
    // Windows abc, bcd, cda: every pair but none of d with itself or beyond; rows in order of co-occurrence, repeated.
    assert_eq!(rows(&graph), ["b c d b", "a c d a", "a b d a", "b c a b"]);
    assert_eq!(rows(&graph_of("a b c d", 3)), ["b c b", "a c d", "a b d", "b c b"]);
}

#[test]
fn a_word_is_one_node_and_not_its_own_neighbour() {
    let graph = graph_of("so so good so", 2);
    assert_eq!((graph.words.join(" "), graph.n, graph.k), ("so good".into(), 2, 2));
    assert_eq!(graph.neighbours, [1, 1, 0, 0]);
}

#[test]
fn a_word_alone_has_itself() {
    assert_eq!(rows(&graph_of("dull", 3)), ["dull dull dull"]);
    assert_eq!(rows(&graph_of("dull dull", 1)), ["dull"]);
}

#[test]
fn too_many_neighbours_are_cut_at_the_last() {
    let graph = graph_of("a x b a y c a z", 4);
    assert_eq!(rows(&graph)[0], "x b y c", "z came last");
    assert_eq!(rows(&graph)[5], "c a c a", "the other direction stays");
}

#[test]
fn features_are_the_vectors_in_the_order_of_the_nodes() {
    let vectors = decode("four.npz").unwrap();
    let graph = graph(&tokens("Bad? Isn't!"), &vectors, NEIGHBOURS).unwrap();
    assert_eq!(graph.words, ["bad", r"\?", "is", "n't", "!"]);
    assert_eq!((graph.features.len(), graph.neighbours.len()), (5 * DIMENSIONS, 5 * NEIGHBOURS));
    let rows: Vec<&[f32]> = graph.features.chunks(DIMENSIONS).collect();
    assert_eq!((rows[0], rows[3]), (&vectors.get("bad").unwrap()[..], &vectors.get("n't").unwrap()[..]));
    assert_eq!(rows[2], vectors.vector("is"));
}

#[test]
fn a_text_without_a_word_is_no_graph() {
    let none = graph(&tokens(" … — \n"), &Vectors::default(), NEIGHBOURS);
    assert_eq!(none, Err(DataError::NoWords));
    assert_eq!(tokens(""), Vec::<String>::new());
}

#[test]
fn a_typed_sentence_becomes_the_words_of_the_corpus() {
    let check = |text: &str, expected: &str| assert_eq!(tokens(text).join("|"), expected, "{text}");
    check("It's a film we've seen.", "it|'s|a|film|we|'ve|seen");
    check("They're late, she'd said; they'll go!", "they|'re|late|,|she|'d|said|they|'ll|go|!");
    check("You CAN'T (won't?) stop", r"you|ca|n't|\(|wo|n't|\?|\)|stop");
    check("I’m sure it’s ‘fun’", "i'm|sure|it|'s|'fun'");
    check("a 2nd-rate café\tno.7 `x`", "a|2nd|rate|caf|no|7|`x`");
    check("wait...what?!", r"wait|what|\?|!");
}

#[test]
fn tokens_stay_what_they_are_when_split_again() {
    let once = tokens("He'd say: \"who (really) isn't?\" -- 'em, y'all's!");
    assert_eq!(tokens(&once.join(" ")), once);
}

#[test]
fn a_graph_of_another_size_repeats_or_leaves_out_nodes() {
    let whole = graph(&["a", "b", "c", "a"], &Vectors::default(), 4).unwrap();
    let long = whole.sized(7);
    assert_eq!((long.n, long.words.join("")), (7, "abcabca".to_owned()));
    assert_eq!(long.features[3 * DIMENSIONS..6 * DIMENSIONS], whole.features);
    assert_eq!(long.neighbours[12..24], whole.neighbours);
    let short = whole.sized(2);
    assert_eq!((short.words.join(""), &short.neighbours[..]), ("ab".to_owned(), &[1, 1, 1, 1, 0, 0, 0, 0][..]));
    assert_eq!(whole.sized(1).neighbours, [0; 4]);
    assert_eq!(whole.sized(3), whole);
}
