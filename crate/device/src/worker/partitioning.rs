//! Planning how several workers share an image network: one wish at a time, between the page's other wishes.

use super::{Input, Worker};
use crate::partitioning::{self, Cancelled, MEASURING, PLANNING, Times};
use cleave_arch::cnn::Network;
use cleave_contract::{Backend, Event, PartitionWish};

/// What is said when it cannot be done.
const WHAT: &str = "The network cannot be partitioned";

impl Worker {
    pub(super) fn partition(&mut self, wish: PartitionWish) {
        self.stop();
        let network = match partitioning::network(&wish) {
            Ok(network) => network,
            Err(why) => return self.page.fail(WHAT, &why, "Correct it and plan again; what was found before is kept."),
        };
        let cancelled = Cancelled::default();
        self.partitioning = Some(cancelled.clone());
        let known = self.known_times(&network);
        let (device, engine) = (self.engine.device.clone(), self.engine.backend);
        let (page, mailbox) = (self.page.clone(), self.mailbox.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let tell = |what: &str, done: usize, total: usize| {
                page.post(Event::Progress { what: what.into(), done: done as u64, total: total as u64 });
            };
            let done = async {
                let times = match known {
                    Some(times) => times,
                    None => match partitioning::measure(&network, &device, &tell, &cancelled).await? {
                        Some(times) => times,
                        None => return Ok(None),
                    },
                };
                mailbox.put(Input::OperatorTimes(engine, times.clone()));
                partitioning::plan(&wish, &network, &times, &tell, &cancelled).await
            };
            let done: Result<_, String> = done.await;
            [MEASURING, PLANNING].iter().for_each(|what| tell(what, 1, 1));
            match done {
                Ok(Some(found)) => page.post(Event::Partitions(found)),
                Ok(None) => {}
                Err(why) => page.fail(WHAT, &why, "Choose a smaller network, or other workers, and plan again."),
            }
        });
    }

    /// What the network's operators take on the engine in use, if they have been measured.
    pub(super) fn known_times(&self, network: &Network) -> Option<Times> {
        let name = network.to_string();
        let own = |(engine, times): &&(Backend, Times)| *engine == self.engine.backend && times.network == name;
        self.operator_times.iter().find(own).map(|(_, times)| times.clone())
    }

    /// Keeps what operators take on an engine, instead of what was known of the same.
    pub(super) fn keep_times(&mut self, engine: Backend, times: Times) {
        self.operator_times.retain(|(of, other)| (*of, &other.network) != (engine, &times.network));
        self.operator_times.push((engine, times));
    }

    pub(super) fn end_partition(&mut self) {
        if let Some(cancelled) = self.partitioning.take() {
            cancelled.set(true);
        }
    }
}
