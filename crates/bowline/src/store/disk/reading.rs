//! Reads from the tables what an engine starts from, and what it asks for later. Changes nothing.

use bowline_proto::Text;
use bowline_proto::session::KeyState;
use redb::{Range, ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use crate::store::disk::envelope::{Envelope, open_plain};
use crate::store::disk::failure::Failure;
use crate::store::disk::fields::Reader;
use crate::store::disk::layout::{
    BODIES, BODY_HEAD_BYTES, ENDED, IDENTITY, META, Meta, OWNER, PENDING, PHASE, RECEIVED, RETIRED, STATE,
    WANTED, all_of, body_place, number_in, numbered, of_key, packet_id_in, slot_in,
};
use crate::store::disk::record::{self, Content};
use crate::store::disk::writing::{Slots, phase_in};
use crate::store::{Identity, PublicationId, Recovered, StoredPhase, StoredPublication, Wanted};

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
        record.map(|record| self.envelope.open(place, 0, record.value())).transpose()
    }

    /// Costs what the flows and the head of the queue cost, however long the queue is.
    pub(super) fn recover(&self, meta: &Meta, queue_bytes_max: usize) -> Result<Recovered, Failure> {
        let queue = self.waiting(meta, PublicationId::default(), queue_bytes_max)?;
        let head_bytes: usize = queue.iter().map(|stored| stored.message.content_bytes()).sum();
        let flows = self.flows()?;
        // The table knows its length, so that this costs nothing.
        if self.bodies.len()? != meta.waiting.saturating_add(flows.len() as u64) {
            return Err(Failure::damaged("it has not as many publications as were counted"));
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
    fn flows(&self) -> Result<Vec<StoredPublication>, Failure> {
        let mut flows = Vec::new();
        for item in self.all(PHASE)? {
            let (place, phase) = item?;
            let number = number_in(place.value())?;
            let phase = phase_in(place.value(), phase.value())?;
            if phase.is_waiting() {
                continue;
            }
            let body = self.bodies.get(number)?;
            let body = body.ok_or_else(|| Failure::damaged("the content of a publication is missing"))?;
            flows.push(self.content(number, body.value())?.with(PublicationId::new(number), phase));
        }
        flows.sort_by_key(|stored| match stored.phase {
            StoredPhase::Released { order, .. } => (1, order),
            StoredPhase::Sent { .. } | StoredPhase::Waiting | StoredPhase::Requeued => {
                (0, stored.publication.as_u64())
            }
        });
        Ok(flows)
    }

    /// Publications without a packet identifier, later than `after`. Walks along both tables, so that flows in between cost
    /// no look-up.
    pub(super) fn waiting(
        &self,
        meta: &Meta,
        after: PublicationId,
        bytes_max: usize,
    ) -> Result<Vec<StoredPublication>, Failure> {
        let mut found: Vec<StoredPublication> = Vec::new();
        let Some(first) = after.as_u64().checked_add(1) else { return Ok(found) };
        let mut flows = self.state.range(&numbered(PHASE, first)[..]..&all_of(PHASE).1[..])?;
        let mut next_flow = next_phase(&mut flows)?;
        let mut bytes = 0_usize;
        for item in self.bodies.range(first..)? {
            // Behind the last one that waits there may be many flows.
            if found.len() as u64 == meta.waiting {
                break;
            }
            let (number, body) = item?;
            let number = number.value();
            while next_flow.is_some_and(|(flow, _)| flow < number) {
                next_flow = next_phase(&mut flows)?;
            }
            let own = next_flow.filter(|(flow, _)| *flow == number);
            let phase = own.map_or(StoredPhase::Waiting, |(_, phase)| phase);
            if !phase.is_waiting() {
                continue;
            }
            let content = self.content(number, body.value())?;
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(content.message.content_bytes());
            if !is_first && bytes > bytes_max {
                break;
            }
            found.push(content.with(PublicationId::new(number), phase));
        }
        Ok(found)
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
            let content = self.envelope.open(place.value(), 0, stored.value())?;
            let wanted = record::wanted(content).map_err(|error| Failure::record(place.value(), error))?;
            all.push((slot_in(place.value())?, wanted));
        }
        all.sort_by(|(_, one), (_, other)| one.filter.cmp(&other.filter));
        Ok(all)
    }

    pub(super) fn slots(&self) -> Result<Slots, Failure> {
        Ok(self.wanted()?.into_iter().map(|(slot, wanted)| (wanted.filter, slot)).collect())
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

    fn content(&self, number: u64, body: &[u8]) -> Result<Content, Failure> {
        let place = body_place(number);
        let content = self.envelope.open(&place, BODY_HEAD_BYTES, body)?;
        record::content(content).map_err(|error| Failure::record(&place, error))
    }

    fn all(&self, kind: u8) -> Result<Range<'static, &'static [u8], &'static [u8]>, Failure> {
        let (from, to) = all_of(kind);
        Ok(self.state.range(&from[..]..&to[..])?)
    }
}

fn next_phase(
    phases: &mut Range<'_, &'static [u8], &'static [u8]>,
) -> Result<Option<(u64, StoredPhase)>, Failure> {
    let Some((place, phase)) = phases.next().transpose()? else { return Ok(None) };
    Ok(Some((number_in(place.value())?, phase_in(place.value(), phase.value())?)))
}
