//! What blocking clients share with each other and with the async client: one thread, and the names of all options.

use std::collections::BTreeSet;

use super::side_broker::SideBroker;

/// The names of the methods in a source text that take the builder itself and give it back.
fn options(source: &'static str) -> BTreeSet<&'static str> {
    let lines = source.lines().map(str::trim);
    let takes_itself = |line: &&str| line.contains("(mut self") || line.contains("(self");
    let options = lines.filter(takes_itself).filter(|line| line.contains("-> Self"));
    options
        .filter_map(|line| line.split("pub const fn ").nth(1).or_else(|| line.split("pub fn ").nth(1)))
        .filter_map(|line| line.split('(').next())
        .collect()
}

fn missing(asynchronous: &'static str, blocking: &'static str) -> Vec<&'static str> {
    let all = options(asynchronous);
    assert!(all.len() >= 6, "the options are where this test looks for them: {all:?}");
    let has = |name: &str| blocking.lines().any(|line| line.trim_start().starts_with(&format!("{name}(")));
    all.into_iter().filter(|name| !has(name)).collect()
}

#[test]
fn every_option_of_the_async_builders_has_its_name_in_the_blocking_ones() {
    let builder = concat!(
        include_str!("../../../src/builder/options.rs"),
        include_str!("../../../src/builder/transport_options.rs")
    );
    assert_eq!(missing(builder, include_str!("../../../src/blocking/builder.rs")), [""; 0]);
    let subscribe = include_str!("../../../src/subscribe/request.rs");
    assert_eq!(missing(subscribe, include_str!("../../../src/blocking/subscribe.rs")), [""; 0]);
    let messages = include_str!("../../../src/publish/message_options.rs");
    assert_eq!(missing(messages, include_str!("../../../src/blocking/publish.rs")), [""; 0]);
    assert_eq!(missing(messages, include_str!("../../../src/blocking/topic.rs")), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn all_blocking_clients_of_a_process_share_one_thread() {
    let side = SideBroker::start();
    let _clients: Vec<_> = (0..20).map(|_| side.client()).collect();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    assert_eq!(names.filter(|name| name.trim() == "bowline").count(), 1);
}
