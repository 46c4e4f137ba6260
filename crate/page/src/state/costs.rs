//! What computing costs here: what is known of the machines, and what the held network comes to on them.

use super::Shared;
use cleave_contract::{Prices, Profile};

/// Measured machines and the predictions that rest on them.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    /// What is known of the machines.
    pub profile: Option<Shared<Profile>>,
    /// What the held network costs at every cut.
    pub prices: Option<Shared<Prices>>,
    /// The profile of an earlier visit, until the worker has it.
    pub kept_profile: Option<String>,
}

impl Costs {
    /// The profile that a new worker is to begin with, as JSON. One that was kept is handed out once.
    pub(super) fn profile_to_tell(&mut self) -> Option<String> {
        let measured = self.profile.as_ref().filter(|profile| profile.rows > 0).map(|profile| profile.json.clone());
        measured.or(self.kept_profile.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::profile;

    #[test]
    fn a_profile_of_this_visit_comes_before_a_kept_one_and_an_empty_one_does_not() {
        let mut costs = Costs { kept_profile: Some("kept".into()), ..Costs::default() };
        costs.profile = Some(Shared::new(Profile { rows: 0, json: "empty".into(), ..profile() }));
        assert_eq!(costs.profile_to_tell().as_deref(), Some("kept"));
        assert_eq!(costs.profile_to_tell(), None, "the worker has it and tells of it");
        costs.profile = Some(Shared::new(Profile { json: "measured".into(), ..profile() }));
        costs.kept_profile = Some("kept".into());
        assert_eq!(costs.profile_to_tell().as_deref(), Some("measured"));
        assert_eq!(costs.kept_profile, None);
    }
}
