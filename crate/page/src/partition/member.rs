//! The workers beside this tab as they are typed: another one of this browser, or a native edge with its address and token.

use crate::needed::Needed;
use cleave_contract::{EdgeAddress, MemberRequest};

/// Where a native edge is looked for until another address is typed.
pub const FIRST_ADDRESS: &str = "ws://127.0.0.1:8787";

/// A worker's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// A native edge, instead of a worker of this browser.
    pub is_edge: bool,
    /// The edge's address.
    pub at: String,
    /// What lets us in; never part of the page's address.
    pub token: String,
}

impl Member {
    /// The worker at this address; of this browser, if that is empty.
    pub fn at(place: &str) -> Self {
        Member { is_edge: !place.is_empty(), at: place.into(), token: String::new() }
    }

    /// Its address as it is right; empty for a worker of this browser.
    ///
    /// # Errors
    /// [`Needed::Address`].
    pub fn place(&self) -> Result<String, Needed> {
        if self.is_edge { address(&self.at) } else { Ok(String::new()) }
    }

    /// What is asked for, once it is right.
    pub fn request(&self) -> Option<MemberRequest> {
        let url = self.place().ok()?;
        let edge = || EdgeAddress { url, token: self.token.trim().into() };
        Some(if self.is_edge { MemberRequest::Edge(edge()) } else { MemberRequest::Browser })
    }

    /// What lets somebody in at one address is not sent to another.
    pub fn forget_token_of(&mut self, before: &Self) {
        let was_known = before.place().is_ok_and(|place| !place.is_empty());
        if was_known && self.token == before.token && self.place() != before.place() {
            self.token.clear();
        }
    }

    /// Takes over the token of an edge that is known already.
    pub fn let_in(&mut self, known: Option<&EdgeAddress>) {
        let known = known.filter(|known| place_of(&known.url) == self.place().ok().filter(|at| !at.is_empty()));
        if let Some(known) = known.filter(|_| self.token.is_empty()) {
            self.token = known.token.clone();
        }
    }
}

/// The address of a cooperating edge, of which this page knows the socket for frames.
pub fn place_of(url: &str) -> Option<String> {
    address(url.strip_suffix("/ws").unwrap_or(url)).ok()
}

/// An address as it was typed, without a slash at its end.
///
/// # Errors
/// [`Needed::Address`].
pub fn address(text: &str) -> Result<String, Needed> {
    let text = text.trim().trim_end_matches('/');
    let parts = text.strip_prefix("ws://").and_then(|rest| rest.rsplit_once(':'));
    let is_host = |host: &str| {
        let is_six = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || "/?#@,\\".contains(c) || (c == ':' && !is_six))
    };
    let is_port = |port: &str| port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0);
    let is_right = parts.is_some_and(|(host, port)| is_host(host) && is_port(port));
    is_right.then(|| text.to_owned()).ok_or(Needed::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_host_and_port_and_no_path() {
        for right in ["ws://127.0.0.1:8787", "ws://[::1]:80", "ws://edge:1"] {
            assert_eq!(address(right), Ok(right.into()));
        }
        assert_eq!(address(" ws://edge:8787/ "), Ok("ws://edge:8787".into()));
        let wrong = ["", "edge:1", "ws://edge", "ws://edge:0", "ws://edge:+1", "ws://edge:99999", "ws://edge:1/ws"];
        for wrong in wrong.into_iter().chain(["wss://edge:1", "ws://:1", "ws://a,b:1", "ws://me@edge:1", "ws://a:b:1"])
        {
            assert!(address(wrong).unwrap_err().to_string().contains("ws://HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn a_known_edge_lets_in_and_another_does_not() {
        let known = EdgeAddress { url: "ws://h:1/ws".into(), token: "secret".into() };
        let token = |mut member: Member| {
            member.let_in(Some(&known));
            member.token
        };
        assert_eq!(token(Member::at("ws://h:1")), "secret");
        assert_eq!(token(Member::at("ws://h:2")), "");
        assert_eq!(token(Member::at("")), "");
        assert_eq!(token(Member { token: "typed".into(), ..Member::at("ws://h:1") }), "typed");
        assert_eq!(place_of("wss://h/ws"), None);
    }

    #[test]
    fn a_token_stays_with_its_address() {
        let before = Member { token: "secret".into(), ..Member::at("ws://h:1") };
        let after = |token: &str, address: &str| {
            let mut member = Member { token: token.into(), ..Member::at(address) };
            member.forget_token_of(&before);
            member.token
        };
        assert_eq!(after("secret", "ws://h:2"), "");
        assert_eq!(after("secret", "ws://h:1"), "secret");
        assert_eq!(after("other", "ws://h:2"), "other");
    }

    #[test]
    fn a_member_is_asked_for_once_it_is_right() {
        assert_eq!(Member::default().request(), Some(MemberRequest::Browser));
        let edge = Member { token: " t ".into(), ..Member::at("ws://h:1/") };
        assert_eq!(
            edge.request(),
            Some(MemberRequest::Edge(EdgeAddress { url: "ws://h:1".into(), token: "t".into() }))
        );
        assert_eq!(Member::at("h").request(), None);
    }
}
