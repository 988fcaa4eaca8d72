//! Publications that were accepted one after the other, as one record, and how far each of them got, as another. Knows the bytes
//! of both, neither tables nor entries.

use bowline_proto::PacketId;
use bytes::Bytes;

use crate::store::StoredPhase;
use crate::store::disk::envelope::{close_plain, open_plain};
use crate::store::disk::failure::Failure;
use crate::store::disk::fields::{BadRecord, Reader, check, crc32c, seal_with_checksum};
use crate::store::disk::layout::{PHASES, group_place, numbered};
use crate::store::disk::record;

/// Most bytes of a group of more than one: with them it fits in a page of the database, beside nothing else.
pub(super) const GROUP_BYTES_MAX: usize = 3_900;

const GROUP: u8 = 2;
const CHECKSUM_BYTES: usize = 4;
/// The kind of the record and the number of members.
const COUNT_BYTES: usize = 3;
const MEMBER_BYTES: usize = 19;
const HAS_KEY: u8 = 1;

/// A publication of a group, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) number: u64,
    pub(super) has_key: bool,
    /// The packet identifier that stands beside its content; the phase may say something else meanwhile.
    pub(super) packet_id: Option<PacketId>,
    /// What queue limits count of it.
    pub(super) counted_bytes: u64,
    /// How long its content is in the record.
    pub(super) stored_bytes: usize,
    /// `None` once it has ended.
    pub(super) phase: Option<StoredPhase>,
}

impl Member {
    /// Its phase if nothing else is written about it.
    pub(super) fn first_phase(&self) -> StoredPhase {
        self.packet_id.map_or(StoredPhase::Waiting, |packet_id| StoredPhase::Sent { packet_id })
    }

    /// What is known of a content without reading it; part of what its seal covers.
    pub(super) fn content_head(&self) -> Vec<u8> {
        [&[u8::from(self.has_key)][..], &self.counted_bytes.to_le_bytes()].concat()
    }
}

/// A group that this transaction has looked at.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: Vec<Member>,
    /// Whether its contents are in the table.
    pub(super) is_stored: bool,
    /// Whether a record of its own says how far its members got.
    pub(super) has_phases: bool,
    pub(super) has_changed: bool,
}

impl Group {
    pub(super) fn is_over(&self) -> bool {
        self.members.iter().all(|member| member.phase.is_none())
    }

    /// Whether a publication with this number is in it, or would have to be.
    pub(super) fn covers(&self, number: u64) -> bool {
        self.members.last().is_some_and(|last| number <= last.number)
    }
}

/// The group that new publications are put in. Its contents are written when it is full, or at the end.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) key: u64,
    pub(super) contents: Vec<u8>,
}

/// How long a record is.
pub(super) fn record_bytes(members: usize, contents: usize) -> usize {
    COUNT_BYTES + MEMBER_BYTES * members + CHECKSUM_BYTES + contents + CHECKSUM_BYTES
}

/// Whether a member with this number can be in the group with this key.
pub(super) fn can_hold(key: u64, number: u64) -> bool {
    number.checked_sub(key).is_some_and(|offset| u32::try_from(offset).is_ok())
}

/// The record of a group. Its members are in ascending order, and `contents` are their contents in that order.
pub(super) fn close(key: u64, members: &[Member], contents: &[u8]) -> Result<Vec<u8>, BadRecord> {
    const TOO_LONG: BadRecord = BadRecord("it is too long");
    let mut group = Vec::with_capacity(record_bytes(members.len(), contents.len()));
    group.push(GROUP);
    group.extend_from_slice(&u16::try_from(members.len()).map_err(|_| TOO_LONG)?.to_le_bytes());
    for member in members {
        let offset = u32::try_from(member.number - key).map_err(|_| TOO_LONG)?;
        group.extend_from_slice(&offset.to_le_bytes());
        group.push(if member.has_key { HAS_KEY } else { 0 });
        group.extend_from_slice(&member.packet_id.map_or(0, PacketId::as_u16).to_le_bytes());
        group.extend_from_slice(&member.counted_bytes.to_le_bytes());
        group.extend_from_slice(&u32::try_from(member.stored_bytes).map_err(|_| TOO_LONG)?.to_le_bytes());
    }
    let place = group_place(key);
    let checksum = crc32c(&[&place, &group]);
    group.extend_from_slice(&checksum.to_le_bytes());
    group.extend_from_slice(contents);
    seal_with_checksum(&place, &mut group);
    Ok(group)
}

