//! Running a partition over real workers: the driver is handed what this worker knows, and goes its own way.

use super::Worker;
use crate::cooperating::Order;
use crate::partitioning;
use cleave_contract::CooperationWish;

impl Worker {
    pub(super) fn cooperate(&mut self, wish: CooperationWish) {
        self.stop();
        let network = match partitioning::network(&wish.partition) {
            Ok(network) => network,
            Err(why) => {
                let what = "The network cannot be run over these workers";
                return self.page.fail(what, &why, "Correct it and run it again; what was found before is kept.");
            }
        };
        let order = Order {
            times: self.known_times(&network),
            wish,
            network,
            base_url: self.base_url.clone(),
            backend: self.engine.backend,
            site: self.site,
            device: self.engine.device.clone(),
        };
        self.cooperating.order(order);
    }
}
