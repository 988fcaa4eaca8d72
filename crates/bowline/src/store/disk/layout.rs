//! Which record stands where: the two tables, their keys, and the record of counters. Knows no entry.

use bowline_proto::PacketId;
use bytes::Bytes;
use redb::TableDefinition;

use crate::store::PublicationId;
use crate::store::disk::envelope::{close_plain, open_plain};
use crate::store::disk::failure::Failure;
use crate::store::disk::fields::Reader;
use crate::store::disk::record;

/// The format that this version writes, and the only one that it reads: no release has written another.
pub(super) const FORMAT: u32 = 2;

/// The contents of publications, in groups.
pub(super) const BODIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bowline.bodies");

/// What is small and changes.
pub(super) const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bowline.state");

pub(super) const META: &[u8] = b"m";
/// Whose the store is, also without a session.
pub(super) const OWNER: &[u8] = b"n";
pub(super) const IDENTITY: &[u8] = b"i";
/// Under which a store that is sealed has something known, so that a wrong seal is found at once.
pub(super) const CANARY: &[u8] = b"c";
pub(super) const CANARY_CONTENT: &[u8] = b"bowline";

/// The publications that may be why the peer closes connections: one record for all, which a close rewrites.
pub(super) const SUSPECTS: &[u8] = b"s";

/// How far the members of a group got.
pub(super) const PHASES: u8 = b'p';
pub(super) const RETIRED: u8 = b'r';
pub(super) const RECEIVED: u8 = b'q';
pub(super) const WANTED: u8 = b'w';
/// From a key to the publication that has it and goes on.
pub(super) const PENDING: u8 = b'k';
/// From a key to how the last publication with it ended.
pub(super) const ENDED: u8 = b'e';
/// From the age of an end to its key.
pub(super) const AGE: u8 = b'o';

pub(super) fn group_place(key: u64) -> Vec<u8> {
    numbered(b'g', key)
}

/// Where a content belongs, wherever it stands.
pub(super) fn content_place(publication: u64) -> Vec<u8> {
    numbered(b'b', publication)
}

pub(super) fn numbered(kind: u8, number: u64) -> Vec<u8> {
    [&[kind][..], &number.to_be_bytes()].concat()
}

pub(super) fn of_packet(kind: u8, packet_id: PacketId) -> Vec<u8> {
    [&[kind][..], &packet_id.as_u16().to_be_bytes()].concat()
}

pub(super) fn of_slot(slot: u32) -> Vec<u8> {
    [&[WANTED][..], &slot.to_be_bytes()].concat()
}

pub(super) fn of_key(kind: u8, key: &str) -> Vec<u8> {
    [&[kind][..], key.as_bytes()].concat()
}

/// The first key of a kind, and the first that is of another.
pub(super) const fn all_of(kind: u8) -> ([u8; 1], [u8; 1]) {
    ([kind], [kind + 1])
}

/// The number behind the kind of a key.
pub(super) fn number_in(key: &[u8]) -> Result<u64, Failure> {
    let number = key.get(1..).and_then(|number| <[u8; 8]>::try_from(number).ok());
    number.map(u64::from_be_bytes).ok_or_else(|| Failure::damaged("a key has the wrong length"))
}

pub(super) fn packet_id_in(key: &[u8]) -> Result<PacketId, Failure> {
    let number = key.get(1..).and_then(|number| <[u8; 2]>::try_from(number).ok());
    let number = number.ok_or_else(|| Failure::damaged("a key has the wrong length"))?;
    record::packet_id(u16::from_be_bytes(number)).map_err(|error| Failure::record(key, error))
}

pub(super) fn slot_in(key: &[u8]) -> Result<u32, Failure> {
    let number = key.get(1..).and_then(|number| <[u8; 4]>::try_from(number).ok());
    number.map(u32::from_be_bytes).ok_or_else(|| Failure::damaged("a key has the wrong length"))
}

/// What is known of the whole store without looking at all of it. Rewritten by each commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) is_sealed: bool,
    /// Counts commits, so that a file that is older than it should be is found.
    pub(super) commits: u64,
    pub(super) generation: u64,
    pub(super) last_publication: PublicationId,
    /// The order of the last PUBREC.
    pub(super) releases: u64,
    /// Groups of publications.
    pub(super) groups: u64,
    /// Publications with a packet identifier.
    pub(super) flows: u64,
    /// The last publication that ever had one.
    pub(super) last_flow: u64,
    /// Publications without a packet identifier.
    pub(super) waiting: u64,
    pub(super) waiting_bytes: u64,
    /// Ends of publications with a key: how many are kept, and the age of the next one.
    pub(super) outcomes: u64,
    pub(super) next_outcome: u64,
}

impl Meta {
    pub(super) fn to_record(self) -> Vec<u8> {
        let mut content = FORMAT.to_le_bytes().to_vec();
        content.push(u8::from(self.is_sealed));
        for number in [
            self.commits,
            self.generation,
            self.last_publication.as_u64(),
            self.releases,
            self.groups,
            self.flows,
            self.last_flow,
            self.waiting,
            self.waiting_bytes,
            self.outcomes,
            self.next_outcome,
        ] {
            content.extend_from_slice(&number.to_le_bytes());
        }
        close_plain(META, &content)
    }

    pub(super) fn from_record(record: &[u8]) -> Result<Self, Failure> {
        let content = open_plain(META, record)?;
        let mut reader = Reader::new(Bytes::clone(&content));
        let found = reader.u32().map_err(|error| Failure::record(META, error))?;
        if found != FORMAT {
            return Err(Failure::OtherFormat { found, known: FORMAT });
        }
        let read = |mut reader: Reader| {
            let meta = Self {
                is_sealed: reader.u8()? == 1,
                commits: reader.u64()?,
                generation: reader.u64()?,
                last_publication: PublicationId::new(reader.u64()?),
                releases: reader.u64()?,
                groups: reader.u64()?,
                flows: reader.u64()?,
                last_flow: reader.u64()?,
                waiting: reader.u64()?,
                waiting_bytes: reader.u64()?,
                outcomes: reader.u64()?,
                next_outcome: reader.u64()?,
            };
            reader.end()?;
            Ok(meta)
        };
        read(reader).map_err(|error| Failure::record(META, error))
    }
}
