//! Files as no version of this library has written them: made with the database itself, behind the store's back.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use ::bytes::Bytes;
use bowline_proto::Message;
use proptest::prelude::*;
use redb::{Database, ReadableTable, TableDefinition};

use super::envelope::close_plain;
use super::group::{self, Member};
use super::layout::{BODIES, META, PHASES, STATE, numbered};
use super::*;
use crate::TopicName;
use crate::store::{Accepted, SessionLoss, StoredSession};

/// A directory that is removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bowline-records-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a directory for tests can be made");
        Self(folder)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.join("session")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A store with one publication that waits.
fn made(path: &std::path::Path) {
    let mut store = DiskStore::new(path);
    store.recover(0).expect("it works");
    let message = Message::new(TopicName::from_static("a/b").expect("it works"), "content");
    let publication = PublicationId::new(1);
    let on_session_loss = SessionLoss::Indeterminate;
    let accepted =
        Accepted { publication, message, deadline: None, packet_id: None, key: None, on_session_loss };
    store.commit(&[Entry::Accepted(accepted)]).expect("it works");
}

/// Puts a record there, as somebody could who can write the file.
fn put(path: &std::path::Path, key: &[u8], record: &[u8]) {
    let database = Database::open(path).expect("it works");
    let transaction = database.begin_write().expect("it works");
    transaction.open_table(STATE).expect("it works").insert(key, record).unwrap();
    transaction.commit().expect("it works");
}

fn refusal(path: &std::path::Path) -> StoreErrorKind {
    DiskStore::new(path).recover(usize::MAX).expect_err("it does not open").kind().clone()
}

#[test]
fn a_store_of_another_format_is_refused_and_not_touched() {
    for found in [1, 3] {
        let scratch = Scratch::new();
        let path = scratch.path();
        made(&path);
        put(&path, META, &close_plain(META, &[found, 0, 0, 0, 1, 2, 3]));
        assert_eq!(refusal(&path), StoreErrorKind::OtherFormat { found: found.into(), known: 2 });
        assert!(path.exists());
    }
}

#[test]
fn a_database_of_somebody_else_is_refused_and_not_touched() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let database = Database::create(&path).expect("it works");
    let transaction = database.begin_write().expect("it works");
    transaction.open_table(TableDefinition::<u64, u64>::new("theirs")).expect("it works");
    transaction.commit().expect("it works");
    drop(database);
    assert_eq!(refusal(&path), StoreErrorKind::NotAStore);
    assert!(path.exists());
}

#[test]
fn records_that_contradict_each_other_are_damage() {
    let scratch = Scratch::new();
    let phases_of = |number| numbered(PHASES, number);
    let sent = [0, 0, 1, 7, 0];
    let cases: [(Vec<u8>, Vec<u8>); 8] = [
        // Phases of publications that are not there, before and behind all that are.
        (phases_of(0), close_plain(&phases_of(0), &sent)),
        (phases_of(9), close_plain(&phases_of(9), &sent)),
        // The one that waits has a phase, so that none waits.
        (phases_of(1), close_plain(&phases_of(1), &sent)),
        // It has ended, and is there.
        (phases_of(1), close_plain(&phases_of(1), &[0, 0, 0])),
        // There is no second one.
        (phases_of(1), close_plain(&phases_of(1), &[1, 0, 1, 7, 0])),
        // A record that belongs elsewhere.
        (phases_of(1), close_plain(&phases_of(2), &sent)),
        // A packet identifier that does not exist.
        (phases_of(1), close_plain(&phases_of(1), &[0, 0, 1, 0, 0])),
        (META.to_vec(), Vec::new()),
    ];
    for (key, record) in cases {
        let path = scratch.path();
        made(&path);
        put(&path, &key, &record);
        assert!(
            matches!(refusal(&path), StoreErrorKind::Damaged { set_aside: Some(_) }),
            "{key:?} with {record:?}"
        );
    }
}

