//! A store that is sealed: nothing that applications gave can be read in the file, and no other key opens it.

use std::fs;

use bowline::proto::types::{Message, SubscriptionOptions};
use bowline::store::{
    Accepted, DiskStore, Entry, Identity, PublicationId, Seal, SealError, SessionLoss, SessionStore,
    StoreErrorKind, StoredSession, Wanted,
};
use bowline::{MessageProperties, QoS, Text, TopicFilter, TopicName, Version};
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::scratch::Scratch;
use super::script::{Script, assert_same};

const NONCE_BYTES: usize = 24;

struct Cipher(XChaCha20Poly1305);

impl Cipher {
    fn with_key(key: u8) -> Self {
        Self(XChaCha20Poly1305::new(&[key; 32].into()))
    }
}

impl Seal for Cipher {
    fn seal(&self, place: &[u8], record: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = XNonce::generate();
        let sealed = self.0.encrypt(&nonce, Payload { msg: record, aad: place }).map_err(|_| SealError)?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place }).map_err(|_| SealError)
    }
}

#[test]
fn a_sealed_store_gives_back_what_an_open_one_would() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    let (mut script, mut model) = (Script::new(21), StoredSession::default());
    for _ in 0..4 {
        let mut store = DiskStore::new(&path).sealed_by(Cipher::with_key(1));
        assert_same(&mut store, &model, "after a start");
        for _ in 0..6 {
            let batch = script.batch(10);
            store.commit(&batch).expect("it is valid");
            batch.iter().for_each(|entry| model.apply(entry));
        }
    }
}

#[test]
fn another_key_and_none_are_refused_and_the_file_stays() {
    let scratch = Scratch::new();
    let (sealed, open) = (scratch.path("sealed"), scratch.path("open"));
    DiskStore::new(&sealed).sealed_by(Cipher::with_key(1)).recover(0).expect("it is valid");
    DiskStore::new(&open).recover(0).expect("it is valid");
    let refused = [
        DiskStore::new(&sealed).sealed_by(Cipher::with_key(2)),
        DiskStore::new(&sealed),
        DiskStore::new(&open).sealed_by(Cipher::with_key(1)),
    ];
    for mut store in refused {
        let error = store.recover(0).expect_err("it does not open");
        assert_eq!(error.kind(), &StoreErrorKind::NotUnsealed, "{error}");
    }
    assert!(DiskStore::new(&sealed).sealed_by(Cipher::with_key(1)).recover(0).is_ok());
    assert!(DiskStore::new(&open).recover(0).is_ok());
}

/// A cipher that cannot tell a wrong key, or that gives up.
struct Bad {
    key: u8,
    panics: bool,
}

impl Seal for Bad {
    fn seal(&self, _: &[u8], record: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(record.iter().map(|byte| byte ^ self.key).collect())
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        assert!(!self.panics, "this panic is part of the test");
        self.seal(place, sealed)
    }
}

#[test]
fn a_store_is_not_damaged_by_a_cipher_that_panics_or_does_not_notice_a_wrong_key() {
    let scratch = Scratch::new();
    let path = scratch.path("session");
    DiskStore::new(&path).sealed_by(Bad { key: 1, panics: false }).recover(0).expect("it is valid");
    for bad in [Bad { key: 1, panics: true }, Bad { key: 2, panics: false }] {
        let error = DiskStore::new(&path).sealed_by(bad).recover(0).expect_err("it does not open");
        assert_eq!(error.kind(), &StoreErrorKind::NotUnsealed, "{error}");
        assert!(path.exists(), "it was set aside");
    }
    DiskStore::new(&path)
        .sealed_by(Bad { key: 1, panics: false })
        .recover(0)
        .expect("nothing is wrong with it");
}

/// Something recognisable in every place where applications put text.
fn entries() -> Vec<Entry> {
    let text = |text: &'static str| Text::from_static(text).expect("it is valid");
    let mut properties = MessageProperties::default();
    properties.content_type = Some(text("SECRET-content-type"));
    properties.response_topic = Some(TopicName::from_static("SECRET/response").expect("it is valid"));
    properties.correlation_data = Some("SECRET-correlation".into());
    properties.user_properties = vec![(text("SECRET-name"), text("SECRET-value"))];
    let message =
        Message::new(TopicName::from_static("SECRET/topic").expect("it is valid"), "SECRET payload")
            .with_properties(properties);
    let wanted = Wanted {
        filter: TopicFilter::from_static("SECRET/filter/#").expect("it is valid"),
        options: SubscriptionOptions::new(QoS::AtLeastOnce),
        subscription_id: None,
    };
    let identity = Identity {
        client_id: text("SECRET-client"),
        version: Version::V5,
        session_expiry_secs: 60,
        holder: Some(text("SECRET-address")),
    };
    let publication = PublicationId::new(1);
    let key = Some(text("readable-key"));
    let on_session_loss = SessionLoss::Indeterminate;
    let accepted = Accepted { publication, message, deadline: None, packet_id: None, key, on_session_loss };
    vec![Entry::Established(identity), Entry::Wanted(wanted), Entry::Accepted(accepted)]
}

#[test]
fn nothing_that_was_to_be_sealed_can_be_read_in_the_file() {
    let scratch = Scratch::new();
    let contains = |path, word: &[u8]| {
        fs::read(path).expect("it is valid").windows(word.len()).any(|found| found == word)
    };
    let (sealed, open) = (scratch.path("sealed"), scratch.path("open"));
    for mut store in [DiskStore::new(&sealed).sealed_by(Cipher::with_key(1)), DiskStore::new(&open)] {
        store.recover(0).expect("it is valid");
        store.commit(&entries()).expect("it is valid");
    }
    assert!(contains(&open, b"SECRET"), "the test looks for the right thing");
    assert!(!contains(&sealed, b"SECRET"));
    // What the documentation names as not covered.
    assert!(contains(&sealed, b"readable-key"));
}
