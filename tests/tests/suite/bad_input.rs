//! Every folder below `case/`: a command, and what it has to say.

use std::net::TcpListener;

use cleave_cli::loopback::LoopbackEdge;
use cleave_tests::case::Case;

use crate::{program, workspace};

#[test]
fn every_case_says_what_it_should() {
    let cases = Case::all(&workspace("tests/case")).unwrap();
    assert!(!cases.is_empty(), "there are no cases");
    let edge = LoopbackEdge::start(1).unwrap();
    let places = [
        ("{edge}", edge.address().authority.clone()),
        ("{token}", edge.address().token.clone()),
        ("{closed}", format!("127.0.0.1:{}", closed_port())),
    ];
    let mut faults = Vec::new();
    for case in &cases {
        let found = case.run(program(), &places).unwrap();
        println!("{} {}", if found.is_empty() { "ok    " } else { "FAILED" }, case.name);
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", case.name)));
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// A port that was free a moment ago.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