#[test]
fn a_phase_change_leaves_the_body_as_it_is() {
    let scratch = Scratch::new();
    let path = scratch.path();
    made(&path);
    let body = || {
        let database = Database::open(&path).expect("it works");
        let transaction = database.begin_write().expect("it works");
        let bodies = transaction.open_table(BODIES).expect("it works");
        bodies.get(1).expect("it works").unwrap().value().to_vec()
    };
    let before = body();
    let mut store = DiskStore::new(&path);
    store.recover(0).expect("it works");
    let publication = PublicationId::new(1);
    let packet_id = bowline_proto::PacketId::new(5).expect("it works");
    store
        .commit(&[Entry::Assigned { publication, packet_id }, Entry::Pubrec { publication }])
        .expect("it works");
    drop(store);
    assert_eq!(body(), before);
    assert_eq!(group::members(1, &before).expect("it works").len(), 1, "it is a group of one");
}

/// A content as it was written before there was a choice at the loss of a session: QoS 2, topic `t`, payload `x`.
const OLDER_CONTENT: [u8; 9] = [2, 1, 0, b't', 1, 0, 0, 0, b'x'];

#[test]
fn a_store_from_before_there_were_choices_and_suspects_is_read_and_ends_with_its_session() {
    let content = record::content(Bytes::from_static(&OLDER_CONTENT)).expect("it is read");
    assert_eq!(content.on_session_loss, SessionLoss::Indeterminate);
    // And what chose nothing is written as it was then.
    let topic = TopicName::try_from("t").expect("it works");
    let message = Message::new(topic, "x").with_qos(bowline_proto::QoS::ExactlyOnce);
    let (publication, on_session_loss) = (PublicationId::new(1), SessionLoss::Indeterminate);
    let accepted =
        Accepted { publication, message, deadline: None, packet_id: None, key: None, on_session_loss };
    let mut bytes = Vec::new();
    record::put_content(&mut bytes, &accepted).expect("it works");
    assert_eq!(bytes, OLDER_CONTENT);
    let scratch = Scratch::new();
    let path = scratch.path();
    made(&path);
    let recovered = DiskStore::new(&path).recover(usize::MAX).expect("it is read");
    assert_eq!((recovered.queue.len(), recovered.suspects), (1, vec![]), "a store without that record");
}

