//! Who may speak to the edge. A page from elsewhere can make a browser connect to this machine, so a request is
//! believed only if it names this edge (`Host`, against DNS rebinding) and comes from its page or an allowed one
//! (`Origin`). A client that is no browser sends no `Origin`; it must show the token before the upgrade.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::config::Config;
use crate::token::Token;

/// The rules of one edge.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Token,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request was refused: what was wrong and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denied(String);

impl Guard {
    pub(crate) fn new(config: &Config) -> Self {
        let lower =
            |names: &[String]| names.iter().map(|name| name.trim_end_matches('/').to_ascii_lowercase()).collect();
        Self { token: config.token.clone(), hosts: lower(&config.allow_hosts), origins: lower(&config.allow_origins) }
    }

    /// The request must name this edge. The port is left open, so that a forwarded one works.
    pub(crate) fn check_host(&self, headers: &HeaderMap, local: SocketAddr) -> Result<(), Denied> {
        let right = || {
            format!("use http://{local}/ or http://localhost:{}/, or allow the name with --allow-host", local.port())
        };
        let Some(text) = only(headers, HOST) else {
            return Err(Denied(format!("The request has no single Host header; {}.", right())));
        };
        let host = text.parse::<Authority>().map(|authority| authority.host().to_ascii_lowercase()).unwrap_or_default();
        let names_user = text.contains('@');
        if !names_user && (is_this_machine(&host, local.ip()) || self.hosts.contains(&host)) {
            return Ok(());
        }
        Err(Denied(format!("The request is for the host {text:?}, which is not this edge; {}.", right())))
    }

    /// The upgrade of a worker: a page must be one that may use the edge; everyone else shows in its greeting that it
    /// knows the token, or the number of a group.
    pub(crate) fn check_worker(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if headers.contains_key(ORIGIN) { self.check_upgrade(headers) } else { Ok(()) }
    }

    /// The upgrade to a session must come from a page that may use the edge, or show the token.
    pub(crate) fn check_upgrade(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if !headers.contains_key(ORIGIN) {
            return self.check_bearer(headers);
        }
        let origin = only(headers, ORIGIN).unwrap_or_default().to_ascii_lowercase();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let is_own = authority.is_some() && authority == only(headers, HOST).map(str::to_ascii_lowercase).as_deref();
        if is_own || self.origins.contains(&origin) {
            return Ok(());
        }
        Err(Denied(format!(
            "The origin {origin:?} may not use this edge; open the page from the edge itself, or start the edge with --allow-origin {origin}."
        )))
    }

    fn check_bearer(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let right = "send the token of the start URL as \"Authorization: Bearer TOKEN\"";
        let bearer = only(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        match bearer {
            None => Err(Denied(format!("The request has neither an Origin nor a token; {right}."))),
            Some(token) if !self.token.matches(token.trim()) => {
                Err(Denied(format!("The token is not this edge's; {right}, as printed when the edge was started.")))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The header's value if there is exactly one and it is plain text.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// A literal address cannot be rebound, so the one that the connection came in on is right wherever the edge listens.
fn is_this_machine(host: &str, local: IpAddr) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.to_canonical() == local.to_canonical() || address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        refusal(StatusCode::FORBIDDEN, self.0)
    }
}

/// A plain text that a person or a program's log can show.
pub(crate) fn refusal(status: StatusCode, text: String) -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, plain)], text + "\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let mut config = Config::new(Token::new("0123456789abcdef").unwrap());
        config.allow_hosts = vec!["Edge.Example".into()];
        config.allow_origins = vec!["http://localhost:8080/".into()];
        Guard::new(&config)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_this_edge_is_a_right_host() {
        let local = "192.168.1.5:8787".parse().unwrap();
        let check = |host| guard().check_host(&headers(&[("host", host)]), local);
        for right in
            ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "192.168.1.5:8787", "LOCALHOST:9000", "edge.example"]
        {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in
            ["evil.example", "localhost.evil.example:8787", "192.168.1.6", "user@localhost", "", "127.0.0.1.evil"]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        let why = check("evil.example:8787").unwrap_err().0;
        assert!(why.contains("evil.example") && why.contains("--allow-host"), "{why}");
        assert!(guard().check_host(&headers(&[]), local).is_err());
        assert!(guard().check_host(&headers(&[("host", "localhost"), ("host", "evil.example")]), local).is_err());
    }

    #[test]
    fn an_upgrade_needs_an_allowed_origin_or_the_token() {
        let check =
            |pairs: &[(&'static str, &'static str)]| guard().check_upgrade(&headers(pairs)).map_err(|why| why.0);
        let host = ("host", "127.0.0.1:8787");
        assert_eq!(check(&[host, ("origin", "http://127.0.0.1:8787")]), Ok(()));
        assert_eq!(check(&[host, ("origin", "http://localhost:8080")]), Ok(()));
        assert_eq!(check(&[host, ("authorization", "Bearer 0123456789abcdef")]), Ok(()));
        for origin in
            ["http://127.0.0.1:8788", "https://evil.example", "null", "http://127.0.0.1:8787.evil.example", ""]
        {
            let why = check(&[host, ("origin", origin)]).unwrap_err();
            assert!(why.contains("--allow-origin"), "{why}");
        }
        assert!(check(&[host]).unwrap_err().contains("neither an Origin nor a token"));
        assert!(check(&[host, ("authorization", "Bearer 0123456789abcdee")]).unwrap_err().contains("not this edge's"));
        // A token does not excuse a foreign page.
        let foreign = [host, ("origin", "http://evil.example"), ("authorization", "Bearer 0123456789abcdef")];
        assert!(check(&foreign).is_err());
    }
}
