//! Image networks that several workers share: what is asked for, what every strategy makes of it, and its runs.

use super::cooperation::are_alike;
use super::{Cooperation, Looker, Run, Settings, Shared, State};
use crate::partition::form::Form;
use cleave_contract::{EdgeAddress, Intent, PartitionRequest, Partitions};

/// From the form to the runs.
#[derive(Clone, Debug)]
pub struct Partitioning {
    /// What the form holds, mistakes and all.
    pub form: Form,
    /// What every way to share an image network comes to, as planned last.
    pub planned: Option<Shared<Partitions>>,
    /// What is known of running one of them.
    pub cooperation: Cooperation,
}

impl Partitioning {
    /// The form as the settings fill it; the edge that is known lets in the members that are there.
    pub(super) fn new(settings: &Settings, edge: Option<&EdgeAddress>) -> Self {
        let mut form = Form::of(&settings.partition).with_places(&settings.places);
        form.members.iter_mut().for_each(|member| member.let_in(edge));
        Partitioning { form, planned: None, cooperation: Cooperation::default() }
    }

    /// Why no strategy can be run for a request, whatever the fields hold.
    pub(super) fn why_not_run(&self, request: &PartitionRequest) -> Option<&'static str> {
        let is_planned = self.planned.as_ref().is_some_and(|told| are_alike(&told.request, request));
        match () {
            () if self.form.shared => Some(
                "Real workers have links of their own: one radio channel can be planned, but not imposed on a run.",
            ),
            () if !is_planned => Some("The form's network or number of workers has changed: plan again to run it."),
            () => None,
        }
    }

    fn set_form(&mut self, mut form: Form, edge: Option<&EdgeAddress>) {
        for (at, member) in form.members.iter_mut().enumerate() {
            if let Some(before) = self.form.members.get(at) {
                member.forget_token_of(before);
            }
            member.let_in(edge);
        }
        form.is_run_wanted &= form.run_request().is_err();
        self.form = form;
    }

    /// Runs that cannot stand beside the new plan leave.
    fn show(&mut self, planned: Partitions) {
        self.cooperation.keep_alike(&planned.request);
        self.planned = Some(Shared::new(planned));
    }
}

impl State {
    /// The address follows the form as long as that has no mistake.
    pub(super) fn set_partition(&mut self, form: Form) {
        self.partition.set_form(form, self.edge.address.as_ref());
        if let Ok(request) = self.partition.form.request() {
            self.settings.partition = request;
            self.drop_unfit_image(Looker::Workers);
        }
        if let Some(places) = self.partition.form.places() {
            self.settings.places = places;
        }
    }

    /// A form with a mistake is not sent: its fields say what is wrong. No network has to be held, for this is another one.
    pub(super) fn plan_partition(&mut self) -> Vec<Intent> {
        let Ok(request) = self.partition.form.request() else { return Vec::new() };
        if !self.worker.is_ready() {
            return Vec::new();
        }
        self.partition.form.is_run_wanted = false;
        let mut intents = self.dispatcher.end();
        intents.extend(self.stop());
        self.run = Run::Planning;
        intents.push(Intent::Partition(request));
        intents
    }

    pub(super) fn take_partitions(&mut self, partitions: Partitions) -> Vec<Intent> {
        self.worker.progress = None;
        self.partition.show(partitions);
        if self.run != Run::Planning {
            return Vec::new();
        }
        self.run = Run::Idle;
        self.run_soon()
    }
}
