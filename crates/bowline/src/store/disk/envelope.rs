//! What every record has around it: the checksum, and the application's seal. Knows no record and no table.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use crate::store::disk::failure::Failure;
use crate::store::disk::fields::{check, seal_with_checksum};
use crate::store::disk::seal::{Seal, SealError};

/// Closes and opens records: a readable head, then what may be sealed, then the checksum.
#[derive(Clone, Default)]
pub(super) struct Envelope {
    pub(super) seal: Option<Arc<dyn Seal>>,
}

impl Envelope {
    /// A record with content that is sealed if this store is.
    pub(super) fn close(&self, place: &[u8], head: &[u8], content: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut record = head.to_vec();
        match &self.seal {
            Some(seal) => {
                record.extend_from_slice(&guarded(|| seal.seal(&context(place, head), content))?);
            }
            None => record.extend_from_slice(content),
        }
        seal_with_checksum(place, &mut record);
        Ok(record)
    }

    /// The content of a record with a head of so many bytes.
    pub(super) fn open(&self, place: &[u8], head_bytes: usize, record: &[u8]) -> Result<Bytes, Failure> {
        let mut body = check(place, record).map_err(|error| Failure::record(place, error))?;
        if head_bytes > body.len() {
            return Err(Failure::damaged("a record is shorter than its head"));
        }
        let head = body.split_to(head_bytes);
        match &self.seal {
            Some(seal) => {
                let content = guarded(|| seal.open(&context(place, &head), &body))?;
                Ok(Bytes::from(content))
            }
            None => Ok(body),
        }
    }
}

/// A record without anything that could be sealed.
pub(super) fn close_plain(place: &[u8], content: &[u8]) -> Vec<u8> {
    let mut record = content.to_vec();
    seal_with_checksum(place, &mut record);
    record
}

/// What is in a record without anything that could be sealed; of others, head and sealed content.
pub(super) fn open_plain(place: &[u8], record: &[u8]) -> Result<Bytes, Failure> {
    check(place, record).map_err(|error| Failure::record(place, error))
}

/// A cipher that panics has refused. Above, a panic is taken for that of a database that cannot read its file.
fn guarded(call: impl FnOnce() -> Result<Vec<u8>, SealError>) -> Result<Vec<u8>, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SealError)).map_err(Failure::Seal)
}

fn context(place: &[u8], head: &[u8]) -> Vec<u8> {
    [place, head].concat()
}
