//! What things cost: prices for the page, profiles, and calibrations.

use super::App;
use crate::calibration::CalibrationRun;
use crate::effect::{Effect, FetchError, File, Ticket};
use crate::pricing::{Predictor, measured_stages};
use crate::profiling::{Asked, Profiling};
use cleave_arch::Task;
use cleave_contract::{self as contract, Backend, Event, Failure, LongWork};
use cleave_cost::{Profile, Subject, Table};
use cleave_session::{Echo, FrameReport, MeasureError, Measured, Outcome};

/// The learned predictor's file.
pub(super) const PREDICTOR: &str = "model/predictor/gin.safetensors";

/// Measurements under way; a profile or a calibration, not both.
#[derive(Default)]
pub(super) struct Measuring {
    profiling: Option<Profiling>,
    calibration: Option<CalibrationRun>,
    /// A number for measurements above those used before.
    asked: u32,
}

impl Measuring {
    pub(super) fn is_busy(&self) -> bool {
        self.is_profiling() || self.is_calibrating()
    }

    pub(super) fn is_profiling(&self) -> bool {
        self.profiling.is_some()
    }

    pub(super) fn is_calibrating(&self) -> bool {
        self.calibration.is_some()
    }

    /// Whether this frame is of the calibration under way.
    pub(super) fn calibrates_by(&self, frame: u64) -> bool {
        self.calibration.as_ref().is_some_and(|run| run.frame == Some(frame))
    }

    /// The profile under way that has asked for this.
    fn expecting(&mut self, id: u32) -> Option<&mut Profiling> {
        self.profiling.as_mut().filter(|profiling| profiling.expects(id))
    }
}

impl App {
    pub(super) fn tell_profile(&mut self) {
        let profile = self.pricing.profile_view();
        self.tell(Event::Profile(profile));
        self.tell_prices();
    }

    pub(super) fn fetched(&mut self, file: File, bytes: Result<Vec<u8>, FetchError>) {
        match file {
            File::Network(Ticket::Current(number)) => self.network_fetched(number, bytes),
            File::Network(Ticket::Zoo(place)) => self.zoo_fetched(place, bytes),
            File::Index => self.index_fetched(bytes),
            File::Predictor => self.learn(bytes),
            File::Supernet => self.supernet_came(bytes),
        }
    }

    /// The predictor comes when it comes; until then, and without it, the table predicts.
    fn learn(&mut self, file: Result<Vec<u8>, FetchError>) {
        // A page that ships none predicts by the table.
        match file.map(|bytes| Predictor::from_safetensors(&bytes)) {
            Ok(Ok(predictor)) => {
                self.pricing.set_predictor(predictor);
                self.tell_prices();
            }
            Ok(Err(why)) => self.fail(Failure::Predictor, why),
            Err(_) => {}
        }
        self.predictor_is_known();
    }

    pub(super) fn use_profile(&mut self, json: &str) {
        match Profile::from_json(json) {
            Ok(profile) => {
                self.interrupt_calibration("another profile is used");
                self.end_profile();
                self.pricing.set_profile(profile);
                self.tell_profile();
            }
            Err(why) => self.fail(Failure::Profile, why),
        }
    }

    pub(super) fn draw(&mut self, powers: contract::Powers) {
        if let Err(why) = self.pricing.set_powers(powers) {
            self.fail(Failure::Power, why);
        }
        self.tell_profile();
    }

    /// Emulates a slower device. A profile goes on: it measures the device as it is.
    pub(super) fn slow_down(&mut self, times: f64) {
        self.end_calibration();
        if let Err(why) = self.pricing.set_slowdown(times) {
            return self.fail(Failure::SlowDown, why);
        }
        self.effects.push(Effect::SlowDown(times));
        self.tell_prices();
        self.dispatch_again();
    }

    // ---- a profile

    pub(super) fn profile(&mut self, quick: bool) {
        self.stop();
        let current = self.networks.current.as_ref();
        let subject = current.map_or(Subject::Task(Task::modelnet10()), |network| Subject::of(&network.mapping));
        let engine = match self.engine.as_ref().map(|engine| engine.backend) {
            Some(Backend::WebGpu) => "WebGPU",
            Some(Backend::Wasm) | None => "wasm SIMD, one thread",
        };
        let edge =
            self.offload.native_edge().map(|(name, threads)| Table::new(name, format!("CPU, {threads} threads")));
        let before = Some(self.pricing.profile().clone());
        let device = Table::new("browser", engine);
        self.measuring.profiling = Some(Profiling::new(quick, &subject, before, device, edge, self.measuring.asked));
        self.reshape(contract::Link::UNSHAPED);
        self.ask();
    }

