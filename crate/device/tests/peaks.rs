//! Peak memory as predicted against what the engine allocates in a browser: the same test as the engine's own, in a module
//! whose allocator counts. Alone in its binary for that.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

#[path = "../../model/tests/memory.rs"]
mod native;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Bytes of a page of a module's memory.
const PAGE: usize = 65_536;

/// The module's memory only grows, in pages, so that it is what was needed at most: a network's peak and what else lives
/// in the module, with room between allocations.
#[wasm_bindgen_test]
fn the_modules_memory_holds_the_largest_peak() {
    let size = || core::arch::wasm32::memory_size(0) * PAGE;
    let before = size();
    native::peak_memory_is_predicted();
    let (grown, most) = (size() - before, native::largest_peak());
    assert!(grown <= 3 * most, "the module grew by {grown} bytes for a peak of {most}");
}
