//! Leaves function names out of the shipped module: a third of its size, and a panic still says file and line. The linker is
//! told so here and not by `strip = true`, because that would also drop the two sections that wasm-bindgen reads.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|set| set == value);
    if is("CARGO_CFG_TARGET_FAMILY", "wasm") && is("PROFILE", "release") {
        for flag in ["--strip-all", "--keep-section=target_features", "--keep-section=__wasm_bindgen_unstable"] {
            println!("cargo::rustc-link-arg-bins={flag}");
        }
    }
}
