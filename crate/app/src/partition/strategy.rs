//! Strategies as the page names them and as they plan: the page knows no planner, so both lists exist, and every strategy of
//! one has to be in the other to compile.

use cleave_contract::PartitionStrategy;
use cleave_partition::Strategy;

/// The planner that a page asks for.
pub fn asked(strategy: PartitionStrategy) -> Strategy {
    match strategy {
        PartitionStrategy::OutputChannel => Strategy::OutputChannel,
        PartitionStrategy::CoEdge => Strategy::CoEdge,
        PartitionStrategy::Iop => Strategy::Iop,
        PartitionStrategy::IopExact => Strategy::IopExact,
        PartitionStrategy::Mixed => Strategy::Mixed,
    }
}

/// The planner as a page is told of it.
pub fn told(strategy: Strategy) -> PartitionStrategy {
    match strategy {
        Strategy::OutputChannel => PartitionStrategy::OutputChannel,
        Strategy::CoEdge => PartitionStrategy::CoEdge,
        Strategy::Iop => PartitionStrategy::Iop,
        Strategy::IopExact => PartitionStrategy::IopExact,
        Strategy::Mixed => PartitionStrategy::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_and_planners_have_the_same_strategies_in_one_order_by_the_same_names() {
        assert_eq!(Strategy::ALL.map(told), PartitionStrategy::ALL);
        assert_eq!(PartitionStrategy::ALL.map(asked), Strategy::ALL);
        assert_eq!(Strategy::ALL.map(Strategy::name), PartitionStrategy::ALL.map(PartitionStrategy::name));
    }
}
