//! Running a partition over real workers: the driver is handed what this worker knows, and goes its own way.

use super::Worker;
use crate::cooperating::Order;
use cleave_app::cooperation::read;
use cleave_contract::{CooperationRequest, Failure};

impl Worker {
    pub(super) fn cooperate(&mut self, request: CooperationRequest) {
        self.stop_all();
        let read = match read(&request) {
            Ok(read) => read,
            Err(why) => return self.page.fail(Failure::Cooperation, why),
        };
        let order = Order {
            times: self.known_times(&read.network),
            on_show: self.on_show.clone(),
            request,
            read,
            base_url: self.base_url.clone(),
            backend: self.backend,
            site: self.site,
            device: self.engines.device().clone(),
        };
        self.cooperating.order(order);
    }
}
