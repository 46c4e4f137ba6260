//! How this worker dies: a defect says its last word to the page, and a test can have it die on purpose.

use crate::browser::scope;
use crate::gpu;
use crate::port;
use cleave_contract::{Crash, Death, Event, TEST_WORKER};
use std::hint::black_box;
use std::panic::{self, PanicHookInfo};

/// Folders and files at the end of a path that say enough.
const PARTS: usize = 4;

/// From now on a panic is told to the page before it ends the module. Memory that is used up is not: there is none to say it.
pub fn announce_panics() {
    console_error_panic_hook::set_once();
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        port::post(Event::Died(Death::Panicked { message: words(info) }));
    }));
}

fn words(info: &PanicHookInfo) -> String {
    let what = info.payload_as_str().unwrap_or("a panic without words");
    let Some(at) = info.location() else { return what.to_owned() };
    let mut parts: Vec<&str> = at.file().rsplit('/').take(PARTS).collect();
    parts.reverse();
    format!("{what} ({}:{})", parts.join("/"), at.line())
}

/// Dies on purpose, if this worker was started for that.
pub fn obey(crash: Crash) {
    if scope().name() != TEST_WORKER {
        return;
    }
    match crash {
        Crash::Panic => panic!("on purpose, for a test"),
        Crash::Memory => exhaust_memory(),
        Crash::LoseGpu => gpu::destroy(),
    }
}

fn exhaust_memory() {
    const GIBIBYTE: usize = 1 << 30;
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(Vec::<u8>::with_capacity(GIBIBYTE)));
    }
}
