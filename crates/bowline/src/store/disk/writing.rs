//! Applies entries to the tables, within one transaction. Has to add up to what `StoredSession` does; knows no files.

use std::collections::BTreeMap;

use bowline_proto::{PacketId, Text, TopicFilter};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::store::disk::envelope::{Envelope, close_plain, open_plain};
use crate::store::disk::failure::Failure;
use crate::store::disk::fields::Reader;
use crate::store::disk::group::{Group, Member, Tail};
use crate::store::disk::layout::{
    AGE, BODIES, ENDED, IDENTITY, META, Meta, OWNER, PENDING, RECEIVED, RETIRED, STATE, SUSPECTS, all_of,
    content_place, numbered, of_key, of_packet, of_slot,
};
use crate::store::disk::record;
use crate::store::{
    Accepted, Entry, KeyedOutcome, PublicationId, StoredOutcome, StoredPhase, Suspect, Wanted,
};

/// What flags and lengths take of most contents.
const CONTENT_FIELDS_BYTES: usize = 16;

/// Where each wanted subscription stands. Filters are no keys of the table, so that they can be sealed.
pub(super) type Slots = BTreeMap<TopicFilter, u32>;

/// The tables of a transaction that is going on.
pub(super) struct Writing<'a> {
    pub(super) bodies: Table<'a, u64, &'static [u8]>,
    pub(super) state: Table<'a, &'static [u8], &'static [u8]>,
    /// What it has looked at, by the keys of the groups.
    pub(super) groups: BTreeMap<u64, Group>,
    pub(super) tail: Option<Tail>,
    envelope: &'a Envelope,
    pub(super) meta: &'a mut Meta,
    slots: &'a mut Slots,
    outcomes_max: u64,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        transaction: &'a WriteTransaction,
        envelope: &'a Envelope,
        meta: &'a mut Meta,
        slots: &'a mut Slots,
        outcomes_max: u64,
    ) -> Result<Self, Failure> {
        let bodies = transaction.open_table(BODIES)?;
        let state = transaction.open_table(STATE)?;
        Ok(Self { bodies, state, groups: BTreeMap::new(), tail: None, envelope, meta, slots, outcomes_max })
    }

    /// Counts the commit that this will be. The last thing to do.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.finish_groups()?;
        self.meta.commits += 1;
        self.state.insert(META, &self.meta.to_record()[..])?;
        Ok(())
    }

    pub(super) fn apply(&mut self, entry: &Entry) -> Result<(), Failure> {
        match entry {
            Entry::Owned { client_id } => self.own(client_id),
            Entry::Established(identity) => {
                self.own(&identity.client_id)?;
                let mut content = Vec::new();
                record::put_identity(&mut content, identity);
                self.state.insert(IDENTITY, &self.envelope.close(IDENTITY, &content)?[..])?;
                Ok(())
            }
            Entry::SessionReset { generation } => self.reset(*generation),
            Entry::Accepted(accepted) => self.accept(accepted),
            Entry::Assigned { publication, packet_id } => {
                self.go_on(*publication, StoredPhase::Sent { packet_id: *packet_id })
            }
            Entry::Pubrec { publication } => self.release(*publication),
            Entry::Requeued { publication } => self.go_on(*publication, StoredPhase::Requeued),
            Entry::Ended { publication, retired, outcome } => {
                if let Some(packet_id) = retired {
                    self.insert_packet(RETIRED, *packet_id)?;
                }
                self.end(*publication, outcome.as_ref())
            }
            Entry::Blamed(suspects) => self.blame(suspects),
            Entry::Unretired { packet_id } => self.remove(&of_packet(RETIRED, *packet_id)),
            Entry::Received { packet_id } => self.insert_packet(RECEIVED, *packet_id),
            Entry::Released { packet_id } => self.remove(&of_packet(RECEIVED, *packet_id)),
            Entry::Wanted(wanted) => self.want(wanted),
            Entry::Unwanted { filter } => match self.slots.remove(filter) {
                Some(slot) => self.remove(&of_slot(slot)),
                None => Ok(()),
            },
        }
    }

    /// Takes back what a failed commit may have left: its publication was handed back to the application.
    pub(super) fn take_back(&mut self, publication: PublicationId) -> Result<(), Failure> {
        self.end(publication, None)
    }

    fn own(&mut self, client_id: &Text) -> Result<(), Failure> {
        let record = self.envelope.close(OWNER, client_id.as_bytes())?;
        self.state.insert(OWNER, &record[..])?;
        Ok(())
    }

    fn reset(&mut self, generation: u64) -> Result<(), Failure> {
        self.meta.generation = generation;
        self.remove(IDENTITY)?;
        for kind in [RECEIVED, RETIRED] {
            let (from, to) = all_of(kind);
            self.state.retain_in(&from[..]..&to[..], |_, _| false)?;
        }
        Ok(())
    }

    /// Who has ended meanwhile stays in it until the next close, so that an end costs no look into it.
    fn blame(&mut self, suspects: &[Suspect]) -> Result<(), Failure> {
        if suspects.is_empty() {
            return self.remove(SUSPECTS);
        }
        let mut content = Vec::new();
        record::put_suspects(&mut content, suspects);
        self.state.insert(SUSPECTS, &close_plain(SUSPECTS, &content)[..])?;
        Ok(())
    }

    fn accept(&mut self, accepted: &Accepted) -> Result<(), Failure> {
        let number = accepted.publication.as_u64();
        let member = Member {
            number,
            has_key: accepted.key.is_some(),
            packet_id: accepted.packet_id,
            counted_bytes: accepted.message.content_bytes() as u64,
            stored_bytes: 0,
            phase: None,
        };
        let mut content = Vec::with_capacity(accepted.message.content_bytes() + CONTENT_FIELDS_BYTES);
        record::put_content(&mut content, accepted).map_err(|_| Failure::TooLong)?;
        let sealed = self.envelope.seal(&content_place(number), &member.content_head(), &content)?;
        self.put(member, &sealed)?;
        if let Some(key) = &accepted.key {
            let place = of_key(PENDING, key.as_str());
            self.state.insert(&place[..], &close_plain(&place, &number.to_le_bytes())[..])?;
        }
        Ok(())
    }

    fn release(&mut self, publication: PublicationId) -> Result<(), Failure> {
        let Some(at) = self.find(publication)? else { return Ok(()) };
        if let Some(StoredPhase::Sent { packet_id }) = self.member(at).phase {
            self.meta.releases += 1;
            self.set_phase(at, Some(StoredPhase::Released { packet_id, order: self.meta.releases }))?;
        }
        Ok(())
    }

    /// A publication that is not there has no phase.
    fn go_on(&mut self, publication: PublicationId, phase: StoredPhase) -> Result<(), Failure> {
        match self.find(publication)? {
            Some(at) => self.set_phase(at, Some(phase)),
            None => Ok(()),
        }
    }

    fn end(&mut self, publication: PublicationId, outcome: Option<&KeyedOutcome>) -> Result<(), Failure> {
        let Some(at) = self.find(publication)? else { return Ok(()) };
        let member = self.member(at);
        if member.has_key {
            let place = content_place(member.number);
            let content = self.envelope.unseal(&place, &member.content_head(), &self.content(at)?)?;
            let content = record::content(content).map_err(|error| Failure::record(&place, error))?;
            if let Some(key) = content.key {
                self.end_key(&key, member.number, outcome.map(|outcome| outcome.outcome))?;
            }
        }
        self.set_phase(at, None)
    }

    fn end_key(&mut self, key: &Text, number: u64, outcome: Option<StoredOutcome>) -> Result<(), Failure> {
        let pending = of_key(PENDING, key.as_str());
        let is_its_own = match self.state.get(&pending[..])? {
            Some(record) => open_plain(&pending, record.value())?[..] == number.to_le_bytes(),
            None => false,
        };
        if is_its_own {
            self.remove(&pending)?;
        }
        let Some(outcome) = outcome else { return Ok(()) };
        let age = self.meta.next_outcome;
        self.meta.next_outcome += 1;
        let place = of_key(ENDED, key.as_str());
        let mut content = age.to_le_bytes().to_vec();
        record::put_outcome(&mut content, outcome);
        let old_age = match self.state.insert(&place[..], &close_plain(&place, &content)[..])? {
            Some(old) => Some(age_in(&place, old.value())?),
            None => None,
        };
        match old_age {
            Some(old_age) => self.remove(&numbered(AGE, old_age))?,
            None => self.meta.outcomes += 1,
        }
        let place = numbered(AGE, age);
        self.state.insert(&place[..], &close_plain(&place, key.as_bytes())[..])?;
        self.forget_oldest()
    }

    /// Two at most, so that a store whose limit was lowered shrinks without a commit that takes long.
    fn forget_oldest(&mut self) -> Result<(), Failure> {
        for _ in 0..2 {
            if self.meta.outcomes <= self.outcomes_max {
                break;
            }
            let (from, to) = all_of(AGE);
            let oldest = self.state.range(&from[..]..&to[..])?.next().transpose()?;
            let Some((place, key)) =
                oldest.map(|(place, key)| (place.value().to_vec(), key.value().to_vec()))
            else {
                return Err(Failure::damaged("there are fewer outcomes than were counted"));
            };
            let key = open_plain(&place, &key)?;
            self.remove(&place)?;
            self.remove(&[&[ENDED][..], &key].concat())?;
            self.meta.outcomes -= 1;
        }
        Ok(())
    }

    fn want(&mut self, wanted: &Wanted) -> Result<(), Failure> {
        let free = self.slots.values().max().map_or(0, |last| last + 1);
        let slot = *self.slots.entry(wanted.filter.clone()).or_insert(free);
        let place = of_slot(slot);
        let mut content = Vec::new();
        record::put_wanted(&mut content, wanted);
        self.state.insert(&place[..], &self.envelope.close(&place, &content)?[..])?;
        Ok(())
    }

    fn insert_packet(&mut self, kind: u8, packet_id: PacketId) -> Result<(), Failure> {
        let place = of_packet(kind, packet_id);
        self.state.insert(&place[..], &close_plain(&place, &[])[..])?;
        Ok(())
    }

    fn remove(&mut self, place: &[u8]) -> Result<(), Failure> {
        self.state.remove(place)?;
        Ok(())
    }
}

fn age_in(place: &[u8], record: &[u8]) -> Result<u64, Failure> {
    let mut reader = Reader::new(open_plain(place, record)?);
    reader.u64().map_err(|error| Failure::record(place, error))
}
