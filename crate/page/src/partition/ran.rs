//! A partition that was run: measurement beside prediction, who took part, and how the answers compare.

use super::{Row, figures, words};
use crate::format::{self, error};
use cleave_contract::{Cooperated, Replanned, Whole};

/// What the plan of a run is called.
pub const FORESEEN: &str = "predicted for this run";

/// What came of it is called so.
pub const MEASURED: &str = "measured";

/// Prediction and measurement as rows of a table; percentages are of the measurement against its prediction.
pub fn rows(run: &Cooperated) -> [Row; 2] {
    let row = |of, figures| Row { strategy: run.request.strategy, of, is_fastest: false, figures: Ok(figures) };
    [row(FORESEEN, figures(&run.predicted, None)), row(MEASURED, figures(&run.measured, Some(&run.predicted)))]
}

/// The run in a sentence.
pub fn summary(run: &Cooperated) -> String {
    let (measured, predicted) = (run.measured.millis, run.predicted.millis);
    format!(
        "{}, run by {} workers: {} measured, {} against the {} that were predicted for it.",
        words(run.request.strategy),
        run.workers.len(),
        format::millis(measured),
        error(measured, predicted),
        format::millis(predicted)
    )
}

/// What else there is to say of it.
pub fn notes(run: &Cooperated) -> Vec<String> {
    let whole = run.whole.map(|whole| alone(run, whole));
    let notes =
        [Some(repeated(run)), Some(workers(run)), Some(ways(run)), run.replanned.map(replanned), lost(run), whole];
    notes.into_iter().flatten().collect()
}

/// Why the plan that ran is not the one that is drawn.
fn replanned(why: Replanned) -> String {
    match why {
        Replanned::Speeds { shown_ms, millis } => format!(
            "It ran by another plan than the one shown: at the measured speeds this one takes {}, the one shown {}.",
            format::millis(millis),
            format::millis(shown_ms)
        ),
        Replanned::Request => {
            "It ran by a plan of its own: none for these workers and links was shown when it began.".into()
        }
        Replanned::Lost => "It ended by another plan than the one shown, over the workers that were left.".into(),
    }
}

fn repeated(run: &Cooperated) -> String {
    let each: Vec<String> = run.each_ms.iter().map(|millis| format!("{millis:.1}")).collect();
    let which = if each.len() == 1 { "One run" } else { "The run of median time is shown; they took" };
    format!("{which}: {} ms. This tab computed by {}.", each.join(", "), format::engine(run.engine))
}

fn workers(run: &Cooperated) -> String {
    let slower = |i: usize| run.slower.get(i).map(|times| format!(" ({times:.2} ×)")).unwrap_or_default();
    let own = |(i, name): (usize, &String)| format!("{} {name}{}", i + 1, slower(i));
    let names: Vec<String> = run.workers.iter().enumerate().map(own).collect();
    format!("Workers, and how many times slower than this tab each was measured: {}.", names.join(", "))
}

fn ways(run: &Cooperated) -> String {
    let pairs: Vec<String> =
        run.relayed.iter().map(|[one, other]| format!("from {} to {}", one + 1, other + 1)).collect();
    match pairs.len() {
        0 => "All messages went directly from worker to worker.".into(),
        _ => format!("Through this tab, as they do not reach each other, went the messages {}.", pairs.join("; ")),
    }
}

fn lost(run: &Cooperated) -> Option<String> {
    if run.gone.is_empty() && run.restarts == 0 {
        return None;
    }
    let times = match run.restarts {
        0 => "No run had to be begun anew".into(),
        1 => "A run was begun anew once, over the workers that were left".into(),
        n => format!("Runs were begun anew {n} times, over the workers that were left"),
    };
    let gone = run.gone.iter().map(|gone| gone.trim_end_matches('.')).collect::<Vec<_>>();
    Some(if gone.is_empty() { format!("{times}.") } else { format!("{times}. Lost: {}.", gone.join("; ")) })
}

fn alone(run: &Cooperated, whole: Whole) -> String {
    let times = whole.millis / run.measured.millis.max(1e-9);
    format!("The unsplit network takes {} in this tab alone: {times:.2} times as long.", format::millis(whole.millis))
}

