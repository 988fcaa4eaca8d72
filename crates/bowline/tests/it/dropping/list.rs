//! The list of all public futures: a new one must say here which test drops it.

use std::collections::BTreeSet;
use std::path::Path;

/// File, `pub async fn` or public type that is a future, and the test that drops it.
const FUTURES: &[(&str, &str, &str)] = &[
    ("builder/start.rs", "connect", "a_dropped_connect_leaves_no_task_and_no_connection"),
    ("builder/start.rs", "start", "a_dropped_start_leaves_no_task_and_a_store_that_is_free"),
    ("client.rs", "connect", "a_dropped_connect_to_a_url_leaves_none_either"),
    ("publisher.rs", "connect", "a_dropped_connect_to_a_url_leaves_none_either"),
    ("subscriber.rs", "connect", "a_dropped_connect_to_a_url_leaves_none_either"),
    ("connection.rs", "flush", "a_dropped_flush_or_drain_or_wait_changes_nothing"),
    ("connection.rs", "drain", "a_dropped_flush_or_drain_or_wait_changes_nothing"),
    ("connection.rs", "disconnect", "a_dropped_disconnect_or_abort_ends_the_client_if_it_was_polled"),
    ("connection.rs", "abort", "a_dropped_disconnect_or_abort_ends_the_client_if_it_was_polled"),
    (
        "connection.rs",
        "changed",
        "a_dropped_changed_misses_no_change_and_a_dropped_connected_can_be_awaited_again",
    ),
    (
        "connection.rs",
        "connected",
        "a_dropped_changed_misses_no_change_and_a_dropped_connected_can_be_awaited_again",
    ),
    ("connection.rs", "ended", "a_dropped_flush_or_drain_or_wait_changes_nothing"),
    ("event.rs", "next", "a_dropped_next_of_events_takes_no_event_with_it"),
    ("client.rs", "outcome", "a_dropped_outcome_changes_nothing_and_can_be_asked_for_again"),
    ("publisher.rs", "outcome", "a_dropped_outcome_changes_nothing_and_can_be_asked_for_again"),
    (
        "publish/receipt.rs",
        "Receipt",
        "a_dropped_receipt_leaves_its_message_and_one_that_was_polled_can_still_be_awaited",
    ),
    (
        "publish/request.rs",
        "Publish",
        "a_dropped_publish_is_sent_once_if_there_was_room_at_a_poll_and_else_never",
    ),
    (
        "publish/request.rs",
        "PublishFuture",
        "a_dropped_publish_is_sent_once_if_there_was_room_at_a_poll_and_else_never",
    ),
    ("publish/request.rs", "send", "a_dropped_send_was_accepted_if_it_returned_and_else_it_was_not"),
    ("publish/topic.rs", "publish_all", "a_dropped_publish_all_has_published_the_first_ones_and_no_others"),
    ("publish/topic.rs", "send", "a_dropped_send_was_accepted_if_it_returned_and_else_it_was_not"),
    ("subscribe/delivery.rs", "ack", "a_dropped_ack_or_reject_is_given_if_it_was_polled_and_else_abandoned"),
    (
        "subscribe/delivery.rs",
        "reject",
        "a_dropped_ack_or_reject_is_given_if_it_was_polled_and_else_abandoned",
    ),
    ("subscribe/on_message.rs", "OnMessage", "a_dropped_on_message_leaves_no_handler_unless_it_returned_one"),
    (
        "subscribe/on_message.rs",
        "unsubscribe",
        "a_dropped_unsubscribe_unsubscribes_all_the_same_if_it_was_polled",
    ),
    ("subscribe/request.rs", "Subscribe", "a_dropped_subscribe_leaves_no_stream_and_no_subscription"),
    ("subscribe/request.rs", "SubscribeFuture", "a_dropped_subscribe_leaves_no_stream_and_no_subscription"),
    ("subscribe/subscription.rs", "next", "a_dropped_next_or_next_batch_takes_no_message_with_it"),
    ("subscribe/subscription.rs", "next_batch", "a_dropped_next_or_next_batch_takes_no_message_with_it"),
    (
        "subscribe/subscription.rs",
        "unsubscribe",
        "a_dropped_unsubscribe_unsubscribes_all_the_same_if_it_was_polled",
    ),
    (
        "subscribe/unrouted.rs",
        "next",
        "a_dropped_next_of_a_stream_with_acks_by_hand_or_of_the_unrouted_one_takes_none_either",
    ),
    ("client.rs", "unsubscribe", "a_dropped_unsubscribe_unsubscribes_all_the_same_if_it_was_polled"),
    ("subscriber.rs", "unsubscribe", "a_dropped_unsubscribe_unsubscribes_all_the_same_if_it_was_polled"),
];

const TESTS: [&str; 3] =
    [include_str!("connecting.rs"), include_str!("publishing.rs"), include_str!("receiving.rs")];

/// Adds the public futures of a folder's files.
fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(root, &path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source is text");
        let file = path.strip_prefix(root).expect("it is inside").to_str().expect("a text path");
        let name_after = |line: &str, before: &str| -> Option<String> {
            let rest = &line[line.find(before)? + before.len()..];
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
            Some(rest[..end].to_owned())
        };
        for line in source.lines().map(str::trim_start) {
            let function = line.starts_with("pub async fn ").then(|| name_after(line, "pub async fn "));
            let future = line.starts_with("impl").then(|| name_after(line, "Future for "));
            let is_public = |name: &String| source.contains(&format!("pub struct {name}"));
            let names = function.flatten().into_iter().chain(future.flatten().filter(is_public));
            found.extend(names.map(|name| (file.to_owned(), name)));
        }
    }
}

#[test]
fn every_public_future_is_dropped_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    collect(&root, &root, &mut found);
    let listed: BTreeSet<(String, String)> =
        FUTURES.iter().map(|&(file, name, _)| (file.to_owned(), name.to_owned())).collect();
    assert_eq!(found, listed, "the public futures on the left, those of the list on the right");
    for (_, _, test) in FUTURES {
        assert!(TESTS.concat().contains(&format!("async fn {test}(")), "there is no test {test}");
    }
}
