//! How both modules of this crate begin. It is a part of each binary and not of the library: the modules of its tests are
//! begun by their runner.
#![allow(unsafe_code)]

use peak_alloc::PeakAlloc;

/// Counts what a network needs: of an engine that cooperates, and for benchmarks.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

unsafe extern "C" {
    /// The linker's: runs what dependencies have registered to be run at the start, thousands of functions.
    fn __wasm_call_ctors();
}

/// The first thing that a module does, once.
pub fn construct() {
    // SAFETY: the linker defines it, without parameters or result. Nothing else calls it, for a module that calls it
    // itself is not wrapped: without this line the linker has every call from JavaScript run all of them again, which
    // takes 0.2 ms for each callback, allocation and release.
    unsafe { __wasm_call_ctors() };
}
