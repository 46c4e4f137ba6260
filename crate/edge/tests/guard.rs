//! Who is let in: hosts, origins, tokens, and how many at once.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use std::time::{Duration, Instant};

use common::client::Client;
use common::{PATIENCE, TOKEN, UPGRADE, config, exchange, get, start};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

fn upgrade<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    UPGRADE.iter().copied().chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn another_host_is_refused_everywhere() {
    let edge = start(config()).await;
    for path in ["/", "/style.css", "/ws"] {
        let answer = get(&edge, path, &[("Host", "evil.example:8787")]).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("evil.example") && answer.text().contains("--allow-host"), "{}", answer.text());
    }
    assert_ne!(get(&edge, "/", &[("Host", "localhost:1")]).await.status, 403);
    let bytes = exchange(&edge, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(bytes.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&bytes));
    edge.stop().await;
}

#[tokio::test]
async fn a_session_needs_an_origin_or_the_token() {
    let mut config = config();
    config.allow_origins = vec!["http://localhost:8080".into()];
    let edge = start(config).await;
    let own = format!("http://{}", edge.address);
    let wrong_token = format!("Bearer {}", TOKEN.replace('0', "1"));
    for (headers, says) in [
        (vec![], "neither an Origin nor a token"),
        (vec![("Authorization", wrong_token.as_str())], "not this edge's"),
        (vec![("Origin", "http://evil.example")], "http://evil.example"),
        (vec![("Origin", "null")], "--allow-origin"),
    ] {
        let answer = get(&edge, "/ws", &upgrade(&headers)).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.text().contains(says), "{headers:?}: {}", answer.text());
        assert!(!answer.text().contains(TOKEN));
    }
    for origin in [own.as_str(), "http://localhost:8080"] {
        let mut request = format!("ws://{}/ws", edge.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let stream = TcpStream::connect(edge.address).await.unwrap();
        timeout(PATIENCE, client_async(request, stream)).await.unwrap().unwrap();
    }
    Client::connect(&edge).await.unwrap();
    let plain = get(&edge, "/ws", &[("Origin", own.as_str())]).await;
    assert!((400..500).contains(&plain.status), "a request that is no upgrade: {}", plain.status);
    edge.stop().await;
}

#[tokio::test]
async fn sessions_are_counted() {
    let mut config = config();
    config.bounds.sessions = 2;
    let edge = start(config).await;
    let (first, _second) = (Client::connect(&edge).await.unwrap(), Client::connect(&edge).await.unwrap());
    let why = Client::connect(&edge).await.unwrap_err();
    assert!(why.to_string().contains("503"), "{why}");
    assert_eq!(get(&edge, "/", &[]).await.status, 503, "the page is still answered, though not built here");
    drop(first);
    let start = Instant::now();
    while Client::connect(&edge).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "a place that became free was not given again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let mut config = config();
    config.bounds.handshake = Duration::from_millis(300);
    let edge = start(config).await;
    for opening in [&b""[..], b"GET / HTTP/1.1\r\nHost: loc"] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, opening).await.unwrap();
        let start = Instant::now();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok() && start.elapsed() >= Duration::from_millis(200), "{opening:?}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn the_end_comes_within_a_second() {
    let edge = start(config()).await;
    let mut socket = Client::connect(&edge).await.unwrap();
    let idle = TcpStream::connect(edge.address).await.unwrap();
    let took = edge.stop().await;
    assert!(took < Duration::from_millis(1500), "{took:?}");
    while socket.hear_bytes().await.is_some() {}
    drop(idle);
}
