//! The page's binary: puts the interface in place of the static shell of `index.html`.

fn main() {
    console_error_panic_hook::set_once();
    cleave_page::view::mount();
}