/// Whether the answers are equal to the unsplit network's as far as they have to be, and the same in words.
pub fn verdict(whole: Whole) -> (bool, String) {
    let [distance, bound] = [whole.distance, whole.bound].map(|value| format::delta(value as f32));
    if whole.distance <= whole.bound {
        (true, format!("Equal to the unsplit answer: |Δ| = {distance}, at most {bound} is allowed"))
    } else {
        (
            false,
            format!(
                "Not equal to the unsplit answer: |Δ| = {distance}, and at most {bound} is allowed; please report this"
            ),
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::partition::form::first_request;
    use crate::partition::tests::plan;
    use cleave_contract::PartitionStrategy::{CoEdge, Mixed};
    use cleave_contract::{
        Backend, CooperationRequest, ImageRequest, MemberRequest, PartitionPlan, PartitionStrategy, Score,
    };

    /// A run of this strategy by three workers that took a tenth longer than 20 ms.
    pub(crate) fn ran(strategy: PartitionStrategy) -> Cooperated {
        Cooperated {
            request: CooperationRequest {
                partition: first_request(),
                strategy,
                members: vec![MemberRequest::Browser; 2],
                runs: 2,
                check: true,
                image: ImageRequest::Noise(0),
            },
            engine: Backend::Wasm,
            workers: vec!["this tab".into(), "w2".into()],
            slower: vec![1.0, 2.5],
            predicted: plan(strategy, 20.0),
            replanned: None,
            measured: PartitionPlan { memory_bytes: vec![[0, 0]; 2], ..plan(strategy, 22.0) },
            each_ms: vec![22.0, 21.0],
            relayed: vec![],
            restarts: 0,
            gone: vec![],
            whole: Some(Whole { millis: 44.0, distance: 2e-6, bound: 1e-4 }),
            weights: "random".into(),
            is_trained: false,
            image: "noise".into(),
            scores: vec![Score { class: "bag".into(), probability: 0.75 }],
        }
    }

    #[test]
    fn measurement_stands_against_its_own_prediction() {
        let [predicted, measured] = rows(&ran(CoEdge));
        assert_eq!([predicted.of, measured.of], [FORESEEN, MEASURED]);
        let (predicted, measured) = (predicted.figures.unwrap(), measured.figures.unwrap());
        assert!(predicted.iter().all(|figure| figure.against.is_empty()));
        assert_eq!((measured[0].value.as_str(), measured[0].against.as_str()), ("22.00 ms", "+10 %"));
        assert_eq!((measured[3].value.as_str(), measured[3].against.as_str()), ("not measured", ""));
        let told = summary(&ran(Mixed));
        assert_eq!(
            told,
            "mixed (ours), run by 2 workers: 22.0 ms measured, +10 % against the 20.0 ms that were predicted for it."
        );
    }

    #[test]
    fn notes_say_who_and_how() {
        let told = notes(&ran(CoEdge));
        assert_eq!(
            told[0],
            "The run of median time is shown; they took: 22.0, 21.0 ms. This tab computed by wasm SIMD."
        );
        assert!(told[1].ends_with("1 this tab (1.00 ×), 2 w2 (2.50 ×)."), "{}", told[1]);
        assert_eq!(told[3], "The unsplit network takes 44.0 ms in this tab alone: 2.00 times as long.");
        assert_eq!((told[2].contains("directly"), told.len()), (true, 4));
    }

    #[test]
    fn who_was_lost_and_who_was_relayed_is_said() {
        let gone = vec!["w3: it was lost on purpose.".into()];
        let run = Cooperated { relayed: vec![[1, 2]], restarts: 1, gone, whole: None, ..ran(CoEdge) };
        let told = notes(&run);
        assert!(told[2].contains("the messages from 2 to 3."), "{}", told[2]);
        let expected = "A run was begun anew once, over the workers that were left. Lost: w3: it was lost on purpose.";
        assert_eq!(told[3..], [expected.to_owned()]);
    }

    #[test]
    fn another_plan_than_the_one_shown_is_said_to_be_one() {
        let by = |why| notes(&Cooperated { replanned: Some(why), ..ran(CoEdge) })[3].clone();
        let speeds = by(Replanned::Speeds { shown_ms: 40.0, millis: 30.0 });
        assert!(speeds.ends_with("this one takes 30.0 ms, the one shown 40.0 ms."), "{speeds}");
        assert!(by(Replanned::Request).contains("plan of its own") && by(Replanned::Lost).contains("were left"));
    }

    #[test]
    fn a_distance_beyond_its_bound_is_not_equal() {
        let whole = Whole { millis: 1.0, distance: 2e-6, bound: 1e-4 };
        assert!(verdict(whole).0);
        let (is_equal, words) = verdict(Whole { distance: 0.5, ..whole });
        assert!(!is_equal && words.starts_with("Not equal") && words.contains("0.500"), "{words}");
        assert!(!verdict(Whole { distance: f64::NAN, ..whole }).0);
    }
}
