//! The page's files over HTTP: types, compression, caching, policy, and nothing outside the folder.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Folder, Running, config, get, start};

async fn edge_with_page(name: &str) -> (Folder, Running) {
    let folder = Folder::new(name);
    folder.write("public/index.html", "<!doctype html><script type=\"module\">alert('Hello, world.');</script>");
    folder.write("public/cleave-page-0123456789abcdef.js", "export default 1;".repeat(100));
    folder.write("public/device_bg.wasm", b"\0asm\x01\0\0\0".repeat(200));
    folder.write("public/style.css", "p { color: red }");
    folder.write("public/model/dgcnn.safetensors", [7u8; 4000]);
    folder.write("public/packed.js", "let unpacked;".repeat(50));
    folder.write("public/packed.js.br", b"not really brotli");
    folder.write("secret.txt", "outside");
    let mut config = config();
    config.page = folder.path().join("public");
    (folder, start(config).await)
}

#[tokio::test]
async fn files_have_types_and_caching() {
    let (_folder, edge) = edge_with_page("types").await;
    for (path, content_type, cache) in [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/cleave-page-0123456789abcdef.js", "text/javascript", "public, max-age=31536000, immutable"),
        ("/device_bg.wasm", "application/wasm", "no-cache"),
        ("/style.css", "text/css", "no-cache"),
        ("/model/dgcnn.safetensors", "application/octet-stream", "no-cache"),
    ] {
        let answer = get(&edge, path, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type), "{path}");
        assert_eq!(answer.header("cache-control"), cache, "{path}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let (_folder, edge) = edge_with_page("unchanged").await;
    for path in ["/", "/device_bg.wasm"] {
        let first = get(&edge, path, &[]).await;
        let tag = first.header("etag");
        assert!(!tag.is_empty(), "{path} has no tag");
        let again = get(&edge, path, &[("If-None-Match", tag)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(get(&edge, path, &[("If-None-Match", "\"other\"")]).await.status, 200);
    }
    edge.stop().await;
}

#[tokio::test]
async fn what_shrinks_is_compressed() {
    let (_folder, edge) = edge_with_page("compressed").await;
    let plain = get(&edge, "/device_bg.wasm", &[]).await;
    assert_eq!((plain.header("content-encoding"), plain.body.len()), ("", 1600));
    for (accepted, encoding) in [("gzip, deflate, br", "br"), ("gzip", "gzip")] {
        let packed = get(&edge, "/device_bg.wasm", &[("Accept-Encoding", accepted)]).await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, encoding));
        assert!(packed.body.len() < 200, "{} bytes", packed.body.len());
        assert!(packed.header("vary").contains("accept-encoding"));
    }
    let weights = get(&edge, "/model/dgcnn.safetensors", &[("Accept-Encoding", "br")]).await;
    assert_eq!((weights.header("content-encoding"), weights.header("content-length")), ("", "4000"));
    let beforehand = get(&edge, "/packed.js", &[("Accept-Encoding", "br")]).await;
    assert_eq!((beforehand.header("content-encoding"), beforehand.text().as_str()), ("br", "not really brotli"));
    edge.stop().await;
}

#[tokio::test]
async fn every_answer_keeps_the_page_in_its_place() {
    let (_folder, edge) = edge_with_page("policy").await;
    for path in ["/", "/device_bg.wasm", "/nothing", "/ws"] {
        let answer = get(&edge, path, &[]).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(policy.contains("connect-src 'self' ws://127.0.0.1:* ws://localhost:*"), "{path}: {policy}");
        let hash = "script-src 'self' 'wasm-unsafe-eval' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='";
        assert_eq!(policy.contains(hash), path == "/", "{path}: {policy}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn nothing_outside_the_folder_is_served() {
    let (_folder, edge) = edge_with_page("outside").await;
    for path in
        ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/model/../../secret.txt", "//etc/passwd", "/%00"]
    {
        let answer = get(&edge, path, &[]).await;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("outside"), "{path}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn without_a_page_it_says_how_to_build_one() {
    let folder = Folder::new("empty");
    let mut config = config();
    config.page = folder.path().join("dist");
    let edge = start(config).await;
    let answer = get(&edge, "/", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (503, "text/html; charset=utf-8"));
    assert!(answer.text().contains("cargo xtask play") && answer.text().contains("trunk build"));
    let missing = get(&edge, "/x.js", &[]).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("\"/x.js\""), "{}", missing.text());
    edge.stop().await;
}
