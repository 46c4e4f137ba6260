//! The design on show: one that a search has found, with what it costs under the conditions of now.

use super::{ComputeWorker, Shared};
use cleave_arch::Plan;
use cleave_contract::{Inspection, Intent};

/// Which one, if any.
#[derive(Clone, Debug, Default)]
pub struct SelectedDesign {
    /// Its plan.
    pub plan: Option<String>,
    /// What it costs, once the worker has told.
    pub inspection: Option<Shared<Inspection>>,
}

impl SelectedDesign {
    /// The price of another design is not shown as this one's.
    pub(super) fn select(&mut self, plan: String) {
        if self.plan.as_ref() != Some(&plan) {
            self.inspection = None;
        }
        self.plan = Some(plan);
    }

    /// Asks for its price, at first or because its conditions have changed.
    pub(super) fn inspect(&self, worker: &ComputeWorker) -> Vec<Intent> {
        let plan = self.plan.clone();
        plan.map(|plan| worker.when_ready(Intent::Inspect { plan })).unwrap_or_default()
    }

    /// Another design's price may come late.
    pub(super) fn take(&mut self, inspection: Inspection) {
        if self.plan.as_deref().is_some_and(|plan| is_same(plan, &inspection.plan)) {
            self.inspection = Some(Shared::new(inspection));
        }
    }
}

/// Whether two texts are of the same plan, however they are written.
fn is_same(one: &str, other: &str) -> bool {
    one == other || matches!((one.parse::<Plan>(), other.parse::<Plan>()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::tests::inspection;

    #[test]
    fn a_price_belongs_to_the_plan_on_show_however_it_is_written() {
        let mut design = SelectedDesign::default();
        assert!(design.inspect(&ComputeWorker::default()).is_empty());
        design.select("3 2 5 1 4,0 6 0 3 0".into());
        design.take(inspection("3 2 1 4,0 6 3 0"));
        assert!(design.inspection.is_none());
        design.take(inspection("3  2 5 1 4, 0 6 0 3 0"));
        design.select("3 2 5 1 4,0 6 0 3 0".into());
        assert!(design.inspection.is_some(), "it is still the same");
        design.select("3 2 1 4,0 6 3 0".into());
        assert!(design.inspection.is_none());
    }
}
