//! The worker's entry: everything is in the library, so that the browser tests drive the same code.

mod entry;

fn main() {
    entry::construct();
    cleave_device::start();
}
