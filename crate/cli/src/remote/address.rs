//! Where an edge listens, from any of the forms a person has at hand.

use std::fmt;

use anyhow::{Context, Result, bail};

/// An edge's socket and secret. Its `Display` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Host and port: `127.0.0.1:8787`.
    pub authority: String,
    /// The edge's secret.
    pub token: String,
}

impl Address {
    /// Reads the start URL that an edge prints (`http://host:port/#token=…`), or `http://`, `ws://` or no scheme at
    /// all with the token given apart.
    ///
    /// # Errors
    /// What is wrong with the URL, or that there is no token.
    pub fn parse(url: &str, token: Option<&str>) -> Result<Self> {
        let right = "write the URL that cleave-edge printed, such as http://127.0.0.1:8787/#token=…";
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        let rest = match rest.split_once("://") {
            Some(("http" | "ws", rest)) => rest,
            Some((scheme, _)) => bail!("the edge's URL has the scheme \"{scheme}\", which is not spoken here; {right}"),
            None => rest,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let has_port =
            authority.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !has_port {
            bail!("the edge's URL \"{url}\" has no host and port; {right}");
        }
        let in_url = fragment.split('&').find_map(|part| part.strip_prefix("token="));
        let token =
            token.or(in_url).context("no token is given; add --token with what cleave-edge printed behind #token=")?;
        Ok(Self { authority: authority.to_owned(), token: token.to_owned() })
    }

    /// What to open a WebSocket to.
    pub fn socket_url(&self) -> String {
        format!("ws://{}/ws", self.authority)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}/", self.authority)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, token …)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_url_is_enough() {
        let address = Address::parse("http://127.0.0.1:8787/#token=abc", None).unwrap();
        assert_eq!((address.socket_url().as_str(), address.token.as_str()), ("ws://127.0.0.1:8787/ws", "abc"));
        assert_eq!(format!("{address} {address:?}").matches("abc").count(), 0);
    }

    #[test]
    fn other_forms_take_the_token_apart() {
        for url in ["ws://edge:1/ws", "edge:1", "http://edge:1", "http://edge:1/#token=other"] {
            let address = Address::parse(url, Some("abc")).unwrap();
            assert_eq!((address.authority.as_str(), address.token.as_str()), ("edge:1", "abc"), "{url}");
        }
        assert_eq!(Address::parse("[::1]:80", Some("abc")).unwrap().socket_url(), "ws://[::1]:80/ws");
    }

    #[test]
    fn what_is_missing_is_named() {
        let why = |url, token| format!("{:#}", Address::parse(url, token).unwrap_err());
        assert!(why("https://edge:1/", Some("a")).contains("\"https\""));
        assert!(why("http://edge/", Some("a")).contains("no host and port"));
        assert!(why("http://:80/", Some("a")).contains("no host and port"));
        assert!(why("http://edge:1/", None).contains("--token"));
    }
}
