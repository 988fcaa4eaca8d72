//! Looking into stores: what is found, and that not a byte of the file changes.

use std::fs;

use bowline_proto::session::{KeyedOutcome, StoredOutcome};
use bowline_proto::{Message, PacketId, QoS, ReasonCode, Version};

use super::tests::Scratch;
use super::*;
use crate::TopicName;
use crate::store::{Accepted, Identity, SessionLoss, StoredPhase};

fn accepted(number: u64, packet_id: Option<u16>, key: Option<&str>) -> Entry {
    let topic = TopicName::from_static("a/b").expect("it works");
    let mut message = Message::new(topic, format!("content {number}"));
    message.qos = QoS::ExactlyOnce;
    Entry::Accepted(Accepted {
        publication: PublicationId::new(number),
        message,
        deadline: None,
        packet_id: packet_id.and_then(PacketId::new),
        key: key.map(|key| key.try_into().expect("it works")),
        on_session_loss: SessionLoss::Indeterminate,
    })
}

fn ended(number: u64, key: &str) -> Entry {
    let outcome = StoredOutcome::Acknowledged { reason: ReasonCode::Success, is_downgraded: false };
    let outcome = Some(KeyedOutcome { key: key.try_into().expect("it works"), outcome });
    Entry::Ended { publication: PublicationId::new(number), retired: None, outcome }
}

/// A store that is open, with a bit of everything.
fn filled(path: &std::path::Path) -> DiskStore {
    let mut store = DiskStore::new(path);
    store.recover(0).expect("it works");
    let identity = Identity {
        client_id: "meter-7".try_into().expect("it works"),
        version: Version::V5,
        session_expiry_secs: 60,
        holder: None,
    };
    let batch = [
        Entry::SessionReset { generation: 3 },
        Entry::Established(identity),
        accepted(1, Some(7), Some("line 09")),
        accepted(2, None, Some("line 10")),
        accepted(3, None, None),
        accepted(4, None, Some("other 99")),
        Entry::Received { packet_id: PacketId::new(5).expect("it is not 0") },
    ];
    store.commit(&batch).expect("it works");
    store.commit(&[ended(2, "line 10")]).expect("it works");
    store
}

fn kind(path: &std::path::Path) -> StoreErrorKind {
    DiskStore::new(path).inspect().expect_err("it does not open").kind().clone()
}

#[test]
fn a_store_that_was_not_closed_is_shown_as_it_is_and_not_a_byte_of_it_changes() {
    let scratch = Scratch::new();
    let (path, copy) = (scratch.path(), scratch.path().with_extension("copy"));
    let store = filled(&path);
    // As a kill would leave it.
    fs::copy(&path, &copy).expect("it works");
    assert_eq!(kind(&path), StoreErrorKind::Locked);
    let before = fs::read(&copy).expect("it works");
    let inspection = DiskStore::new(&copy).inspect().expect("it works");
    let contents = inspection.contents().expect("it works");
    assert_eq!(DiskStore::new(&copy).recover(0).map(|_| ()).unwrap_err().kind(), &StoreErrorKind::Locked);
    drop(inspection);
    assert!(fs::read(&copy).expect("it works") == before);
    drop(store);
    let closed = DiskStore::new(&path).inspect().expect("it works").contents().expect("it works");
    for contents in [contents, closed] {
        assert_eq!((contents.waiting, contents.in_flight.len(), contents.outcomes), (2, 1, 1));
        assert_eq!(contents.oldest_waiting.as_ref().map(|stored| stored.publication.as_u64()), Some(3));
        assert!(
            matches!(contents.in_flight[0].phase, StoredPhase::Sent { packet_id } if packet_id.as_u16() == 7)
        );
        assert_eq!(contents.identity.as_ref().map(|identity| identity.session_expiry_secs), Some(60));
        assert_eq!((contents.generation, contents.last_publication), (3, 4));
        assert_eq!((contents.received.len(), contents.retired.len(), contents.wanted.len()), (1, 0, 0));
        assert!(contents.file_bytes > 0 && contents.commits == 3, "{contents:?}");
    }
}

#[test]
fn the_last_key_is_found_among_those_that_go_on_and_those_that_have_ended() {
    let scratch = Scratch::new();
    drop(filled(&scratch.path()));
    let inspection = DiskStore::new(scratch.path()).inspect().expect("it works");
    let last =
        |prefix: &str| inspection.last_key(prefix).expect("it works").map(|key| key.as_str().to_owned());
    assert_eq!(last("line ").as_deref(), Some("line 10"));
    assert_eq!(last("line 0").as_deref(), Some("line 09"));
    assert_eq!(last("").as_deref(), Some("other 99"));
    assert_eq!(last("line 11"), None);
}

#[test]
fn nothing_is_made_or_moved_by_looking() {
    let scratch = Scratch::new();
    let path = scratch.path();
    assert_eq!(kind(&path), StoreErrorKind::NoFile);
    assert!(!path.exists());
    fs::write(&path, "not a store, but long enough that it could be one").expect("it works");
    assert_eq!(kind(&path), StoreErrorKind::NotAStore);
    assert_eq!(fs::read_dir(path.parent().expect("it has one")).expect("it works").count(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_can_only_be_read_is_looked_into_too() {
    let scratch = Scratch::new();
    drop(filled(&scratch.path()));
    let file = fs::File::open(scratch.path()).expect("it works");
    let file = file::Synced::brought(Box::new(file::ReadOnlyFile::new(file)), SyncPolicy::OsBuffer);
    let file = overlay::Overlay::new(file);
    let opened = Opened::new(file.expect("it works"), &Envelope::default(), 10, false).expect("it works");
    assert_eq!(opened.meta.waiting, 2);
}
