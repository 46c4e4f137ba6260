//! Strategies as the page names them and as they plan: the page knows no planner, so both lists exist, in
//! one order.

use cleave_contract::PartitionStrategy;
use cleave_partition::Strategy;

/// The planner that a page asks for.
pub fn asked(strategy: PartitionStrategy) -> Strategy {
    Strategy::ALL[strategy as usize]
}

/// The planner as a page is told of it.
pub fn told(strategy: Strategy) -> PartitionStrategy {
    PartitionStrategy::ALL[strategy as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_and_planners_have_the_same_strategies_in_one_order_by_the_same_names() {
        assert_eq!(Strategy::ALL.map(told), PartitionStrategy::ALL);
        assert_eq!(PartitionStrategy::ALL.map(asked), Strategy::ALL);
        assert_eq!(Strategy::ALL.map(|own| own.to_string()), PartitionStrategy::ALL.map(PartitionStrategy::name));
    }
}
