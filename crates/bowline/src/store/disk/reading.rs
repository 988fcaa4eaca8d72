//! Reads from the tables what an engine starts from, and what it asks for later. Changes nothing.

use bowline_proto::Text;
use bowline_proto::session::KeyState;
use redb::{AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use crate::store::disk::envelope::{Envelope, open_plain};
use crate::store::disk::failure::Failure;
use crate::store::disk::fields::Reader;
use crate::store::disk::group::{self, Member};
use crate::store::disk::layout::{
    BODIES, ENDED, IDENTITY, META, Meta, OWNER, PENDING, PHASES, RECEIVED, RETIRED, STATE, SUSPECTS, WANTED,
    all_of, content_place, number_in, numbered, of_key, packet_id_in, slot_in,
};
use crate::store::disk::record;
use crate::store::disk::writing::Slots;
use crate::store::{Identity, PublicationId, Recovered, StoredPhase, StoredPublication, Suspect, Wanted};

/// The tables as they were when it began.
pub(super) struct Reading<'a> {
    bodies: ReadOnlyTable<u64, &'static [u8]>,
    state: ReadOnlyTable<&'static [u8], &'static [u8]>,
    envelope: &'a Envelope,
}

impl<'a> Reading<'a> {
    pub(super) fn new(transaction: &ReadTransaction, envelope: &'a Envelope) -> Result<Self, Failure> {
        let state = transaction.open_table(STATE)?;
        let bodies = transaction.open_table(BODIES)?;
        Ok(Self { bodies, state, envelope })
    }

    pub(super) fn meta(&self) -> Result<Meta, Failure> {
        let record = self.state.get(META)?.ok_or_else(|| Failure::damaged("its counters are missing"))?;
        Meta::from_record(record.value())
    }

    /// What is stored in this place, if it can be unsealed.
    pub(super) fn sealed(&self, place: &[u8]) -> Result<Option<bytes::Bytes>, Failure> {
        let record = self.state.get(place)?;
        record.map(|record| self.envelope.open(place, record.value())).transpose()
    }

    /// Costs what the flows and the head of the queue cost, however long the queue is.
    pub(super) fn recover(&self, meta: &Meta, queue_bytes_max: usize) -> Result<Recovered, Failure> {
        let queue = self.waiting(meta, PublicationId::default(), queue_bytes_max)?;
        let head_bytes: usize = queue.iter().map(|stored| stored.message.content_bytes()).sum();
        let flows = self.flows(meta)?;
        // The table knows its length, so that this costs nothing.
        let is_one_missing = queue.is_empty() && meta.waiting > 0;
        if self.bodies.len()? != meta.groups || flows.len() as u64 != meta.flows || is_one_missing {
            return Err(Failure::damaged("it has not as many publications as were counted"));
        }
        // Those before it are found on the way.
        if let Some((place, _)) = self.all(PHASES)?.next_back().transpose()?
            && self.bodies.get(number_in(place.value())?)?.is_none()
        {
            return Err(nobody());
        }
        let rest = |all: u64, head: usize| {
            let rest = usize::try_from(all).ok().and_then(|all| all.checked_sub(head));
            rest.ok_or_else(|| Failure::damaged("more publications wait than were counted"))
        };
        Ok(Recovered {
            client_id: self.owner()?,
            identity: self.identity()?,
            generation: meta.generation,
            last_publication: meta.last_publication,
            flows,
            paged_messages: rest(meta.waiting, queue.len())?,
            paged_bytes: rest(meta.waiting_bytes, head_bytes)?,
            queue,
            retired: self.packet_ids(RETIRED)?,
            received: self.packet_ids(RECEIVED)?,
            wanted: self.wanted()?.into_iter().map(|(_, wanted)| wanted).collect(),
            suspects: self.suspects()?,
        })
    }

    fn owner(&self) -> Result<Option<Text>, Failure> {
        let client_id = self.sealed(OWNER)?.map(record::text).transpose();
        client_id.map_err(|error| Failure::record(OWNER, error))
    }

    fn identity(&self) -> Result<Option<Identity>, Failure> {
        let content = self.sealed(IDENTITY)?;
        let identity = content.map(record::identity).transpose();
        identity.map_err(|error| Failure::record(IDENTITY, error))
    }

