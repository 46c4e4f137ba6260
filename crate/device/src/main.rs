//! The worker's entry: everything is in the library, so that the browser tests drive the same code.

fn main() {
    cleave_device::start();
}
