//! Which network runs: those to choose from, the one that the worker holds, and the one that it has been asked for.

use super::Shared;
use crate::pipeline::Held;
use cleave_contract::Intent;

/// The network that needs no file: its weights are random.
pub const DGCNN: &str = "dgcnn";

/// A network that `model/index.json` ships.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The name that [`Intent::Network`] takes.
    pub name: String,
    /// Its test accuracy in 0..=1, where the index states one.
    pub accuracy: Option<f64>,
}

/// From the choice to what runs.
#[derive(Clone, Debug, Default)]
pub struct NetworkChoice {
    /// The shipped networks, once the index has been read.
    pub listed: Option<Vec<Listed>>,
    /// The network that the worker holds, with everything derived from it.
    pub held: Option<Shared<Held>>,
    /// What the held network was asked for by; its own name may be another.
    pub in_use: String,
    /// The network asked for and not yet held.
    pub wanted: Option<String>,
}

impl NetworkChoice {
    /// The name by which a network of the settings is asked for: an empty one stands for the first that is shipped.
    pub fn name(&self, chosen: &str) -> String {
        let first = || self.listed.iter().flatten().next().map(|listed| listed.name.clone());
        match chosen {
            "" => first().unwrap_or_else(|| DGCNN.into()),
            name => name.into(),
        }
    }

    /// Whether the network on show is there and not about to be replaced.
    pub fn is_settled(&self) -> bool {
        self.held.is_some() && self.wanted.is_none()
    }

    /// Whether this network is other than the one that is held, wherever both are cut.
    pub(super) fn is_another(&self, held: &Held) -> bool {
        self.held.as_ref().is_none_or(|before| {
            before.about.name != held.about.name || !before.mapping.is_of_same_network(&held.mapping)
        })
    }

    /// The mapping on show, as the worker has to know it.
    pub(super) fn plan_intent(&self) -> Vec<Intent> {
        let mapping = self.held.iter().map(|held| &held.mapping);
        mapping.map(|of| Intent::Plan { plan: of.to_string(), codec: of.codec().to_string() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::network;
    use cleave_arch::LinkCodec;

    fn held(plan: &str) -> Held {
        Held::new(network(plan), LinkCodec::default()).unwrap()
    }

    #[test]
    fn no_choice_is_the_first_that_is_shipped_and_without_any_dgcnn() {
        let mut choice = NetworkChoice::default();
        assert_eq!((choice.name(""), choice.name("own")), (DGCNN.into(), "own".into()));
        let listed = |name: &str| Listed { name: name.into(), accuracy: None };
        choice.listed = Some(vec![listed("compact"), listed("large")]);
        assert_eq!(choice.name(""), "compact");
    }

    #[test]
    fn a_network_that_was_asked_for_leaves_the_held_one_unsettled() {
        let mut choice = NetworkChoice::default();
        assert!(!choice.is_settled() && choice.plan_intent().is_empty());
        choice.held = Some(Shared::new(held("3 2 1 4,0 6 3 0")));
        assert!(choice.is_settled() && choice.plan_intent().len() == 1);
        choice.wanted = Some("other".into());
        assert!(!choice.is_settled());
    }

    #[test]
    fn another_cut_is_not_another_network() {
        let mut choice = NetworkChoice::default();
        let small = held("3 2 1 4,0 6 3 0");
        assert!(choice.is_another(&small));
        choice.held = Some(Shared::new(small));
        assert!(!choice.is_another(&held("3 2 5 1 4,0 6 0 3 0")));
        assert!(choice.is_another(&held("3 2 4,0 6 0")));
    }
}
