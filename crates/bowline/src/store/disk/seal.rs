//! The transform between a record and what is on the disk. Knows no cipher: the application brings one.

use std::error::Error;
use std::fmt;

/// Encrypts what a [`DiskStore`](crate::store::DiskStore) writes, and decrypts what it reads.
///
/// Sealed is what applications gave: topics, payloads, properties and deadlines of publications, topic filters and their
/// options, the client identifier and the name of the address that has the session. Readable stay the
/// [keys](crate::store::Accepted::key) of publications and how those ended (they are looked up by key), packet identifiers, the
/// phases of publications, how many there are, and how long each is.
///
/// A record is sealed together with its place, which is not secret, so that a record cannot be put in the place of
/// another. That an old copy of the whole file was put back cannot be told.
///
/// An authenticated cipher with a random nonce of 24 bytes, such as XChaCha20-Poly1305, is right for it; the example
/// `sealed_store` has one. Where the key is kept is the application's concern.
pub trait Seal: Send + Sync + 'static {
    /// What is to be written for this record. Called for each record, with `place` as the associated data.
    ///
    /// # Errors
    /// [`SealError`]: the commit fails and is tried again.
    fn seal(&self, place: &[u8], record: &[u8]) -> Result<Vec<u8>, SealError>;

    /// The record that was sealed in this place.
    ///
    /// # Errors
    /// [`SealError`] if it was sealed with another key, in another place, or was changed.
    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// A record could not be sealed or opened. Has no details, as these would help only those who should not have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct SealError;

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cipher refused a record")
    }
}

impl Error for SealError {}
