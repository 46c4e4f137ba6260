//! The connection to the edge: where the other half of a network runs.

use cleave_contract::{EdgeAddress, EdgeStatus, EdgeWait, Validation};

/// What is known of it.
#[derive(Clone, Debug)]
pub struct EdgeConnection {
    /// Where the edge half runs.
    pub status: EdgeStatus,
    /// The real edge to use, if one is known.
    pub address: Option<EdgeAddress>,
    /// What a single frame waits for before it is run.
    pub waiting: Option<EdgeWait>,
}

impl EdgeConnection {
    /// The worker has not connected to the address yet.
    pub(super) fn new(address: Option<EdgeAddress>) -> Self {
        EdgeConnection { status: EdgeStatus::Simulated, address, waiting: None }
    }

    /// The clouds for judging that the edge has, or why there are none to choose.
    pub fn judges(&self) -> Result<Validation, &'static str> {
        match &self.status {
            EdgeStatus::Connected { validation, .. } => validation
                .clone()
                .ok_or("This edge has no clouds that judge: start cleave-edge with --data and a folder of ModelNet10."),
            EdgeStatus::Simulated => {
                Err("For ModelNet10 connect a native edge that was started with --data and its folder.")
            }
            EdgeStatus::Connecting { .. } | EdgeStatus::Lost { .. } => Err("No edge is connected at the moment."),
        }
    }

    pub(super) fn connect(&mut self, address: EdgeAddress) {
        self.status = EdgeStatus::Connecting { url: address.url.clone() };
        self.address = Some(address);
    }

    pub(super) fn simulate(&mut self) {
        self.address = None;
        self.status = EdgeStatus::Simulated;
    }

    /// Returns whether frames go over another kind of edge from now on, so that latencies measured before hold no more.
    pub(super) fn take_status(&mut self, status: EdgeStatus) -> bool {
        let is_native = |status: &EdgeStatus| *status != EdgeStatus::Simulated;
        let is_another = is_native(&status) != is_native(&self.status);
        self.status = status;
        is_another
    }

    /// The worker that held the connection is gone; the next one begins anew.
    pub(super) fn forget_worker(&mut self) {
        self.status = match &self.address {
            Some(address) => EdgeStatus::Connecting { url: address.url.clone() },
            None => EdgeStatus::Simulated,
        };
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connecting() -> EdgeStatus {
        EdgeStatus::Connecting { url: "ws://h/ws".into() }
    }

    #[test]
    fn only_a_change_between_simulated_and_real_is_another_kind_of_edge() {
        let mut edge = EdgeConnection::new(None);
        assert!(!edge.take_status(EdgeStatus::Simulated));
        assert!(edge.take_status(connecting()));
        assert!(!edge.take_status(connecting()), "it is tried again");
        assert!(edge.take_status(EdgeStatus::Simulated));
    }

    #[test]
    fn the_next_worker_connects_where_the_last_one_was() {
        let mut edge = EdgeConnection::new(None);
        edge.connect(EdgeAddress { url: "ws://h/ws".into(), token: "t".into() });
        edge.waiting = Some(EdgeWait::Deployment);
        edge.take_status(EdgeStatus::Simulated);
        edge.forget_worker();
        assert_eq!((&edge.status, edge.waiting), (&connecting(), None));
        edge.simulate();
        edge.forget_worker();
        assert_eq!((edge.status, edge.address.is_none()), (EdgeStatus::Simulated, true));
    }
}
