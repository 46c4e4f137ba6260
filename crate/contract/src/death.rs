//! How a worker ends, and how one that was started for tests is made to.

use serde::{Deserialize, Serialize};

/// Name of a worker that was started for a test.
pub const TEST_WORKER: &str = "test";

/// What a test makes a worker die of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// A defect.
    Panic,
    /// More memory than there is.
    Memory,
    /// The GPU device is destroyed, as a driver that is reset does.
    LoseGpu,
}

/// What ended a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Death {
    /// A defect, where and what.
    Panicked { message: String },
    /// No memory was left. The worker cannot say this itself: the page infers it.
    OutOfMemory,
    /// Anything else that ends a module, in the browser's words; told by the page, too.
    Trapped { message: String },
    /// WebGPU is gone, and this worker's module cannot open it a second time. `in_use`: it was the engine, not only open.
    LostGpu { why: String, in_use: bool },
}
