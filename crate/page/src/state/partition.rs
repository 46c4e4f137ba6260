//! Image networks that several workers share: what is asked for, and what every strategy makes of it.

use super::{Run, Shared, State};
use crate::partition::form::Form;
use cleave_contract::{Intent, Partitions};

impl State {
    /// The address follows the form as long as that has no mistake.
    pub(super) fn set_partition(&mut self, mut form: Form) {
        for (at, member) in form.members.iter_mut().enumerate() {
            if let Some(before) = self.partition_form.members.get(at) {
                member.forget_token_of(before);
            }
            member.let_in(self.address.as_ref());
        }
        if let Ok(wish) = form.wish() {
            self.settings.partition = wish;
            self.drop_unfit_image();
        }
        self.settings.places = form.places().unwrap_or_else(|| self.settings.places.clone());
        form.is_run_wanted &= form.run_wish().is_err();
        self.partition_form = form;
    }

    /// A form with a mistake is not sent: its fields say what is wrong. No network has to be held, for this is another one.
    pub(super) fn plan_partition(&mut self) -> Vec<Intent> {
        let Ok(wish) = self.partition_form.wish() else { return Vec::new() };
        if !self.is_ready() {
            return Vec::new();
        }
        self.partition_form.is_run_wanted = false;
        let mut intents = self.end_dispatch();
        intents.extend(self.stop());
        self.run = Run::Planning;
        intents.push(Intent::Partition(wish));
        intents
    }

    pub(super) fn take_partitions(&mut self, partitions: Partitions) -> Vec<Intent> {
        self.progress = None;
        self.cooperation.keep_alike(&partitions.wish);
        self.partitions = Some(Shared::new(partitions));
        if self.run != Run::Planning {
            return Vec::new();
        }
        self.run = Run::Idle;
        self.run_soon()
    }
}
