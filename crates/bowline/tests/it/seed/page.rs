//! The page for those who come from twisted-mqtt names tests, and they exist.

use std::path::{Path, PathBuf};

/// The sources of every test of this crate, one text for each file.
fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path: PathBuf = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(std::fs::read_to_string(&path).expect("a source is text"));
        }
    }
    found
}

#[test]
fn every_test_that_the_page_names_exists() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(here.join("../../docs/from-twisted-mqtt.md")).unwrap();
    let sources = sources(&here.join("tests/it")).concat();
    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| `") || line.starts_with("| \"")) {
        let names = row.rsplit('|').nth(1).unwrap();
        let mut named = 0;
        for name in names.split('`').skip(1).step_by(2) {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
            named += 1;
        }
        assert!(named > 0 || row.contains("not yet"), "this row names no test: {row}");
        rows += 1;
    }
    assert!(rows >= 20, "the page has a table of {rows} rows");
}
