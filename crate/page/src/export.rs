//! A search as a file: JSON with the request, the funnel, the designs and the references as they are; CSV with one row per design
//! and reference, each with its run, so that the tables of several runs can be put under each other.

use crate::compare::Recorded;
use crate::front::{baseline_words, binding_words};
use cleave_contract::{Design, Search, SearchRequest, Strategy};
use std::fmt::Write;

/// Columns of the CSV: the design's, then its run's.
const COLUMNS: &str = "kind,name,plan,accuracy,latency_ms,energy_mj,device_peak_bytes,edge_peak_bytes,link_bytes,\
    strategy,seed,latency_limit_ms,energy_limit_mj,device_limit_mb,candidates,evaluations,codec,\
    drawn,valid,by_table,by_predictor,evaluated,candidates_per_second,device_slowdown,judged_on";

/// The table, with a line end after every row (RFC 4180, with `\n`).
pub fn to_csv(run: &Recorded) -> String {
    let of_run = run_cells(run);
    let designs = run.search.designs.iter().map(|design| ("design", "", design));
    let references = run.search.references.iter().map(|r| ("reference", baseline_words(r.baseline), &r.design));
    let mut out = format!("{COLUMNS}\n");
    for (kind, name, design) in designs.chain(references) {
        let accuracy = known(design).map(number).unwrap_or_default();
        let own = [
            cell(kind),
            cell(name),
            cell(&design.plan),
            accuracy,
            number(design.latency_ms),
            number(design.energy_millijoules),
            design.device_peak_bytes.to_string(),
            design.edge_peak_bytes.to_string(),
            design.link_bytes.to_string(),
        ];
        out.push_str(&own.join(","));
        out.push(',');
        out.push_str(&of_run);
        out.push('\n');
    }
    out
}

/// The cells that every row of a run has.
fn run_cells(run: &Recorded) -> String {
    let of_request = match &run.request {
        Some(request) => {
            let limit = |limit: Option<f64>| limit.map(number).unwrap_or_default();
            vec![
                cell(word(request.strategy)),
                request.seed.to_string(),
                limit(request.latency_ms),
                limit(request.energy_millijoules),
                limit(request.device_megabytes),
                request.candidates.to_string(),
                request.evaluations.to_string(),
                cell(&request.codec),
            ]
        }
        None => vec![String::new(); 8],
    };
    let search = &run.search;
    let funnel = [search.drawn, search.valid, search.by_table, search.by_predictor, search.evaluated];
    let of_funnel = funnel.map(|n| n.to_string());
    let of_machine = [number(search.per_second), number(search.slowdown), cell(&search.judged_on)];
    of_request.into_iter().chain(of_funnel).chain(of_machine).collect::<Vec<_>>().join(",")
}

/// A text of the table; quoted where a reader would misunderstand it.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

/// A number that reads back as the same one; empty for what is none.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// A design's accuracy, unless it is the sign for an unknown one.
fn known(design: &Design) -> Option<f64> {
    Some(design.accuracy).filter(|accuracy| *accuracy >= 0.0)
}

fn word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Random => "random",
        Strategy::Stages => "stages",
        Strategy::Nsga => "nsga",
    }
}

/// The whole run as one JSON object; what is unknown is `null`.
pub fn to_json(run: &Recorded) -> String {
    let search = &run.search;
    let request = run.request.as_ref().map_or_else(|| "null".into(), request_object);
    let designs: Vec<String> = search.designs.iter().map(|design| object(&design_fields(design))).collect();
    let references = search.references.iter().map(|reference| {
        let mut fields = vec![("name", text(baseline_words(reference.baseline)))];
        fields.extend(design_fields(&reference.design));
        object(&fields)
    });
    let references: Vec<String> = references.collect();
    let fields = [
        ("request", request),
        ("judged_on", text(&search.judged_on)),
        ("device_slowdown", or_null(Some(search.slowdown))),
        ("funnel", funnel_object(search)),
        ("designs", format!("[{}]", designs.join(","))),
        ("references", format!("[{}]", references.join(","))),
    ];
    object(&fields)
}

fn request_object(request: &SearchRequest) -> String {
    object(&[
        ("strategy", text(word(request.strategy))),
        ("seed", request.seed.to_string()),
        ("latency_ms", or_null(request.latency_ms)),
        ("energy_millijoules", or_null(request.energy_millijoules)),
        ("device_megabytes", or_null(request.device_megabytes)),
        ("candidates", request.candidates.to_string()),
        ("evaluations", request.evaluations.to_string()),
        ("codec", text(&request.codec)),
    ])
}

