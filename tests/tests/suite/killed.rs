//! The edge goes away in mid-stream and comes back: no frame is lost, no answer changes, and it is used again.

use std::collections::BTreeSet;

use cleave_arch::Task;
use cleave_arch::tolerance::{SPLIT_F32, distance};
use cleave_session::{FrameReport, Outcome};
use cleave_tests::link::{End, Link, Loaded, PATIENCE, cloud};

const IN_FLIGHT: usize = 6;

/// A stream of one cloud with what has become of it.
struct Stream {
    link: Link,
    cloud: cleave_arch::Array,
    unsplit: Vec<f32>,
    under_way: BTreeSet<u64>,
}

impl Stream {
    /// Submits and collects until `n` more frames have ended; frames stay under way.
    fn flow(&mut self, n: usize) -> Vec<FrameReport> {
        let mut reports = Vec::new();
        while reports.len() < n {
            while self.under_way.len() < IN_FLIGHT {
                let id = self.link.submit(&self.cloud).unwrap();
                assert!(self.under_way.insert(id));
            }
            reports.push(self.next());
        }
        reports
    }

    fn drain(&mut self) -> Vec<FrameReport> {
        (0..self.under_way.len()).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> FrameReport {
        let report = self.link.remote.next_report(PATIENCE).unwrap();
        assert!(self.under_way.remove(&report.id), "frame {} ended twice", report.id);
        let output = report.output.as_ref().unwrap_or_else(|| panic!("frame {}: {:?}", report.id, report.outcome));
        let far = distance(output.as_f32().unwrap(), &self.unsplit);
        assert!(far <= SPLIT_F32, "frame {} ({:?}): distance {far:e}", report.id, report.outcome);
        report
    }
}

fn as_planned(reports: &[FrameReport]) -> usize {
    reports.iter().filter(|report| report.outcome == Outcome::AsPlanned).count()
}

#[track_caller]
fn check(end: End) {
    let task = Task { n_points: 256, k: 16, ..Task::modelnet10() };
    // Device, edge and device again, so that frames are lost on both ways.
    let loaded = Loaded::random("3 6 5 3 6 1 5 4,0 3 0 0 4 4 0 3".parse().unwrap(), task, 5).unwrap();
    let cloud = cloud(&task, 5).unwrap();
    let unsplit = loaded.engine.whole(&cloud).unwrap();
    let mut link = Link::start().unwrap();
    link.deploy(&loaded, loaded.network.mapping.clone()).unwrap();
    let mut stream = Stream { link, cloud, unsplit, under_way: BTreeSet::new() };

    let before = stream.flow(30);
    assert_eq!(as_planned(&before), before.len(), "the edge is there: {:?}", before.last().map(|r| &r.outcome));
    stream.link.lose_edge(end);
    let without = stream.flow(30);
    assert!(as_planned(&without) <= 2 * IN_FLIGHT, "only what was on its way can have been answered by the edge");
    let last = without.last().map(|report| report.outcome.clone());
    assert!(matches!(last, Some(Outcome::Local { .. })), "without an edge the device goes on: {last:?}");
    stream.link.restart_edge().unwrap();
    stream.drain();
    let after = stream.flow(30);
    assert_eq!(as_planned(&after), after.len(), "the edge is used again: {:?}", after.last().map(|r| &r.outcome));
    stream.drain();
    println!(
        "{end:?}: {} of {} frames after the loss ended on the device",
        without.len() - as_planned(&without),
        without.len()
    );
}

#[test]
fn an_edge_that_says_goodbye() {
    check(End::Stopped);
}

#[test]
fn an_edge_that_is_killed() {
    check(End::Killed);
}
