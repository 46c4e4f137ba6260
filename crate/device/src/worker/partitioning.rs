//! Planning how several workers share a network: one request at a time, between the page's other ones. What is
//! planned is `app`'s; here operators are timed on this thread, and the page is heard between two steps.

use super::Worker;
use crate::browser::turn;
use crate::error::DeviceError;
use crate::input::Input;
use crate::port::Page;
use crate::probing::{Cancelled, measure};
use cleave_app::cooperation::RequestError;
use cleave_app::operators::OperatorTimes;
use cleave_app::partition::{Planned, Planning, Workers, view};
use cleave_contract::{Backend, Event, Failure, LongWork, PartitionRequest};
use cleave_graph::{Graph, zoo};
use cleave_partition::Strategy;

impl Worker {
    pub(super) fn partition(&mut self, request: PartitionRequest) {
        self.stop_all();
        let read = Workers::of_request(&request).map_err(RequestError::from);
        let (network, workers) = match read.and_then(|workers| Ok((zoo::network(&request.network)?, workers))) {
            Ok(read) => read,
            Err(why) => return self.page.fail(Failure::Partition, why),
        };
        let cancelled = Cancelled::default();
        self.partitioning = Some(cancelled.clone());
        let known = self.known_times(&network);
        let (device, engine) = (self.engines.device().clone(), self.backend);
        let (page, mailbox) = (self.page.clone(), self.mailbox.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let done = async {
                let times = match known {
                    Some(times) => times,
                    None => match measure(&network, &device, measuring(&page), &cancelled).await? {
                        Some(times) => times,
                        None => return Ok(None),
                    },
                };
                mailbox.put(Input::OperatorTimes(engine, times.clone()));
                let planning = Planning::new(network, workers, times, Strategy::ALL.to_vec());
                plan(planning.with_sweep(request.setup_ms), &page, &cancelled).await
            };
            let done: Result<_, DeviceError> = done.await;
            match done {
                Ok(Some(planned)) => {
                    page.post(Event::Partitions(view::partitions(request.clone(), &planned)));
                    mailbox.put(Input::Planned(request, Box::new(planned)));
                }
                Ok(None) => {}
                Err(why) => page.fail(Failure::Partition, why),
            }
        });
    }

    /// What the network's operators take on the engine in use, if they have been measured.
    pub(super) fn known_times(&self, network: &Graph) -> Option<OperatorTimes> {
        let name = network.to_string();
        let own = |(engine, times): &&(Backend, OperatorTimes)| *engine == self.backend && times.network() == name;
        self.operator_times.iter().find(own).map(|(_, times)| times.clone())
    }

    /// Keeps what operators take on an engine, instead of what was known of the same.
    pub(super) fn keep_times(&mut self, engine: Backend, times: OperatorTimes) {
        self.operator_times.retain(|(of, other)| (*of, other.network()) != (engine, times.network()));
        self.operator_times.push((engine, times));
    }

    pub(super) fn end_partition(&mut self) {
        if let Some(cancelled) = self.partitioning.take() {
            cancelled.set(true);
        }
    }
}

/// None: cancelled.
async fn plan(mut planning: Planning, page: &Page, cancelled: &Cancelled) -> Result<Option<Planned>, DeviceError> {
    loop {
        tell(page, LongWork::PlanPartition, planning.progress());
        turn().await;
        if cancelled.get() {
            return Ok(None);
        }
        if !planning.step()? {
            return Ok(Some(planning.finish()));
        }
    }
}

fn measuring(page: &Page) -> impl Fn(usize, usize) {
    move |done, total| tell(page, LongWork::MeasureOperators, (done, total))
}

fn tell(page: &Page, what: LongWork, (done, total): (usize, usize)) {
    page.post(Event::Progress { what, done: done as u64, total: total as u64 });
}