fn funnel_object(search: &Search) -> String {
    object(&[
        ("drawn", search.drawn.to_string()),
        ("wanted", search.wanted.to_string()),
        ("valid", search.valid.to_string()),
        ("by_table", search.by_table.to_string()),
        ("by_predictor", search.by_predictor.to_string()),
        ("evaluated", search.evaluated.to_string()),
        ("candidates_per_second", or_null(Some(search.per_second))),
        ("binding", search.binding.map_or_else(|| "null".into(), |binding| text(&binding_words(binding)))),
    ])
}

fn design_fields(design: &Design) -> Vec<(&'static str, String)> {
    vec![
        ("plan", text(&design.plan)),
        ("accuracy", or_null(known(design))),
        ("latency_ms", or_null(Some(design.latency_ms))),
        ("energy_millijoules", or_null(Some(design.energy_millijoules))),
        ("device_peak_bytes", design.device_peak_bytes.to_string()),
        ("edge_peak_bytes", design.edge_peak_bytes.to_string()),
        ("link_bytes", design.link_bytes.to_string()),
    ]
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// A number of JSON, which has none that is not finite.
fn or_null(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "null".into(), |value| value.to_string())
}

/// A string of JSON (RFC 8259, section 7).
fn text(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\u{0}'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::tests::{design, reference};
    use crate::state::Shared;
    use crate::state::tests::{request, search};
    use cleave_contract::Baseline;

    fn run() -> Recorded {
        let mut search = search(false);
        search.designs = vec![Design { plan: "3 2,0 6".into(), ..design(0.9, 1.5) }];
        search.references = vec![reference(Baseline::OnEdge, -1.0, 100.0)];
        search.judged_on = "\"generated\" furniture".into();
        (search.drawn, search.per_second) = (7, f64::NAN);
        Recorded {
            request: Some(SearchRequest { seed: 9_007_199_254_740_991, ..request() }),
            search: Shared::new(search),
        }
    }

    #[test]
    fn a_table_has_a_row_per_design_and_reference_and_every_row_its_run() {
        let csv = to_csv(&run());
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].split(',').count(), 25);
        let run = "nsga,9007199254740991,10,,,1,1,f32,7,1,1,1,1,,1,\"\"\"generated\"\" furniture\"";
        assert_eq!(rows[1], format!("design,,\"3 2,0 6\",0.9,1.5,1,1,1,1,{run}"));
        assert_eq!(rows[2], format!("reference,DGCNN on the edge,-1 100,,100,1,1,1,1,{run}"));
    }

    #[test]
    fn a_run_of_unknown_request_keeps_its_columns() {
        let row = to_csv(&Recorded { request: None, ..run() }).lines().last().map(str::to_owned).unwrap();
        assert_eq!(row.split(',').count(), 25, "{row}");
    }

    #[test]
    fn an_object_holds_request_funnel_designs_and_references() {
        assert_eq!(
            to_json(&run()),
            concat!(
                r#"{"request":{"strategy":"nsga","seed":9007199254740991,"latency_ms":10,"energy_millijoules":null,"#,
                r#""device_megabytes":null,"candidates":1,"evaluations":1,"codec":"f32"},"#,
                r#""judged_on":"\"generated\" furniture","#,
                r#""device_slowdown":1,"#,
                r#""funnel":{"drawn":7,"wanted":2,"valid":1,"by_table":1,"by_predictor":1,"evaluated":1,"#,
                r#""candidates_per_second":null,"binding":null},"#,
                r#""designs":[{"plan":"3 2,0 6","accuracy":0.9,"latency_ms":1.5,"energy_millijoules":1,"#,
                r#""device_peak_bytes":1,"edge_peak_bytes":1,"link_bytes":1}],"#,
                r#""references":[{"name":"DGCNN on the edge","plan":"-1 100","accuracy":null,"latency_ms":100,"#,
                r#""energy_millijoules":1,"device_peak_bytes":1,"edge_peak_bytes":1,"link_bytes":1}]}"#
            )
        );
        assert!(to_json(&Recorded { request: None, ..run() }).starts_with(r#"{"request":null,"#));
    }

    #[test]
    fn no_text_breaks_out_of_its_string() {
        assert_eq!(text("a\"b\\c\nd—e"), r#""a\"b\\c\u000ad—e""#);
    }
}
