//! Who runs what: an architecture, the places where the running tier changes, and how values cross them.

use std::ops::Range;

use cleave_graph::{MAX_CUTS, Tier};

use crate::architecture::Architecture;
use crate::codec::LinkCodec;
use crate::error::ArchError;

/// An architecture placed on two tiers. Execution starts on the device and changes tier before operation `cut`, for
/// every cut; the cut `n_ops` stands before the classifier.
///
/// Two equal cuts cancel out: nothing is sent, though the text form keeps both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    architecture: Architecture,
    cuts: Vec<usize>,
    codec: LinkCodec,
}

/// Operations that run on one tier without a transfer between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// Who runs it.
    pub tier: Tier,
    /// Which operations; empty if only the classifier is left.
    pub ops: Range<usize>,
    /// Whether the classifier runs after them: true for the last segment alone.
    pub classifier: bool,
}

impl Plan {
    /// A plan with the given cuts, in order of execution.
    ///
    /// # Errors
    /// [`ArchError::TooManyCuts`], [`ArchError::CutOutOfRange`] or [`ArchError::CutsOutOfOrder`].
    pub fn new(architecture: Architecture, cuts: Vec<usize>, codec: LinkCodec) -> Result<Self, ArchError> {
        let n_ops = architecture.ops().len();
        if cuts.len() > MAX_CUTS {
            return Err(ArchError::TooManyCuts { n_cuts: cuts.len() });
        }
        if let Some(&cut) = cuts.iter().find(|cut| **cut > n_ops) {
            return Err(ArchError::CutOutOfRange { cut, n_ops });
        }
        if let Some(pair) = cuts.windows(2).find(|pair| pair[0] > pair[1]) {
            return Err(ArchError::CutsOutOfOrder { first: pair[0], second: pair[1] });
        }
        Ok(Self { architecture, cuts, codec })
    }

    /// For cuts that keep the rules by construction.
    pub(crate) fn from_valid(architecture: Architecture, cuts: Vec<usize>, codec: LinkCodec) -> Self {
        debug_assert!(Self::new(architecture.clone(), cuts.clone(), codec).is_ok());
        Self { architecture, cuts, codec }
    }

    /// Everything on one tier.
    pub fn whole(architecture: Architecture, tier: Tier) -> Self {
        let cuts = match tier {
            Tier::Device => vec![],
            Tier::Edge => vec![0],
        };
        Self { architecture, cuts, codec: LinkCodec::default() }
    }

    /// What is placed.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Operations before which the tier changes, non-decreasing, at most [`MAX_CUTS`], each 0..=n_ops.
    pub fn cuts(&self) -> &[usize] {
        &self.cuts
    }

    /// How values cross the link.
    pub fn codec(&self) -> LinkCodec {
        self.codec
    }

    /// The same network and codec with other cuts.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_cuts(&self, cuts: Vec<usize>) -> Result<Self, ArchError> {
        Self::new(self.architecture.clone(), cuts, self.codec)
    }

    /// The same network and cuts with another codec.
    pub fn with_codec(&self, codec: LinkCodec) -> Self {
        Self { codec, ..self.clone() }
    }

    /// Who runs operation `op`; for `n_ops` and beyond, who runs the classifier.
    pub fn tier_of(&self, op: usize) -> Tier {
        let flips = self.cuts.iter().filter(|cut| **cut <= op).count();
        if flips % 2 == 0 { Tier::Device } else { Tier::Edge }
    }

    /// Who runs the classifier.
    pub fn tier_of_classifier(&self) -> Tier {
        self.tier_of(self.architecture.ops().len())
    }

    /// The segments in order, tiers alternating. A segment without anything to run is left out: a plan that starts
    /// with a cut begins on the edge, and two equal cuts leave their neighbours as one segment.
    pub fn segments(&self) -> Vec<Stretch> {
        let n_ops = self.architecture.ops().len();
        let mut segments: Vec<Stretch> = Vec::new();
        // The classifier counts as one more operation, `n_ops`, so that a cut before it is like any other.
        for op in 0..=n_ops {
            let tier = self.tier_of(op);
            let end = (op + 1).min(n_ops);
            match segments.last_mut() {
                Some(last) if last.tier == tier => last.ops.end = end,
                _ => segments.push(Stretch { tier, ops: op..end, classifier: false }),
            }
        }
        if let Some(last) = segments.last_mut() {
            last.classifier = true;
        }
        segments
    }

    /// Operations before which values really cross the link, in order (see [`crate::Trace::live_before`] for what
    /// crosses). The logits of a classifier on the edge return beside these.
    pub fn crossings(&self) -> Vec<usize> {
        let mut tier = Tier::Device;
        let mut crossings = Vec::new();
        for segment in self.segments() {
            if segment.tier != tier {
                crossings.push(segment.ops.start);
            }
            tier = segment.tier;
        }
        crossings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dgcnn(cuts: &[usize]) -> Result<Plan, ArchError> {
        Plan::new(Architecture::dgcnn(), cuts.to_vec(), LinkCodec::default())
    }

    #[track_caller]
    fn check(cuts: &[usize], wanted: &str, crossings: &[usize]) {
        let plan = dgcnn(cuts).unwrap();
        let shown: Vec<String> = plan
            .segments()
            .iter()
            .map(|s| format!("{} {:?}{}", s.tier, s.ops, if s.classifier { " +classifier" } else { "" }))
            .collect();
        assert_eq!(shown.join(", "), wanted);
        assert_eq!(plan.crossings(), crossings);
        for segment in plan.segments() {
            assert!(segment.ops.clone().all(|op| plan.tier_of(op) == segment.tier));
        }
        assert_eq!(plan.segments().last().map(|s| s.tier), Some(plan.tier_of_classifier()));
    }

    #[test]
    fn segments_follow_the_cuts_and_skip_what_is_empty() {
        check(&[], "device 0..11 +classifier", &[]);
        check(&[0], "edge 0..11 +classifier", &[0]);
        check(&[4], "device 0..4, edge 4..11 +classifier", &[4]);
        check(&[11], "device 0..11, edge 11..11 +classifier", &[11]);
        check(&[2, 10], "device 0..2, edge 2..10, device 10..11 +classifier", &[2, 10]);
        check(&[0, 11], "edge 0..11, device 11..11 +classifier", &[0, 11]);
        check(&[3, 3], "device 0..11 +classifier", &[]);
        check(&[0, 0], "device 0..11 +classifier", &[]);
        check(&[11, 11], "device 0..11 +classifier", &[]);
    }

    #[test]
    fn bad_cuts_are_refused() {
        let cases: [(&[usize], &str); 3] = [
            (&[1, 2, 3], "3 communicates are too many; at most 2"),
            (&[12], "a cut before operation 12 does not exist; cuts are 0 to 11"),
            (&[5, 4], "cut 4 comes after cut 5"),
        ];
        for (cuts, wanted) in cases {
            let message = dgcnn(cuts).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn a_changed_plan_keeps_the_rest() {
        let plan = dgcnn(&[2, 10]).unwrap();
        let codec = "i8+lz4".parse().unwrap();
        let changed = plan.with_codec(codec).with_cuts(vec![8]).unwrap();
        assert_eq!((changed.architecture(), changed.cuts(), changed.codec()), (plan.architecture(), &[8][..], codec));
        assert!(plan.with_cuts(vec![99]).is_err());
        assert_eq!(Plan::whole(Architecture::dgcnn(), Tier::Edge).tier_of_classifier(), Tier::Edge);
        assert_eq!(Plan::whole(Architecture::dgcnn(), Tier::Device).tier_of(0), Tier::Device.other().other());
    }
}