    /// Sent ones in send order, then released ones in the order of their PUBRECs.
    fn flows(&self, meta: &Meta) -> Result<Vec<StoredPublication>, Failure> {
        let mut flows = Vec::new();
        let mut walk = self.walk(0)?;
        // Behind the last one that ever had a packet identifier there is none that has.
        while let Some(group) = walk.next(meta.last_flow)? {
            self.contents(
                &group,
                |_, phase| !phase.is_waiting(),
                |stored| {
                    flows.push(stored);
                    true
                },
            )?;
        }
        flows.sort_by_key(|stored| match stored.phase {
            StoredPhase::Released { order, .. } => (1, order),
            StoredPhase::Sent { .. } | StoredPhase::Waiting | StoredPhase::Requeued => {
                (0, stored.publication.as_u64())
            }
        });
        Ok(flows)
    }

    /// Publications without a packet identifier, later than `after`.
    pub(super) fn waiting(
        &self,
        meta: &Meta,
        after: PublicationId,
        bytes_max: usize,
    ) -> Result<Vec<StoredPublication>, Failure> {
        let mut found: Vec<StoredPublication> = Vec::new();
        let Some(first) = after.as_u64().checked_add(1) else { return Ok(found) };
        let mut walk = self.walk(first)?;
        let mut bytes = 0_usize;
        let mut has_room = true;
        // Behind the last one that waits there may be many flows.
        while has_room
            && (found.len() as u64) < meta.waiting
            && let Some(group) = walk.next(u64::MAX)?
        {
            self.contents(
                &group,
                |number, phase| number >= first && phase.is_waiting(),
                |stored| {
                    let is_first = bytes == 0;
                    bytes = bytes.saturating_add(stored.message.content_bytes());
                    has_room = is_first || bytes <= bytes_max;
                    if has_room {
                        found.push(stored);
                    }
                    has_room
                },
            )?;
        }
        Ok(found)
    }

