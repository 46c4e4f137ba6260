//! A static web server for pages that measure or test themselves, on a loopback port of its own: files out, reports in.
//! It exists so that these need neither the edge nor Node.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A browser opens connections ahead of need and leaves them silent.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest request line or header, and the longest report.
const LINE_BYTES: u64 = 16 << 10;
const REPORT_BYTES: u64 = 1 << 20;

/// What the page told us.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// The body of POST /result.
    Result(String),
    /// The body of POST /step: something has been reached, more is to come.
    Step(String),
    /// The body of POST /failure: why there will be no result.
    Failure(String),
    /// The body of POST /compare: what the worker makes of what the command line is to be given, too.
    Compare(String),
}

/// For one figure of a benchmark: a profile takes the longest.
const PATIENCE: Duration = Duration::from_secs(180);

/// The next figure that a benchmark's page reports, as JSON; `None`: the end.
pub fn next_figure(reports: &Receiver<Report>) -> Result<Option<Value>> {
    match reports.recv_timeout(PATIENCE).context("the browser said nothing for too long")? {
        Report::Step(text) => Ok(Some(serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?)),
        Report::Result(_) => Ok(None),
        Report::Failure(why) => bail!("the page said: {why}"),
        Report::Compare(_) => bail!("a benchmark compares nothing with the command line"),
    }
}

/// Serves the first of `roots` that has the file, until the program ends.
pub fn start(roots: Vec<PathBuf>) -> Result<(SocketAddr, Receiver<Report>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on a loopback port")?;
    let address = listener.local_addr()?;
    let (sender, receiver) = channel();
    let roots = Arc::new(roots);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (roots, sender) = (Arc::clone(&roots), sender.clone());
            thread::spawn(move || answer(&stream, &roots, &sender));
        }
    });
    Ok((address, receiver))
}

/// One request per connection. A connection that breaks off is the browser's business, so errors end here.
fn answer(stream: &TcpStream, roots: &[PathBuf], reports: &Sender<Report>) -> Option<()> {
    stream.set_read_timeout(Some(SILENCE)).ok()?;
    let request = read_request(BufReader::new(stream))?;
    let (status, kind, body) = respond(&request, roots, reports);
    let mut stream = stream;
    let length = body.len();
    // The isolation headers give the page a clock of 5 µs instead of 100 µs.
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Embedder-Policy: require-corp\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

struct Request {
    method: String,
    target: String,
    body: Vec<u8>,
}

fn read_request(mut reader: impl BufRead) -> Option<Request> {
    let line = read_line(&mut reader)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut body_bytes = 0;
    loop {
        let line = read_line(&mut reader)?;
        if line.is_empty() {
            break;
        }
        if let Some(("content-length", length)) = line.to_ascii_lowercase().split_once(':') {
            body_bytes = length.trim().parse().ok().filter(|length| *length <= REPORT_BYTES)?;
        }
    }
    let mut body = Vec::new();
    reader.take(body_bytes).read_to_end(&mut body).ok()?;
    (body.len() as u64 == body_bytes).then_some(Request { method, target, body })
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.by_ref().take(LINE_BYTES).read_line(&mut line).ok()?;
    line.strip_suffix("\r\n").map(str::to_owned)
}

fn respond(request: &Request, roots: &[PathBuf], reports: &Sender<Report>) -> (&'static str, &'static str, Vec<u8>) {
    let body = || String::from_utf8_lossy(&request.body).into_owned();
    let report = match (request.method.as_str(), request.target.as_str()) {
        ("POST", "/result") => Report::Result(body()),
        ("POST", "/step") => Report::Step(body()),
        ("POST", "/failure") => Report::Failure(body()),
        ("POST", "/compare") => Report::Compare(body()),
        ("GET", target) => return file(target, roots),
        _ => return ("405 Method Not Allowed", "text/plain", Vec::new()),
    };
    // Nobody listens any more once a first report has come.
    let _late = reports.send(report);
    ("204 No Content", "text/plain", Vec::new())
}

fn file(target: &str, roots: &[PathBuf]) -> (&'static str, &'static str, Vec<u8>) {
    let found = safe_relative(target).and_then(|relative| roots.iter().find_map(|root| read_below(root, &relative)));
    match found {
        Some((path, bytes)) => ("200 OK", kind_of(&path), bytes),
        None => ("404 Not Found", "text/plain", b"no such file".to_vec()),
    }
}

/// The file below the root, unless a link leads out of it.
fn read_below(root: &Path, relative: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let path = root.join(relative).canonicalize().ok()?;
    path.starts_with(root.canonicalize().ok()?).then(|| fs::read(&path).ok())?.map(|bytes| (path, bytes))
}

/// The path that a request target means, if it is one that can only lead down. Escapes are not decoded: no file of
/// ours needs one.
fn safe_relative(target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    if path.contains(['%', '\\', ':', '\0']) {
        return None;
    }
    let relative = PathBuf::from(if path.is_empty() { "index.html" } else { path });
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then_some(relative)
}

/// A module script or a streamed module of another type is refused by browsers.
fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_lead_down_or_nowhere() {
        let same = |target: &str, path: &str| assert_eq!(safe_relative(target), Some(PathBuf::from(path)), "{target}");
        same("/", "index.html");
        same("/bench.html?x=1#y", "bench.html");
        same("/model/index.json", "model/index.json");
        for target in ["", "x", "/../x", "/a/../../x", "//etc/passwd", "/%2e%2e/x", "/a\\..\\x", "/C:/x", "/a\0b", "*"]
        {
            assert_eq!(safe_relative(target), None, "{target:?}");
        }
    }

    #[test]
    fn a_request_is_read_with_its_body_and_a_short_one_is_refused() {
        let read = |text: &str| read_request(text.as_bytes());
        let request = read("POST /result HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!(
            (request.method.as_str(), request.target.as_str(), request.body.as_slice()),
            ("POST", "/result", &b"{}"[..])
        );
        assert!(read("POST /result HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}").is_none());
        assert!(read("POST /result HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{}").is_none());
        assert!(read("GET / HTTP/1.1\r\n").is_none());
    }

    #[test]
    fn the_server_gives_files_of_the_first_root_that_has_them_and_takes_a_report() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let (address, reports) = start(vec![root.join("src"), root]).unwrap();
        assert!(ask(address, "GET /serve.rs HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
        assert!(ask(address, "GET /Cargo.toml HTTP/1.1\r\n\r\n").contains("cleave-xtask"));
        assert!(ask(address, "GET /../arch/Cargo.toml HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /result HTTP/1.1\r\nContent-Length: 4\r\n\r\nfive").starts_with("HTTP/1.1 204"));
        assert_eq!(reports.recv_timeout(SILENCE).unwrap(), Report::Result("five".into()));
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}