    /// Begins with what the profiler wants next, or ends the profile.
    fn ask(&mut self) {
        let Some(profiling) = &mut self.measuring.profiling else { return };
        let ((done, total), asked) = (profiling.progress(), profiling.ask());
        self.measuring.asked = profiling.unused();
        self.progress(LongWork::Profile, done as u64, total as u64);
        match asked {
            None => self.end_profile(),
            Some(Asked::Device { id, probe, runs }) => self.effects.push(Effect::Probe { id, probe, runs }),
            Some(Asked::Edge(events)) => events.into_iter().for_each(|event| self.offload_event(event)),
        }
    }

    /// What an earlier profile had asked for, which was stopped meanwhile, concerns nobody.
    pub(super) fn probed(&mut self, id: u32, measured: Option<Measured>) {
        if let Some(profiling) = self.measuring.expecting(id) {
            profiling.probed(measured);
            self.ask();
        }
    }

    pub(super) fn measured(&mut self, id: u32, result: Result<Measured, MeasureError>) {
        if self.measuring.expecting(id).is_none() {
            return;
        }
        match self.offload.native_edge() {
            Some(_) => self.probed(id, result.ok()),
            None => self.lose_edge_while_measuring(),
        }
    }

    pub(super) fn echoed(&mut self, id: u32, result: Result<Echo, MeasureError>) {
        if let Some(dispatching) = &mut self.dispatching {
            dispatching.echoed(id, result.as_ref().ok());
        }
        let Some(profiling) = self.measuring.expecting(id) else { return };
        match result {
            Ok(echo) => {
                if profiling.echoed(&echo) {
                    self.ask();
                }
            }
            Err(_) => self.lose_edge_while_measuring(),
        }
    }

    fn lose_edge_while_measuring(&mut self) {
        self.fail(Failure::Measuring, "the edge was lost");
        self.end_profile();
    }

    /// Keeps what there is, complete or not, and gives the link its conditions back.
    pub(super) fn end_profile(&mut self) {
        let Some(profiling) = self.measuring.profiling.take() else { return };
        self.reshape(self.link);
        self.pricing.set_profile(profiling.profile().clone());
        self.progress(LongWork::Profile, 1, 1);
        self.tell_profile();
    }

    // ---- a calibration

    pub(super) fn calibrate(&mut self) {
        self.stop();
        match (&self.networks.mapping, self.arrays()) {
            (Some(mapping), Ok(_)) => {
                self.measuring.calibration = Some(CalibrationRun::new(mapping));
                self.run_calibration(true);
            }
            _ => {
                self.fail(Failure::Calibration, "there is no network or no shape to run");
                self.tell_profile();
            }
        }
    }

    /// Submits the calibration's next frame.
    fn run_calibration(&mut self, mapping_is_new: bool) {
        let number = self.next_number();
        let (Some(run), Some(network)) = (&mut self.measuring.calibration, self.networks.current.clone()) else {
            return;
        };
        run.frame = Some(number);
        let ((done, total), mapping) = (run.progress(), run.mapping().cloned());
        self.progress(LongWork::Calibrate, done as u64, total as u64);
        let Some(mapping) = mapping else { return self.end_calibration() };
        if mapping_is_new {
            self.use_mapping(&network, mapping);
        }
        self.submit();
    }

    pub(super) fn calibrated(&mut self, report: &FrameReport) {
        let prices = self.pricing.under(self.conditions());
        let Some(run) = &mut self.measuring.calibration else { return };
        if report.outcome == Outcome::AsPlanned {
            let predicted = prices.machines().uncalibrated(report.work.mapping());
            let is_new = run.measured(predicted, measured_stages(report));
            return self.run_calibration(is_new);
        }
        if run.missed() {
            return self.run_calibration(false);
        }
        self.end_calibration();
        self.fail(Failure::CalibrationStopped, "frames did not go as planned");
    }

    /// Ends a calibration whose frames would no longer be of the same machines and plans: what a person sets is kept.
    pub(super) fn interrupt_calibration(&mut self, why: &str) {
        if self.measuring.is_calibrating() {
            self.end_calibration();
            self.fail(Failure::CalibrationStopped, why);
        }
    }

    /// Takes what was measured, if it is enough, and goes back to the plan that was there.
    pub(super) fn end_calibration(&mut self) {
        let Some(run) = self.measuring.calibration.take() else { return };
        self.progress(LongWork::Calibrate, 1, 1);
        if run.mapping().is_none() {
            self.pricing.calibrate(run.pairs());
        }
        if let Some(network) = self.networks.current.clone() {
            self.use_mapping(&network, run.restore);
        }
        self.tell_profile();
    }
}
