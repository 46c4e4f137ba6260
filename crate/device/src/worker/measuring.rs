//! What things cost: prices for the page, profiles, and calibrations.

use super::{Input, Worker};
use crate::browser::fetch;
use crate::calibrating::Calibrating;
use crate::profiling::Profiling;
use cleave_app::pricing::{Conditions, EdgeSite, Predictor, Prices, measured_stages};
use cleave_arch::Task;
use cleave_contract::{self as contract, Backend, Event};
use cleave_cost::{Profile, Table};
use cleave_session::{FrameReport, Measured, Outcome};
use std::rc::Rc;

/// What is said while the machines are measured, and while predictions are corrected.
const MEASURING: &str = "Measuring";
const CALIBRATING: &str = "Calibrating";

/// The learned predictor's file, below the page's address.
const PREDICTOR: &str = "model/predictor/gin.safetensors";

impl Worker {
    /// Those of now.
    pub(super) fn conditions(&self) -> Conditions {
        let edge = if self.link.is_native() { EdgeSite::Native } else { EdgeSite::InThisTab };
        Conditions { link: self.shape, edge }
    }

    pub(super) fn prices(&mut self) -> Rc<Prices> {
        self.pricing.under(self.conditions())
    }

    pub(super) fn tell_prices(&mut self) {
        let prices = self.prices();
        let (Some(network), Some(plan)) = (&self.network, &self.plan) else { return };
        self.page.post(Event::Prices(prices.list(plan, network.gnn.trace(), &network.card.task)));
    }

    pub(super) fn tell_profile(&mut self) {
        self.page.post(Event::Profile(self.pricing.profile_view()));
        self.tell_prices();
    }

    /// The predictor comes when it comes; until then, and without it, the table predicts.
    pub(super) fn fetch_predictor(&self) {
        let (mailbox, url) = (self.mailbox.clone(), format!("{}{PREDICTOR}", self.base_url));
        wasm_bindgen_futures::spawn_local(async move {
            mailbox.put(Input::Predictor(fetch(&url).await));
        });
    }

    pub(super) fn learn(&mut self, file: Result<Vec<u8>, String>) {
        self.predictor_came = true;
        // A page that ships none predicts by the table.
        match file.map(|bytes| Predictor::from_safetensors(&bytes)) {
            Ok(Ok(predictor)) => {
                self.pricing.set_predictor(predictor);
                self.tell_prices();
            }
            Ok(Err(why)) => {
                let remedy = "Predictions go by the table; reload the page to try again.";
                self.page.fail("The learned predictor cannot be used", &why.to_string(), remedy);
            }
            Err(_) => {}
        }
        if let Some(text) = self.shared.take() {
            self.open_shared(text);
        }
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.profiling.is_some() || self.calibrating.is_some()
    }

    pub(super) fn use_profile(&mut self, json: &str) {
        match Profile::from_json(json) {
            Ok(profile) => {
                self.pricing.set_profile(profile);
                self.tell_profile();
            }
            Err(why) => self.page.fail(
                "The profile cannot be used",
                &why.to_string(),
                "Import a file that this page or `cleave profile` has written; the profile before is kept.",
            ),
        }
    }

    pub(super) fn draw(&mut self, powers: contract::Powers) {
        if let Err(why) = self.pricing.set_powers(powers) {
            self.page.fail("The power cannot be used", &why.to_string(), "Correct it; the powers before are kept.");
        }
        self.tell_profile();
    }

    /// Emulates a slower device. A profile goes on: it measures the device as it is.
    pub(super) fn slow_down(&mut self, times: f64) {
        self.end_calibration();
        if let Err(why) = self.pricing.set_slowdown(times) {
            return self.page.fail(
                "The device cannot be slowed down",
                &why.to_string(),
                "Choose another factor; the one before is kept.",
            );
        }
        self.jobs.slow_down(times);
        self.tell_prices();
        if let Some(target) = self.dispatch_wish.filter(|_| self.dispatching.is_some()) {
            self.begin_dispatch(target);
        }
    }

    pub(super) fn profile(&mut self, quick: bool) {
        self.stop();
        let task = self.network.as_ref().map_or_else(Task::modelnet10, |network| network.card.task);
        let engine = match self.engine.backend {
            Backend::Wasm => "wasm SIMD, one thread",
            Backend::WebGpu => "WebGPU",
        };
        let edge = self.link.native_edge().map(|(name, threads)| Table::new(name, format!("CPU, {threads} threads")));
        let before = Some(self.pricing.profile().clone());
        let device = Table::new("browser", engine);
        self.profiling = Some(Profiling::new(quick, &task, before, device, edge, self.asked));
        let effects = self.link.reshape(contract::Link::UNSHAPED);
        self.perform(effects);
        self.ask();
    }

