//! Every state of the client against every input: the table in the docs, and that nothing panics or loops.

use std::path::Path;

use bowline_proto::Version;
use bowline_testkit::transitions::{STATES, Scene, page, stimuli};

#[test]
fn the_transition_table_in_the_docs_is_what_the_engine_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transitions.md");
    let page = page();
    if std::env::var_os("BOWLINE_BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let in_docs = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(in_docs.lines()).enumerate().find(|(_, (now, before))| now != before);
    assert!(
        page == in_docs,
        "docs/transitions.md is out of date, first in {differs:?}: if the engine is right, run with BOWLINE_BLESS=1"
    );
}

#[test]
fn the_transition_table_is_at_most_110_columns_wide() {
    let long = page().lines().filter(|line| line.chars().count() > 110).count();
    assert_eq!(long, 0);
}

#[test]
fn no_two_inputs_in_any_state_make_the_engine_panic_or_loop() {
    for version in Version::ALL.map(Some).into_iter().chain([None]) {
        for state in STATES {
            for first in stimuli() {
                for second in stimuli() {
                    let with_fallback = || Scene::with_fallback(state);
                    let mut scene = version.map_or_else(with_fallback, |version| Scene::new(version, state));
                    first.apply(&mut scene);
                    let rests = scene.drain().is_some();
                    assert!(rests, "{version:?} {state:?}: {first:?} does not come to rest");
                    second.apply(&mut scene);
                    let rests = scene.drain().is_some();
                    assert!(rests, "{version:?} {state:?}: {first:?}, {second:?} do not come to rest");
                }
            }
        }
    }
}
