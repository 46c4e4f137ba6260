//! What a person is told when a worker has died: what happened, what goes on, what can be done.

use super::{Notice, Run};
use cleave_contract::Death;

/// What is said when another worker takes its place: what goes on, what has ended, and the file that is left out.
pub(super) fn revived(death: &Death, run: Run, ended: Option<&str>, left_out: Option<String>) -> Notice {
    let what = match death {
        Death::LostGpu { in_use: false, .. } => "The compute engine was started again to open WebGPU anew.".into(),
        _ => format!("The compute engine stopped ({}) and was started again.", cause(death)),
    };
    let goes_on = match (run, ended) {
        (_, Some(ended)) => format!("{ended} has ended; start it again."),
        (Run::Searching, None) => "The search goes on.".into(),
        (Run::Stream, None) => "The stream goes on.".into(),
        (_, None) => "Network, input and plan are as before.".into(),
    };
    let left_out = left_out.map(|name| format!(" {name} was being read and is left out."));
    Notice { what, why: format!("{goes_on}{}", left_out.unwrap_or_default()), remedy: remedy(death).into() }
}

/// What it died of, in a few words and without a full stop.
pub(super) fn cause(death: &Death) -> String {
    match death {
        Death::Panicked { message } => format!("a defect: {message}"),
        Death::OutOfMemory => "out of memory".into(),
        Death::Trapped { message } => message.trim_start_matches("Uncaught ").to_owned(),
        Death::LostGpu { why, .. } => format!("WebGPU was lost: {why}"),
    }
}

fn remedy(death: &Death) -> &'static str {
    match death {
        Death::Panicked { .. } | Death::Trapped { .. } => "If it happens again, please report what you did.",
        Death::OutOfMemory => "If it happens again, choose a smaller network, file or budget.",
        Death::LostGpu { in_use: true, .. } => "It computes on wasm SIMD now; choose WebGPU to try it again.",
        Death::LostGpu { in_use: false, .. } => "If WebGPU does not open, reload the page.",
    }
}

/// What is said when no other is started.
pub(super) fn given_up(death: &Death) -> Notice {
    Notice {
        what: "The compute engine stopped three times in a row and is not started again.".into(),
        why: format!("The last cause: {}.", cause(death)),
        remedy:
            "Reload the page; if that does not help, open it without what follows the question mark in its address."
                .into(),
    }
}

/// Why there is no worker at all.
pub fn unloaded(why: &str) -> Notice {
    Notice {
        what: "The compute engine could not be loaded.".into(),
        why: why.to_owned(),
        remedy: "Check the connection and reload the page; the browser has to allow WebAssembly and module workers."
            .into(),
    }
}
