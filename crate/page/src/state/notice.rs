//! What a person is told when something went wrong; it lies above the page and destroys nothing.

/// Something that went wrong: what, why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What did not work.
    pub what: String,
    /// The cause.
    pub why: String,
    /// What the person can do.
    pub remedy: String,
}