    /// Groups from the one on that may have this publication.
    fn walk(&self, first: u64) -> Result<Walk<'_>, Failure> {
        let before = self.bodies.range(..=first)?.next_back().transpose()?;
        let first = before.map_or(first, |(key, _)| key.value());
        let bodies = self.bodies.range(first..)?;
        let phases = self.state.range(&numbered(PHASES, first)[..]..&all_of(PHASES).1[..])?;
        let mut walk = Walk { bodies, phases, next_phases: None };
        walk.next_phases = next_phases(&mut walk.phases)?;
        Ok(walk)
    }

    /// Hands on what is wanted of a group, until that says that it is enough. Contents of others are not looked at.
    fn contents(
        &self,
        group: &Found<'_>,
        is_wanted: impl Fn(u64, StoredPhase) -> bool,
        mut hand_on: impl FnMut(StoredPublication) -> bool,
    ) -> Result<(), Failure> {
        let mut contents = None;
        let mut start = 0;
        for member in &group.members {
            let range = start..start + member.stored_bytes;
            start = range.end;
            let Some(phase) = member.phase.filter(|phase| is_wanted(member.number, *phase)) else { continue };
            let contents = match contents {
                Some(contents) => contents,
                None => *contents.insert(group::contents(group.key, group.record.value())?),
            };
            let place = content_place(member.number);
            let content = self.envelope.unseal(&place, &member.content_head(), &contents[range])?;
            let content = record::content(content).map_err(|error| Failure::record(&place, error))?;
            if !hand_on(content.with(PublicationId::new(member.number), phase)) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn outcome(&self, key: &str) -> Result<KeyState, Failure> {
        let place = of_key(PENDING, key);
        if let Some(record) = self.state.get(&place[..])? {
            let number = Reader::new(open_plain(&place, record.value())?).u64();
            let number = number.map_err(|error| Failure::record(&place, error))?;
            return Ok(KeyState::Pending(PublicationId::new(number)));
        }
        let place = of_key(ENDED, key);
        let Some(record) = self.state.get(&place[..])? else { return Ok(KeyState::Unknown) };
        let mut reader = Reader::new(open_plain(&place, record.value())?);
        let outcome = reader.u64().and_then(|_age| record::outcome(reader.remainder()));
        outcome.map(KeyState::Ended).map_err(|error| Failure::record(&place, error))
    }

    /// Of the keys with this prefix that are known, the last one.
    pub(super) fn last_key(&self, prefix: &str) -> Result<Option<Text>, Failure> {
        let mut last: Option<Text> = None;
        for kind in [PENDING, ENDED] {
            let from = of_key(kind, prefix);
            // No text has a byte as high.
            let to = [&from[..], &[0xFF]].concat();
            let Some(item) = self.state.range(&from[..]..&to[..])?.next_back() else { continue };
            let (place, record) = item?;
            open_plain(place.value(), record.value())?;
            let key = std::str::from_utf8(&place.value()[1..]).ok().and_then(|key| Text::try_from(key).ok());
            let key = key.ok_or_else(|| Failure::damaged("a key is not a text"))?;
            last = last.max(Some(key));
        }
        Ok(last)
    }

    /// In the order of their filters.
    fn wanted(&self) -> Result<Vec<(u32, Wanted)>, Failure> {
        let mut all = Vec::new();
        for item in self.all(WANTED)? {
            let (place, stored) = item?;
            let content = self.envelope.open(place.value(), stored.value())?;
            let wanted = record::wanted(content).map_err(|error| Failure::record(place.value(), error))?;
            all.push((slot_in(place.value())?, wanted));
        }
        all.sort_by(|(_, one), (_, other)| one.filter.cmp(&other.filter));
        Ok(all)
    }

    pub(super) fn slots(&self) -> Result<Slots, Failure> {
        Ok(self.wanted()?.into_iter().map(|(slot, wanted)| (wanted.filter, slot)).collect())
    }

    /// Those that have not ended.
    fn suspects(&self) -> Result<Vec<Suspect>, Failure> {
        let Some(record) = self.state.get(SUSPECTS)? else { return Ok(Vec::new()) };
        let all = record::suspects(open_plain(SUSPECTS, record.value())?);
        let mut suspects = Vec::new();
        for suspect in all.map_err(|error| Failure::record(SUSPECTS, error))? {
            let number = suspect.publication.as_u64();
            let goes_on = |member: &Member| member.number == number && member.phase.is_some();
            if self.walk(number)?.next(number)?.is_some_and(|group| group.members.iter().any(goes_on)) {
                suspects.push(suspect);
            }
        }
        Ok(suspects)
    }

    fn packet_ids(&self, kind: u8) -> Result<Vec<bowline_proto::PacketId>, Failure> {
        let mut ids = Vec::new();
        for item in self.all(kind)? {
            let (place, record) = item?;
            open_plain(place.value(), record.value())?;
            ids.push(packet_id_in(place.value())?);
        }
        Ok(ids)
    }

    fn all(&self, kind: u8) -> Result<Range<'static, &'static [u8], &'static [u8]>, Failure> {
        let (from, to) = all_of(kind);
        Ok(self.state.range(&from[..]..&to[..])?)
    }
}

/// Goes along both tables, so that how far publications got costs no look-up.
struct Walk<'a> {
    bodies: Range<'a, u64, &'static [u8]>,
    phases: Range<'a, &'static [u8], &'static [u8]>,
    next_phases: Option<Phases<'a>>,
}

type Phases<'a> = (u64, AccessGuard<'a, &'static [u8]>);

/// A group on the way.
struct Found<'a> {
    key: u64,
    record: AccessGuard<'a, &'static [u8]>,
    members: Vec<Member>,
}

impl<'a> Walk<'a> {
    /// The next group, if its key is not beyond `last`.
    fn next(&mut self, last: u64) -> Result<Option<Found<'a>>, Failure> {
        let Some((key, record)) = self.bodies.next().transpose()? else {
            return if self.next_phases.is_none() { Ok(None) } else { Err(nobody()) };
        };
        let key = key.value();
        if key > last {
            return Ok(None);
        }
        let mut members = group::members(key, record.value())?;
        if let Some((of, phases)) = &self.next_phases
            && *of <= key
        {
            if *of < key {
                return Err(nobody());
            }
            group::open_phases(key, &mut members, phases.value())?;
            self.next_phases = next_phases(&mut self.phases)?;
        }
        Ok(Some(Found { key, record, members }))
    }
}

fn next_phases<'a>(
    phases: &mut Range<'a, &'static [u8], &'static [u8]>,
) -> Result<Option<Phases<'a>>, Failure> {
    let Some((place, record)) = phases.next().transpose()? else { return Ok(None) };
    Ok(Some((number_in(place.value())?, record)))
}

fn nobody() -> Failure {
    Failure::damaged("it is stored how far publications got that are not there")
}
