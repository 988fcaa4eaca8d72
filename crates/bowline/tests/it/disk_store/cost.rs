//! What a message costs in bytes and syncs: neither follows how many are in flight.

use bowline::proto::types::Message;
use bowline::store::{Accepted, Entry, PublicationId, SessionLoss, SessionStore};
use bowline::{PacketId, QoS, TopicName};
use bowline_testkit::power::{Operation, PowerDisk};

use super::store_on;

fn accepted(number: u64, in_flight: u64) -> Entry {
    let topic = TopicName::from_static("plant/7").expect("it is valid");
    let packet_id = PacketId::new(u16::try_from(number % in_flight + 1).expect("it fits"));
    Entry::Accepted(Accepted {
        publication: PublicationId::new(number),
        message: Message::new(topic, vec![b'x'; 100]).with_qos(QoS::AtLeastOnce),
        deadline: None,
        packet_id,
        key: None,
        on_session_loss: SessionLoss::Indeterminate,
    })
}

/// Bytes written and syncs of 50 commits, each of which ends the oldest message in flight and begins one.
fn cost(in_flight: u64) -> (usize, usize) {
    let disk = PowerDisk::new();
    let mut store = store_on(&disk);
    store.recover(0).expect("the disk works");
    let all: Vec<Entry> = (1..=in_flight).map(|number| accepted(number, in_flight)).collect();
    store.commit(&all).expect("the disk works");
    let before = disk.operations();
    for number in 1..=50 {
        let publication = PublicationId::new(number);
        let ended = Entry::Ended { publication, retired: None, outcome: None };
        store.commit(&[ended, accepted(in_flight + number, in_flight)]).expect("the disk works");
    }
    let log = &disk.log()[before..];
    let written = log.iter().map(|operation| match operation {
        Operation::Write { data, .. } => data.len(),
        Operation::SetLen(_) | Operation::Sync => 0,
    });
    (written.sum(), log.iter().filter(|operation| **operation == Operation::Sync).count())
}

#[test]
fn neither_bytes_nor_syncs_of_a_message_follow_the_window() {
    let ((few, syncs_few), (many, syncs_many)) = (cost(10), cost(10_000));
    println!("10 in flight: {few} bytes, {syncs_few} syncs; 10,000: {many} bytes, {syncs_many} syncs");
    assert_eq!((syncs_few, syncs_many), (50, 50), "one sync for each commit");
    // A thousand times as many in flight: the trees are deeper by a page or two, and no more than that is written.
    assert!(many < 3 * few, "{many} bytes with 10,000 in flight, and {few} with 10");
}
