//! The secret that a client must know: whoever reads the start URL may use the edge, nobody else.

use std::fmt;

use crate::error::EdgeError;

/// A token of visible characters that need no escaping in a URL. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// 16 random bytes: 128 bits cannot be guessed over a network.
    const RANDOM_BYTES: usize = 16;
    /// Shorter ones can be guessed.
    const MIN_LENGTH: usize = 8;
    /// Longer ones are mistakes.
    const MAX_LENGTH: usize = 256;

    /// A fresh token from the operating system's random numbers, 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`EdgeError::Random`] if the system has none.
    pub fn random() -> Result<Self, EdgeError> {
        let mut bytes = [0u8; Self::RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|why| EdgeError::Random { why: why.to_string() })?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// A token that a person chose.
    ///
    /// # Errors
    /// [`EdgeError::Token`] unless it has 8 to 256 characters of `A–Z a–z 0–9 . _ ~ -`.
    pub fn new(text: &str) -> Result<Self, EdgeError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
        if let Some(bad) = text.chars().find(|c| !is_plain(*c)) {
            return Err(EdgeError::Token { wrong: format!("holds {bad:?}") });
        }
        if !(Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&text.len()) {
            return Err(EdgeError::Token { wrong: format!("has {} characters", text.len()) });
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this token, in a time that tells nothing of where they differ.
    pub fn matches(&self, candidate: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), candidate.as_bytes());
        let same = ours.iter().zip(theirs).fold(0u8, |differs, (a, b)| std::hint::black_box(differs | (a ^ b)));
        ours.len() == theirs.len() && same == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_token_has_128_bits_and_is_not_shown() {
        let (a, b) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(a.expose().len(), 32);
        assert_ne!(a.expose(), b.expose());
        assert!(!format!("{a:?}").contains(a.expose()));
    }

    #[test]
    fn only_the_whole_token_matches() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.matches("0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF", "x123456789abcdef"] {
            assert!(!token.matches(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_token_must_fit_into_a_url() {
        let why = Token::new("with blank").unwrap_err().to_string();
        assert!(why.contains("holds ' '") && why.contains("8 to 256 characters"), "{why}");
        assert!(Token::new("short").unwrap_err().to_string().contains("has 5 characters"));
    }
}