    /// Begins with what the profiler wants next, or ends the profile.
    pub(super) fn ask(&mut self) {
        let Some(profiling) = &mut self.profiling else { return };
        let (done, total) = profiling.progress();
        self.page.post(Event::Progress { what: MEASURING.into(), done: done as u64, total: total as u64 });
        let Some(events) = profiling.ask(&self.engine.device, &self.mailbox) else { return self.end_profile() };
        self.asked = profiling.unused();
        for event in events {
            let effects = self.link.device(event);
            self.perform(effects);
        }
    }

    /// What an earlier profile had asked for, which was stopped meanwhile, concerns nobody.
    pub(super) fn probed(&mut self, id: u32, result: Result<Measured, String>) {
        let Some(profiling) = self.profiling.as_mut().filter(|profiling| profiling.expects(id)) else { return };
        profiling.probed(result);
        self.ask();
    }

    pub(super) fn measured(&mut self, id: u32, result: Result<Measured, String>) {
        if !self.profiling.as_ref().is_some_and(|profiling| profiling.expects(id)) {
            return;
        }
        if self.link.native_edge().is_none() {
            return self.lose_edge_while_measuring();
        }
        self.probed(id, result);
    }

    pub(super) fn echoed(&mut self, id: u32, result: Result<cleave_session::Echo, String>) {
        if let Some(dispatching) = &mut self.dispatching {
            dispatching.echoed(id, result.as_ref().ok());
        }
        let Some(profiling) = self.profiling.as_mut().filter(|profiling| profiling.expects(id)) else { return };
        match result {
            Ok(echo) => {
                if profiling.echoed(&echo) {
                    self.ask();
                }
            }
            Err(_) => self.lose_edge_while_measuring(),
        }
    }

    pub(super) fn lose_edge_while_measuring(&mut self) {
        let remedy = "What was measured is kept: measure again when the edge is back, and it goes on from there.";
        self.page.fail("The measurement stopped", "the edge was lost", remedy);
        self.end_profile();
    }

    /// Keeps what there is, complete or not, and gives the link its conditions back.
    pub(super) fn end_profile(&mut self) {
        let Some(profiling) = self.profiling.take() else { return };
        let effects = self.link.reshape(self.shape);
        self.perform(effects);
        self.pricing.set_profile(profiling.profile().clone());
        self.page.post(Event::Progress { what: MEASURING.into(), done: 1, total: 1 });
        self.tell_profile();
    }

    pub(super) fn calibrate(&mut self) {
        self.stop();
        match (&self.plan, self.arrays()) {
            (Some(plan), Ok(_)) => {
                self.calibrating = Some(Calibrating::new(plan));
                self.run_calibration(true);
            }
            _ => {
                let why = "there is no network or no shape to run";
                self.page.fail("The calibration did not start", why, "Choose both, then calibrate again.");
                self.tell_profile();
            }
        }
    }

    /// Submits the calibration's next frame.
    pub(super) fn run_calibration(&mut self, plan_is_new: bool) {
        let (Some(calibrating), Some(network)) = (&self.calibrating, self.network.clone()) else { return };
        let (done, total) = calibrating.progress();
        self.page.post(Event::Progress { what: CALIBRATING.into(), done: done as u64, total: total as u64 });
        let Some(plan) = calibrating.plan().cloned() else { return self.end_calibration() };
        if plan_is_new {
            self.use_plan(&network, plan);
        }
        self.submit();
    }

    pub(super) fn calibrated(&mut self, report: &FrameReport) {
        let prices = self.prices();
        let (Some(calibrating), Some(network)) = (&mut self.calibrating, &self.network) else { return };
        if report.outcome == Outcome::AsPlanned {
            let plan = report.work.plan();
            let predicted = prices.machines().uncalibrated(plan, network.gnn.trace(), &network.card.task);
            let is_new = calibrating.measured(predicted, measured_stages(report));
            return self.run_calibration(is_new);
        }
        if calibrating.missed() {
            return self.run_calibration(false);
        }
        self.end_calibration();
        let remedy = "Connect the edge, or run its half in this tab, and calibrate again.";
        self.page.fail("The calibration stopped", "frames did not go as planned", remedy);
    }

    /// Takes what was measured, if it is enough, and goes back to the plan that was there.
    pub(super) fn end_calibration(&mut self) {
        let Some(calibrating) = self.calibrating.take() else { return };
        self.page.post(Event::Progress { what: CALIBRATING.into(), done: 1, total: 1 });
        if calibrating.plan().is_none() {
            self.pricing.calibrate(calibrating.pairs());
        }
        if let Some(network) = self.network.clone() {
            self.use_plan(&network, calibrating.restore);
        }
        self.tell_profile();
    }
}