/// The members of a group, as if nothing else were written about them. Looks at no content.
pub(super) fn members(key: u64, group: &[u8]) -> Result<Vec<Member>, Failure> {
    let place = group_place(key);
    let failed = |error| Failure::record(&place, error);
    let count = group.first_chunk::<COUNT_BYTES>();
    let count = count.ok_or_else(|| failed(BadRecord("it ends too early")))?;
    if count[0] != GROUP {
        return Err(Failure::damaged("publications have a form that is not known"));
    }
    let count = usize::from(u16::from_le_bytes([count[1], count[2]]));
    let head_bytes = record_bytes(count, 0) - CHECKSUM_BYTES;
    let head = group.get(..head_bytes).ok_or_else(|| failed(BadRecord("it ends too early")))?;
    let head = check(&place, head).map_err(failed)?;
    let mut reader = Reader::new(Bytes::copy_from_slice(&head[COUNT_BYTES..]));
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        members.push(member(key, &mut reader).map_err(failed)?);
    }
    let is_ascending = members.is_sorted_by(|one, next| one.number < next.number);
    let stored = members.iter().try_fold(0_usize, |sum, member| sum.checked_add(member.stored_bytes));
    let is_whole = stored.is_some_and(|stored| group.len() == record_bytes(count, stored));
    if members.is_empty() || !is_ascending || !is_whole {
        return Err(Failure::damaged(
            "publications are not as long, as many or in the order that was written",
        ));
    }
    Ok(members)
}

fn member(key: u64, reader: &mut Reader) -> Result<Member, BadRecord> {
    let offset = u64::from(reader.u32()?);
    let number = key.checked_add(offset).ok_or(BadRecord("it has a number that does not exist"))?;
    let flags = reader.u8()?;
    if flags & !HAS_KEY != 0 {
        return Err(BadRecord("it has flags that are not known"));
    }
    let packet_id = PacketId::new(reader.u16()?);
    let counted_bytes = reader.u64()?;
    let stored_bytes =
        usize::try_from(reader.u32()?).map_err(|_| BadRecord("it is too long for this machine"))?;
    let mut member =
        Member { number, has_key: flags & HAS_KEY != 0, packet_id, counted_bytes, stored_bytes, phase: None };
    member.phase = Some(member.first_phase());
    Ok(member)
}

/// All contents of a group, one after the other, if not a bit of it has changed.
pub(super) fn contents(key: u64, group: &[u8]) -> Result<&[u8], Failure> {
    let place = group_place(key);
    let failed = |error| Failure::record(&place, error);
    let whole = check(&place, group).map_err(failed)?;
    let count =
        whole.get(1..COUNT_BYTES).map_or(0, |count| usize::from(u16::from_le_bytes([count[0], count[1]])));
    whole.get(record_bytes(count, 0) - CHECKSUM_BYTES..).ok_or_else(|| failed(BadRecord("it ends too early")))
}

/// Where among all contents that of the member in this place is.
pub(super) fn content_range(members: &[Member], index: usize) -> std::ops::Range<usize> {
    let start = members[..index].iter().map(|member| member.stored_bytes).sum();
    start..start + members[index].stored_bytes
}

/// How far members got, as a record of its own; none if that is as it stands in their group.
pub(super) fn close_phases(key: u64, members: &[Member]) -> Option<Vec<u8>> {
    let mut phases = Vec::new();
    for (index, member) in (0_u16..).zip(members) {
        if member.phase != Some(member.first_phase()) {
            phases.extend_from_slice(&index.to_le_bytes());
            record::put_phase(&mut phases, member.phase);
        }
    }
    if phases.is_empty() { None } else { Some(close_plain(&numbered(PHASES, key), &phases)) }
}

/// Puts in place what a record says about how far members got.
pub(super) fn open_phases(key: u64, members: &mut [Member], record: &[u8]) -> Result<(), Failure> {
    let place = numbered(PHASES, key);
    let mut reader = Reader::new(open_plain(&place, record)?);
    let mut next = 0;
    while !reader.is_at_end() {
        let one = reader.u16().and_then(|index| Ok((usize::from(index), record::phase(&mut reader)?)));
        let (index, phase) = one.map_err(|error| Failure::record(&place, error))?;
        let member = members.get_mut(index).filter(|_| index >= next);
        let member =
            member.ok_or_else(|| Failure::damaged("the phase of a publication is that of no other"))?;
        member.phase = phase;
        next = index + 1;
    }
    if members.iter().all(|member| member.phase.is_none()) {
        return Err(Failure::damaged("publications that have all ended are still there"));
    }
    Ok(())
}
