//! The examples run as they are, without arguments.

use std::process::Command;

#[test]
fn the_examples_run_with_a_broker_of_their_own() {
    // Cargo puts them beside the folder of this test, and builds them for every `cargo test` that is not narrowed down.
    let here = std::env::current_exe().unwrap();
    let examples = here.parent().and_then(std::path::Path::parent).unwrap().join("examples");
    let mut all = vec![("publisher", "at QoS 2"), ("subscriber", "reading 4"), ("pubsub", "hello 3")];
    if cfg!(feature = "durable") {
        all.push(("sealed_store", "both are with the broker"));
    }
    for (example, says) in all {
        let output = Command::new(examples.join(example)).output().unwrap_or_else(|error| {
            panic!("{example} cannot be run ({error}); cargo build -p bowline --examples")
        });
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{example}: {error}");
        assert!(out.contains(says), "{example}: {out}");
    }
}