#[test]
fn suspects_that_are_out_of_order_or_cut_off_are_damage() {
    let one = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
    for content in [[one, one].concat(), one[..11].to_vec()] {
        let scratch = Scratch::new();
        let path = scratch.path();
        made(&path);
        put(&path, layout::SUSPECTS, &close_plain(layout::SUSPECTS, &content));
        assert!(matches!(refusal(&path), StoreErrorKind::Damaged { .. }), "{content:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_a_record_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        _ = record::content(bytes.clone());
        _ = record::phase(&mut fields::Reader::new(bytes.clone()));
        _ = group::members(1, &bytes);
        _ = group::contents(1, &bytes);
        _ = record::identity(bytes.clone());
        _ = record::wanted(bytes.clone());
        _ = record::outcome(bytes.clone());
        _ = record::suspects(bytes.clone());
        _ = layout::Meta::from_record(&bytes);
        _ = layout::Meta::from_record(&close_plain(META, &bytes));
        _ = Envelope::default().open(b"b", &bytes);
        let mut members = [Member { number: 1, has_key: false, packet_id: None, counted_bytes: 0, stored_bytes: 0, phase: None }];
        _ = group::open_phases(1, &mut members, &close_plain(&numbered(PHASES, 1), &bytes));
        let mut head = bytes.to_vec();
        fields::seal_with_checksum(&layout::group_place(1), &mut head);
        _ = group::members(1, &head);
        _ = group::contents(1, &head);
    }

    /// A valid record with some bytes changed gets further than noise does.
    #[test]
    fn no_change_to_a_content_makes_reading_it_panic(
        topic in "[a-z]{1,5}",
        payload in proptest::collection::vec(any::<u8>(), 0..30),
        is_again in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut properties = crate::MessageProperties::default();
        properties.correlation_data = Some(Bytes::from_static(b"correlation"));
        properties.user_properties = vec![("name".try_into().expect("it works"), "value".try_into().unwrap())];
        let message = Message::new(TopicName::try_from(&topic[..]).expect("it works"), payload).with_properties(properties);
        let key = Some("key".try_into().expect("it works"));
        let publication = PublicationId::new(1);
        let on_session_loss = if is_again { SessionLoss::PublishAgain } else { SessionLoss::Indeterminate };
        let accepted =
            Accepted { publication, message, deadline: None, packet_id: None, key, on_session_loss };
        let mut bytes = Vec::new();
        record::put_content(&mut bytes, &accepted).expect("it works");
        let content = record::content(Bytes::copy_from_slice(&bytes)).expect("it works");
        prop_assert_eq!(&content.message, &accepted.message);
        prop_assert_eq!(content.on_session_loss, on_session_loss);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        _ = record::content(Bytes::from(bytes));
    }
}

/// A store that remembers nothing but publications, and what it has to have.
struct Twin {
    store: DiskStore,
    model: StoredSession,
}

impl Twin {
    fn commit(&mut self, batch: &[Entry]) {
        self.store.commit(batch).expect("it works");
        batch.iter().for_each(|entry| self.model.apply(entry));
    }

    fn compare(&mut self, path: &std::path::Path) {
        self.store = DiskStore::on(|| Err(std::io::ErrorKind::NotFound.into()));
        self.store = DiskStore::new(path);
        assert_eq!(self.store.recover(usize::MAX).expect("it works"), self.model.recover(usize::MAX));
        for after in 0..12 {
            let after = PublicationId::new(after);
            assert_eq!(self.store.load(after, 1).expect("it works"), self.model.load(after, 1));
        }
    }
}

/// The engine counts upwards and gives nothing twice. A store has to cope with both all the same.
#[test]
fn publications_that_are_given_twice_or_out_of_order_end_up_where_they_belong() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let numbered = |number: u64, id: u16| {
        let topic = TopicName::from_static("a/b").expect("it works");
        let message = Message::new(topic, format!("content {number} {id}"));
        let (publication, packet_id) = (PublicationId::new(number), bowline_proto::PacketId::new(id));
        let (key, on_session_loss) = (None, SessionLoss::Indeterminate);
        Entry::Accepted(Accepted { publication, message, deadline: None, packet_id, key, on_session_loss })
    };
    let ended =
        |number| Entry::Ended { publication: PublicationId::new(number), retired: None, outcome: None };
    let mut twin = Twin { store: DiskStore::new(&path), model: StoredSession::default() };
    twin.store.recover(0).expect("it works");
    twin.commit(&[numbered(2, 1), numbered(4, 0), numbered(6, 2), numbered(8, 0)]);
    twin.commit(&[ended(6)]);
    twin.compare(&path);
    // Between two of a group, and in place of one.
    twin.commit(&[numbered(3, 7), numbered(8, 9), numbered(9, 3)]);
    twin.compare(&path);
    // In place of the first, before all of them, in place of one that has ended, and one that ends at once.
    twin.commit(&[ended(2), numbered(2, 0), numbered(1, 5), numbered(6, 6), ended(9), numbered(9, 4)]);
    twin.compare(&path);
    twin.commit(&[numbered(10, 1), numbered(11, 0), numbered(10, 0), ended(11), numbered(12, 0), ended(12)]);
    twin.compare(&path);
    twin.commit(&(1..=12).map(ended).collect::<Vec<_>>());
    twin.compare(&path);
    assert_eq!(twin.store.inspect().expect("it works").contents().expect("it works").waiting, 0);
}

#[test]
fn a_store_that_another_process_has_made_meanwhile_is_not_set_aside_in_place_of_the_damaged_one() {
    let scratch = Scratch::new();
    let path = scratch.path();
    fs::write(&path, b"damaged").expect("it works");
    let found = File::open(&path).expect("it works");
    // The other one has found it too, was faster, and has begun anew.
    let aside = place::set_aside(&path, &File::open(&path).expect("it works")).expect("it works");
    made(&path);
    let store = fs::read(&path).expect("it works");
    assert!(matches!(place::set_aside(&path, &found), Err(Failure::Gone)));
    assert!(fs::read(&path).expect("it works") == store);
    assert_eq!(fs::read(aside).expect("it works"), b"damaged");
}
