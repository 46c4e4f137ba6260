//! What a refusal says before it is known what it is about.

use cleave_wire::{Refusal, RefusalCode, Subject};

/// A refusal whose subject the caller names.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) code: RefusalCode,
    pub(crate) wrong: String,
    pub(crate) right: String,
}

impl Wrong {
    pub(crate) fn new(code: RefusalCode, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { code, wrong: wrong.into(), right: right.into() }
    }

    pub(crate) fn about(self, subject: Subject) -> Refusal {
        Refusal { subject, code: self.code, wrong: self.wrong, right: self.right }
    }
}
