//! Every workload moves what it should, and costs no more allocations than it may. Times nothing.

use std::time::Duration;

use bowline::Version;
use bowline_bench::{
    Peer, Plan, Served, Transport, Workload, allocations_per_message, durable_rates, move_raw, take_part,
    take_part_in_memory,
};

const MESSAGES: u64 = 5_000;

fn plans(messages: u64) -> impl Iterator<Item = Plan> {
    [Version::V3_1_1, Version::V5].into_iter().flat_map(move |version| {
        Workload::ALL.into_iter().map(move |workload| {
            let mut plan = Plan::new(workload, messages);
            plan.version = version;
            plan
        })
    })
}

/// What the peer must have counted after all messages.
fn is_complete(plan: &Plan, served: Served) {
    let released = if plan.workload == Workload::W3 { plan.messages } else { 0 };
    let (published, completed) = match plan.workload {
        Workload::W1 | Workload::W2 | Workload::W3 => (plan.messages, 0),
        Workload::W4 => (0, 0),
        _ => (0, plan.messages),
    };
    let counted = (served.published, served.released, served.completed);
    assert_eq!(counted, (published, released, completed), "{plan:?}");
}

#[test]
fn the_client_moves_every_message_of_every_workload_in_both_versions() {
    for plan in plans(MESSAGES) {
        let peer = Peer::start(plan).unwrap();
        let took = take_part(plan, peer.address(), None).unwrap();
        assert_eq!(took.messages, MESSAGES, "{plan:?}");
        is_complete(&plan, peer.served().unwrap());
    }
}

#[test]
fn the_client_moves_every_message_with_the_peer_in_memory() {
    for plan in plans(MESSAGES) {
        assert_eq!(take_part_in_memory(plan).unwrap().messages, MESSAGES, "{plan:?}");
    }
}

#[test]
fn the_client_moves_every_message_on_two_threads() {
    for plan in plans(MESSAGES) {
        let peer = Peer::start(plan).unwrap();
        take_part(plan, peer.address(), Some(2)).unwrap();
        is_complete(&plan, peer.served().unwrap());
    }
}

#[test]
fn the_client_moves_every_message_over_every_transport() {
    for (mut plan, transport) in
        plans(MESSAGES).flat_map(|plan| Transport::ALL.iter().map(move |one| (plan, *one)))
    {
        plan.transport = Some(transport);
        let peer = Peer::start(plan).unwrap();
        let took = take_part(plan, peer.address(), None).unwrap();
        assert_eq!(took.messages, MESSAGES, "{plan:?}");
        is_complete(&plan, peer.served().unwrap());
    }
}

#[test]
fn a_durable_session_publishes_what_the_peer_counts_and_leaves_no_file() {
    let path = std::env::temp_dir().join(format!("bowline-bench-{}.bowline", std::process::id()));
    let rates = durable_rates(&path, 100, Duration::from_millis(50), 1).unwrap();
    assert!(rates.in_memory > 0.0 && rates.synced > 0.0 && rates.buffered > 0.0, "{rates:?}");
    assert!(!path.exists());
}

#[test]
fn the_raw_program_moves_the_same_messages() {
    for plan in plans(MESSAGES) {
        let peer = Peer::start(plan).unwrap();
        move_raw(plan, peer.address()).unwrap();
        is_complete(&plan, peer.served().unwrap());
    }
}

/// What `docs/performance.md` allows for a message of 256 bytes.
fn allocations_max(workload: Workload) -> f64 {
    match workload {
        Workload::W1 | Workload::W4 => 0.05,
        _ => 0.1,
    }
}

/// A busy machine cuts the stream into smaller reads, which only adds: the lowest of several counts is the client's own.
const ATTEMPTS_MAX: usize = 5;

#[test]
fn no_workload_allocates_more_per_message_than_is_allowed() {
    for plan in plans(20_000) {
        let most = allocations_max(plan.workload);
        let mut lowest = f64::INFINITY;
        for _ in 0..ATTEMPTS_MAX {
            lowest = lowest.min(allocations_per_message(plan, 2_000).unwrap());
            if lowest <= most {
                break;
            }
        }
        assert!(lowest <= most, "{lowest:.3} allocations a message, allowed are {most}: {plan:?}");
    }
}
