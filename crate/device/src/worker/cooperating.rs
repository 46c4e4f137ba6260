//! Running a partition over real workers: the driver is handed what this worker knows, and goes its own way.

use super::Worker;
use crate::cooperating::Order;
use cleave_app::cooperation::read;
use cleave_contract::CooperationWish;

impl Worker {
    pub(super) fn cooperate(&mut self, wish: CooperationWish) {
        self.stop();
        let read = match read(&wish) {
            Ok(read) => read,
            Err(why) => {
                let what = "The network cannot be run over these workers";
                let remedy = "Correct it and run it again; what was found before is kept.";
                return self.page.fail(what, &why.to_string(), remedy);
            }
        };
        let order = Order {
            times: self.known_times(&read.network),
            on_show: self.on_show.clone(),
            wish,
            read,
            base_url: self.base_url.clone(),
            backend: self.engine.backend,
            site: self.site,
            device: self.engine.device.clone(),
        };
        self.cooperating.order(order);
    }
}
