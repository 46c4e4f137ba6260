//! What the page and the README say of file formats is what is read: neither may depend on the crate that reads them.

use cleave_data::Format;

use crate::workspace;

#[test]
fn page_and_readme_name_the_formats_that_are_read() {
    let list = Format::list().replace(" or ", ", ");
    let text = |path: &str| std::fs::read_to_string(workspace(path)).unwrap();
    let readme = text("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(&format!("({list};")), "README.md names other formats than {list}");
    let page = text("crate/page/src/view/input.rs");
    assert!(page.contains(&format!("drop it here: {list}, or weights")), "the page names other formats than {list}");
    let extensions = Format::GEOMETRIES.into_iter().flat_map(Format::extensions);
    let offered: String = extensions.map(|extension| format!(".{extension},")).collect();
    let wanted = format!("const FORMATS: &str = \"{offered}.safetensors\";");
    assert!(page.contains(&wanted), "the page should say: {wanted}");
}
