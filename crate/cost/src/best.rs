//! The planners for two tiers: of all mappings with so many cuts the one that is predicted to be fastest. There are few (n
//! with one cut, n² / 2 with two), so that they are tried.

use crate::price::Machines;
use cleave_arch::{MAX_CUTS, Mapping};

/// All mappings of a network with exactly so many cuts, at most [`MAX_CUTS`]: none is the device alone, one before the first
/// step the edge alone. Two equal cuts, which send nothing, are left out.
pub fn mappings(network: &Mapping, n_cuts: usize) -> Vec<Mapping> {
    let steps = network.n_steps();
    let cuts: Vec<Vec<usize>> = match n_cuts {
        0 => vec![Vec::new()],
        1 => (0..steps).map(|at| vec![at]).collect(),
        MAX_CUTS => (0..steps).flat_map(|first| (first + 1..steps).map(move |second| vec![first, second])).collect(),
        _ => Vec::new(),
    };
    cuts.into_iter().filter_map(|cuts| network.with_cuts(cuts).ok()).collect()
}

impl Machines {
    /// The fastest mapping with at most so many cuts, by the table and the link; that with fewer cuts if two are equal.
    pub fn fastest(&self, network: &Mapping, most_cuts: usize) -> Mapping {
        let all = (0..=most_cuts.min(MAX_CUTS)).flat_map(|n_cuts| mappings(network, n_cuts));
        let priced = all.map(|mapping| (self.price(&mapping).latency_ms(), mapping));
        let fastest = priced.min_by(|(a, _), (b, _)| a.total_cmp(b));
        fastest.map_or_else(|| network.uncut(), |(_, mapping)| mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkFigures;
    use crate::profile::Profile;
    use cleave_arch::Task;

    #[test]
    fn every_mapping_is_tried_once() {
        let network = Mapping::parse("lenet5", &Task::modelnet10()).unwrap();
        assert_eq!([0, 1, 2, 3].map(|n_cuts| mappings(&network, n_cuts).len()), [1, 5, 10, 0]);
    }

    #[test]
    fn a_slow_link_leaves_the_device_alone_and_a_slow_device_the_edge() {
        for name in ["alexnet", "3 6 3 6 3 6 3 6 7 1 4,0 3 0 3 0 4 0 5 0 7 3"] {
            let network = Mapping::parse(name, &Task::modelnet10()).unwrap();
            let with = |mbps: f64, slowdown: f64| {
                let mut machines = Machines::new(&Profile::default());
                machines.link = LinkFigures { up_mbps: mbps, down_mbps: mbps, ..machines.link };
                machines.device = machines.device.clone().slowed(slowdown);
                machines
            };
            assert_eq!(with(0.01, 1.0).fastest(&network, 2).cuts(), &[0usize; 0], "{name}");
            assert_eq!(with(1e5, 100.0).fastest(&network, 2).cuts(), &[0], "{name}");
            let middle = with(20.0, 4.0);
            let [none, one, two] = [0, 1, 2].map(|most| middle.price(&middle.fastest(&network, most)).latency_ms());
            assert!(none >= one && one >= two, "{name}: {none} {one} {two}");
        }
    }
}
