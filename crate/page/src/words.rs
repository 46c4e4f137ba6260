//! What the application tells as data, in words for people: what went wrong with its remedy, and what is under way.

use crate::state::notice::Notice;
use cleave_contract::{Failure, LongWork};

const SEARCH: &str = "Change the limits or the budget and start again; what was found before is kept.";
const EVALUATION: &str = "Connect an edge that was started with --data DIR, or let generated furniture judge a new search; what was found \
     before is kept.";
const INPUT: &str = "Open an OFF, OBJ, PLY, PCD, XYZ, NPY or NPZ file with a point cloud or mesh.";
const WORKERS: &str = "Correct what is named, or choose other workers, and run it again.";

/// A failure with its reason, as a notice.
pub fn notice(failure: &Failure, why: String) -> Notice {
    let (what, remedy): (String, String) = match failure {
        Failure::File { name } => (format!("{name} could not be read"), INPUT.into()),
        Failure::EdgeRefused { right } => ("The edge refused this page".into(), right.clone()),
        Failure::PlanRefused { right } => {
            ("The edge refused this plan; the device runs it alone".into(), right.clone())
        }
        other => {
            let (what, remedy) = fixed(other);
            (what.into(), remedy.into())
        }
    };
    Notice { what, why, remedy }
}

/// What went wrong and what to do, where neither depends on anything.
fn fixed(failure: &Failure) -> (&'static str, &'static str) {
    match failure {
        Failure::File { .. } | Failure::EdgeRefused { .. } | Failure::PlanRefused { .. } => ("", ""),
        Failure::Message => (
            "The worker did not understand a message of the page",
            "Reload the page: its parts may be of different versions.",
        ),
        Failure::Start => {
            ("The compute engine could not be loaded", "Reload the page; it needs WebAssembly with SIMD.")
        }
        Failure::EngineSwitch => {
            ("The network could not be moved to the other engine", "Choose the other engine again.")
        }
        Failure::Gallery => ("The gallery could not be made", "Open a file instead."),
        Failure::Shape => ("The shape could not be made", "Choose another class."),
        Failure::Network => {
            ("The network could not be loaded", "Choose another network; the one before is still here.")
        }
        Failure::Plan => ("The plan cannot be used", "Move the cut to an operation boundary of this network."),
        Failure::Run => ("The run did not start", "Choose a network and an input, then run again."),
        Failure::Stream => ("The stream stopped", "Mend what is named and start the stream again."),
        Failure::BusyMeasuring => ("Not now", "Wait for its end, or stop it: what is measured is kept."),
        Failure::EdgeVersion => ("The edge refused this page", "Load the page from this edge itself."),
        Failure::Profile => (
            "The profile cannot be used",
            "Import a file that this page or `cleave profile` has written; the profile before is kept.",
        ),
        Failure::Power => ("The power cannot be used", "Correct it; the powers before are kept."),
        Failure::SlowDown => ("The device cannot be slowed down", "Choose another factor; the one before is kept."),
        Failure::Predictor => {
            ("The learned predictor cannot be used", "Predictions go by the table; reload the page to try again.")
        }
        Failure::Measuring => (
            "The measurement stopped",
            "What was measured is kept: measure again when the edge is back, and it goes on from there.",
        ),
        Failure::Calibration => ("The calibration did not start", "Choose both, then calibrate again."),
        Failure::CalibrationStopped => {
            ("The calibration stopped", "Calibrate again, with an edge that answers or its half in this tab.")
        }
        Failure::Zoo => ("The zoo could not be loaded", "Start the dispatcher again."),
        Failure::Dispatch => {
            ("The dispatcher did not start", "Load a shape with the points that the shipped networks take.")
        }
        Failure::Supernet => ("The supernet cannot be used", "Reload the page and search again."),
        Failure::Search => ("The search did not start", SEARCH),
        Failure::Evaluation => ("The search did not start", EVALUATION),
        Failure::SearchStopped => ("The search stopped", SEARCH),
        Failure::Share => ("The search cannot be shared", EVALUATION),
        Failure::OpenShared => ("The shared search cannot be opened", "Ask for the link again."),
        Failure::Inspect => ("The design cannot be priced", SEARCH),
        Failure::Deploy => ("The design cannot be run", SEARCH),
        Failure::Partition => (
            "The network cannot be partitioned",
            "Correct what is named, or choose a smaller network or other workers, and plan again; what was found before \
             is kept.",
        ),
        Failure::Cooperation => ("The network could not be run over the workers", WORKERS),
    }
}

/// What is under way.
pub fn work(work: LongWork) -> &'static str {
    match work {
        LongWork::LoadNetwork => "Loading the network",
        LongWork::LoadZoo => "Loading the shipped networks",
        LongWork::LoadSupernet => "Loading the supernet",
        LongWork::FetchValidation => "Fetching the validation set",
        LongWork::UploadWeights => "Sending the weights to the edge",
        LongWork::Profile => "Measuring the machines",
        LongWork::Calibrate => "Calibrating",
        LongWork::MeasureOperators => "Measuring the operators",
        LongWork::PlanPartition => "Planning",
        LongWork::StartWorkers => "Starting the workers",
        LongWork::RunWhole => "Running it whole in this tab",
        LongWork::LearnSpeeds => "Learning how fast each worker is",
        LongWork::RunPartition => "Running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_edge_are_the_remedy_where_it_has_some() {
        let failure = Failure::PlanRefused { right: "f32, f16 or i8".into() };
        let said = notice(&failure, "codec f64".into());
        assert_eq!((said.why.as_str(), said.remedy.as_str()), ("codec f64", "f32, f16 or i8"));
        assert!(said.what.contains("refused this plan"));
        assert!(notice(&Failure::File { name: "a.off".into() }, String::new()).what.starts_with("a.off "));
    }
}
