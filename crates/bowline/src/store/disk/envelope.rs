//! What every record has around it: the checksum, and the application's seal. Knows no record and no table.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use crate::store::disk::failure::Failure;
use crate::store::disk::fields::{check, seal_with_checksum};
use crate::store::disk::seal::{Seal, SealError};

/// Closes and opens records: what may be sealed, then the checksum.
#[derive(Clone, Default)]
pub(super) struct Envelope {
    pub(super) seal: Option<Arc<dyn Seal>>,
}

impl Envelope {
    /// A record with content that is sealed if this store is.
    pub(super) fn close(&self, place: &[u8], content: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut record = self.seal(place, &[], content)?.into_owned();
        seal_with_checksum(place, &mut record);
        Ok(record)
    }

    /// The content of a record.
    pub(super) fn open(&self, place: &[u8], record: &[u8]) -> Result<Bytes, Failure> {
        self.unseal(place, &[], check(place, record).map_err(|error| Failure::record(place, error))?)
    }

    /// A content without a checksum, sealed if this store is. The head, which can be read, belongs to it.
    pub(super) fn seal<'a>(
        &self,
        place: &[u8],
        head: &[u8],
        content: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, Failure> {
        let Some(seal) = &self.seal else { return Ok(Cow::Borrowed(content)) };
        Ok(Cow::Owned(guarded(|| seal.seal(&[place, head].concat(), content))?))
    }

    /// What [`Self::seal`] was given.
    pub(super) fn unseal(&self, place: &[u8], head: &[u8], content: &[u8]) -> Result<Bytes, Failure> {
        let Some(seal) = &self.seal else { return Ok(Bytes::copy_from_slice(content)) };
        Ok(Bytes::from(guarded(|| seal.open(&[place, head].concat(), content))?))
    }
}

/// A record without anything that could be sealed.
pub(super) fn close_plain(place: &[u8], content: &[u8]) -> Vec<u8> {
    let mut record = content.to_vec();
    seal_with_checksum(place, &mut record);
    record
}

/// What is in a record without anything that could be sealed; of others, the sealed content.
pub(super) fn open_plain(place: &[u8], record: &[u8]) -> Result<Bytes, Failure> {
    check(place, record).map(Bytes::copy_from_slice).map_err(|error| Failure::record(place, error))
}

/// A cipher that panics has refused. Above, a panic is taken for that of a database that cannot read its file.
fn guarded(call: impl FnOnce() -> Result<Vec<u8>, SealError>) -> Result<Vec<u8>, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SealError)).map_err(Failure::Seal)
}
