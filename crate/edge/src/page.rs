//! The built page as static files: types, compression, caching and the headers that keep a page in its place.
//!
//! The index is read at every request, small as it is: a rebuilt page shows at once, and the policy can name the
//! hashes of exactly the inline scripts that stand in it (Trunk starts the page with one).

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::services::ServeDir;

use crate::guard::refusal;

/// Quality 4 packs a 12 MB module in a fraction of a second; files packed better beforehand (`.br`, `.gz`) come first.
const QUALITY: CompressionLevel = CompressionLevel::Precise(4);
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Serves the files of `folder`. Links out of it and dot segments are `ServeDir`'s business: it refuses them.
pub(crate) fn router(folder: &Path) -> Router {
    let files = ServeDir::new(folder)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(get(missing));
    // Weights hardly shrink, and without compression their length is known to a progress bar.
    let worthwhile = DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"));
    Router::new()
        .route("/", get(index))
        .route("/index.html", get(index))
        .with_state(folder.to_owned())
        .fallback_service(files)
        .layer(from_fn(cache))
        .layer(CompressionLayer::new().quality(QUALITY).compress_when(worthwhile))
}

async fn index(State(folder): State<PathBuf>, request: HeaderMap) -> Response {
    match tokio::fs::read_to_string(folder.join("index.html")).await {
        Ok(html) => {
            let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&html)));
            let headers = [
                (header::CONTENT_SECURITY_POLICY, policy(&inline_script_hashes(&html))),
                (header::ETAG, to_value(&tag)),
            ];
            let is_known = request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
            if is_known {
                (StatusCode::NOT_MODIFIED, headers).into_response()
            } else {
                (headers, Html(html)).into_response()
            }
        }
        Err(why) => {
            tracing::warn!(folder = %folder.display(), %why, "no page to serve");
            (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response()
        }
    }
}

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cleave: the page is not built</title>\
<h1>The page is not built</h1><p>This edge runs and accepts sessions at <code>/ws</code>, but the folder of the page has no \
<code>index.html</code>.</p><p>Build it with <code>trunk build --release</code> or start everything with \
<code>cargo xtask play</code>; a page elsewhere is served with <code>cleave-edge --page FOLDER</code>.</p></html>\n";

async fn missing(request: Request) -> Response {
    let path = request.uri().path();
    refusal(StatusCode::NOT_FOUND, format!("There is no file {path:?} here; the page is at /."))
}

/// Names with a hash in them never change their content; everything else is asked for again, by its tag.
async fn cache(request: Request, next: Next) -> Response {
    let hashed = has_hash(request.uri().path());
    let mut response = next.run(request).await;
    let found = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let value = if hashed && found { IMMUTABLE } else { REVALIDATE };
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// Trunk's names: `page-0123456789abcdef.js`, `page-0123456789abcdef_bg.wasm`.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((_, tail)) = name.rsplit_once('-') else { return false };
    let digits = tail.chars().take_while(char::is_ascii_hexdigit).count();
    digits >= 8 && (tail[digits..].starts_with('.') || tail[digits..].starts_with("_bg."))
}

/// The headers of every answer. Isolation also gives the page's clocks their finer resolution.
pub(crate) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| policy(""));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// What the page may load and where it may connect; `hashes` are the index's own inline scripts.
fn policy(hashes: &str) -> HeaderValue {
    let text = format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'{hashes}; style-src 'self'; img-src 'self' data: blob:; \
         connect-src 'self' ws://127.0.0.1:* ws://localhost:*; worker-src 'self' blob:; object-src 'none'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    to_value(&text)
}

/// Only for texts that are plain: base64 and constants.
fn to_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// ` 'sha256-…'` for every script element with a body.
fn inline_script_hashes(html: &str) -> String {
    let mut hashes = String::new();
    let mut rest = html;
    while let Some(at) = rest.find("<script") {
        rest = &rest[at..];
        let Some((_, after)) = rest.split_once('>') else { break };
        let Some((body, after)) = after.split_once("</script") else { break };
        rest = after;
        if !body.trim().is_empty() {
            hashes += &format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(body)));
        }
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names_are_told_from_others() {
        for name in
            ["/cleave-page-0123456789abcdef.js", "/a/cleave-page-0123456789abcdef_bg.wasm", "/style-89abcdef.css"]
        {
            assert!(has_hash(name), "{name}");
        }
        for name in ["/", "/index.html", "/device_bg.wasm", "/model/dgcnn-10.safetensors", "/de-feed.js", "/x-é.js"] {
            assert!(!has_hash(name), "{name}");
        }
    }

    #[test]
    fn inline_scripts_are_named_by_their_hash() {
        let html = "<script src=a.js></script><script type=\"module\">alert('Hello, world.');</script>";
        // The example of the Content Security Policy specification.
        assert_eq!(inline_script_hashes(html), " 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
        assert_eq!(inline_script_hashes("<script>cut"), "");
    }
}
