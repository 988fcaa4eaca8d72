//! The publications that a transaction is about: finds the groups that they are in, puts new ones behind the last, and writes
//! what has changed at the end. Knows no other records.

use redb::ReadableTable;

use crate::store::disk::failure::Failure;
use crate::store::disk::group::{self, GROUP_BYTES_MAX, Group, Member, Tail, content_range};
use crate::store::disk::layout::{PHASES, numbered};
use crate::store::disk::writing::Writing;
use crate::store::{PublicationId, StoredPhase};

impl Writing<'_> {
    /// Puts a publication in. `content` is closed already.
    pub(super) fn put(&mut self, mut member: Member, content: &[u8]) -> Result<(), Failure> {
        member.stored_bytes = content.len();
        member.phase = Some(member.first_phase());
        let number = member.number;
        let is_apart = number <= self.meta.last_publication.as_u64();
        if is_apart {
            self.make_room(number)?;
            self.begin_group(number)?;
        } else {
            self.open_tail(number, content.len())?;
        }
        self.recount(number, member.counted_bytes, None, member.phase)?;
        let tail = self.tail.as_mut().expect("a group was begun");
        tail.contents.extend_from_slice(content);
        let group = self.groups.get_mut(&tail.key).expect("the last group is looked at");
        group.members.push(member);
        group.has_changed = true;
        self.meta.last_publication = self.meta.last_publication.max(PublicationId::new(number));
        // What comes next belongs behind the last one.
        if is_apart { self.close_tail() } else { Ok(()) }
    }

    /// Where a publication that has not ended is: the key of its group, and its place there.
    pub(super) fn find(&mut self, publication: PublicationId) -> Result<Option<(u64, usize)>, Failure> {
        let number = publication.as_u64();
        let Some(key) = self.covering(number)? else { return Ok(None) };
        let members = &self.groups[&key].members;
        let index = members.binary_search_by_key(&number, |member| member.number).ok();
        Ok(index.filter(|&index| members[index].phase.is_some()).map(|index| (key, index)))
    }

    pub(super) fn member(&self, (key, index): (u64, usize)) -> Member {
        self.groups[&key].members[index]
    }

    /// `None` ends it.
    pub(super) fn set_phase(&mut self, at: (u64, usize), phase: Option<StoredPhase>) -> Result<(), Failure> {
        let Member { number, counted_bytes, phase: old, .. } = self.member(at);
        self.recount(number, counted_bytes, old, phase)?;
        let group = self.groups.get_mut(&at.0).expect("it was found");
        group.members[at.1].phase = phase;
        group.has_changed = true;
        Ok(())
    }

    /// The content as it was put in.
    pub(super) fn content(&self, (key, index): (u64, usize)) -> Result<Vec<u8>, Failure> {
        let members = &self.groups[&key].members;
        let range = content_range(members, index);
        if let Some(tail) = self.tail.as_ref().filter(|tail| tail.key == key) {
            return Ok(tail.contents[range].to_vec());
        }
        let record = self.bodies.get(key)?.ok_or_else(gone)?;
        Ok(group::contents(key, record.value())?[range].to_vec())
    }

    /// Writes all groups that have changed.
    pub(super) fn finish_groups(&mut self) -> Result<(), Failure> {
        self.close_tail()?;
        for (key, group) in std::mem::take(&mut self.groups) {
            if !group.has_changed {
                continue;
            }
            let place = numbered(PHASES, key);
            let is_over = group.is_over();
            if is_over && group.is_stored {
                self.bodies.remove(key)?;
                self.uncount_group()?;
            }
            let phases = if is_over { None } else { group::close_phases(key, &group.members) };
            match phases {
                Some(phases) => _ = self.state.insert(&place[..], &phases[..])?,
                None if group.has_phases => _ = self.state.remove(&place[..])?,
                None => {}
            }
        }
        Ok(())
    }

    /// The group that a publication with this number is in or would have to be.
    fn covering(&mut self, number: u64) -> Result<Option<u64>, Failure> {
        if let Some((&key, group)) = self.groups.range(..=number).next_back()
            && group.covers(number)
        {
            return Ok(Some(key));
        }
        let Some(stored) = self.bodies.range(..=number)?.next_back() else { return Ok(None) };
        let (key, record) = stored?;
        let key = key.value();
        if !self.groups.contains_key(&key) {
            let mut members = group::members(key, record.value())?;
            drop(record);
            let phases = self.state.get(&numbered(PHASES, key)[..])?;
            if let Some(phases) = &phases {
                group::open_phases(key, &mut members, phases.value())?;
            }
            let has_phases = phases.is_some();
            drop(phases);
            self.groups.insert(key, Group { members, is_stored: true, has_phases, has_changed: false });
        }
        Ok(Some(key).filter(|key| self.groups[key].covers(number)))
    }

    /// Makes sure that there is a last group with room for one more.
    fn open_tail(&mut self, number: u64, content_bytes: usize) -> Result<(), Failure> {
        if self.tail.is_none() {
            self.reopen_last(content_bytes)?;
        }
        if let Some(tail) = &self.tail {
            let members = self.groups[&tail.key].members.len();
            let bytes = group::record_bytes(members + 1, tail.contents.len() + content_bytes);
            if bytes <= GROUP_BYTES_MAX && group::can_hold(tail.key, number) {
                return Ok(());
            }
        }
        self.begin_group(number)
    }

    /// Goes on with the last group of the table, if that has room. It is written anew then, and so without what has ended, and with
    /// the packet identifiers that its members have by now.
    fn reopen_last(&mut self, content_bytes: usize) -> Result<(), Failure> {
        let Some((key, record)) = self.last_group()? else { return Ok(()) };
        self.covering(key)?;
        let Some(group) = self.groups.get_mut(&key) else { return Err(gone()) };
        let live = group.members.iter().filter(|member| member.phase.is_some());
        let live_bytes = live.map(record_bytes_of).sum::<usize>();
        if live_bytes + content_bytes > GROUP_BYTES_MAX {
            return Ok(());
        }
        let old = group::contents(key, &record)?;
        let mut contents = Vec::with_capacity(GROUP_BYTES_MAX);
        let mut members = Vec::with_capacity(group.members.len() + 1);
        for (index, member) in group.members.iter().enumerate().filter(|(_, member)| member.phase.is_some()) {
            contents.extend_from_slice(&old[content_range(&group.members, index)]);
            let packet_id = match member.phase {
                Some(StoredPhase::Sent { packet_id }) => Some(packet_id),
                _ => None,
            };
            members.push(Member { packet_id, ..*member });
        }
        group.members = members;
        group.has_changed = true;
        self.tail = Some(Tail { key, contents });
        Ok(())
    }

    /// The last group of the table, if something may be put in it.
    fn last_group(&self) -> Result<Option<(u64, Vec<u8>)>, Failure> {
        let Some((key, record)) = self.bodies.last()? else { return Ok(None) };
        let record = record.value();
        Ok((record.len() < GROUP_BYTES_MAX).then(|| (key.value(), record.to_vec())))
    }

    /// Closes the last group and begins another.
    fn begin_group(&mut self, key: u64) -> Result<(), Failure> {
        self.close_tail()?;
        let group = Group { members: Vec::new(), is_stored: false, has_phases: false, has_changed: true };
        self.groups.insert(key, group);
        self.tail = Some(Tail { key, contents: Vec::new() });
        Ok(())
    }

    fn close_tail(&mut self) -> Result<(), Failure> {
        let Some(Tail { key, contents }) = self.tail.take() else { return Ok(()) };
        let group = self.groups.get_mut(&key).expect("the last group is looked at");
        // What began and ended in this transaction leaves nothing.
        if group.is_over() {
            return Ok(());
        }
        let record = group::close(key, &group.members, &contents).map_err(|_| Failure::TooLong)?;
        self.bodies.insert(key, &record[..])?;
        self.meta.groups += u64::from(!group.is_stored);
        group.is_stored = true;
        Ok(())
    }

    /// Makes a number free that was used or passed over: what is around it is taken apart. An engine counts upwards, so that this is
    /// for stores that are given something twice.
    fn make_room(&mut self, number: u64) -> Result<(), Failure> {
        self.close_tail()?;
        // One whose members have all ended may stand under this number and not reach it.
        let over = self.groups.contains_key(&number).then_some(number);
        let Some(key) = self.covering(number)?.or(over) else { return Ok(()) };
        let old = self.groups.remove(&key).expect("it was found");
        let contents = match self.bodies.remove(key)? {
            Some(record) => group::contents(key, record.value())?.to_vec(),
            None => Vec::new(),
        };
        if old.is_stored {
            self.uncount_group()?;
        }
        if old.has_phases {
            self.state.remove(&numbered(PHASES, key)[..])?;
        }
        for (index, member) in old.members.iter().enumerate() {
            let Some(phase) = member.phase else { continue };
            if member.number == number {
                self.recount(number, member.counted_bytes, Some(phase), None)?;
                continue;
            }
            let record =
                group::close(member.number, &[*member], &contents[content_range(&old.members, index)]);
            self.bodies.insert(member.number, &record.map_err(|_| Failure::TooLong)?[..])?;
            self.meta.groups += 1;
            let group =
                Group { members: vec![*member], is_stored: true, has_phases: false, has_changed: true };
            self.groups.insert(member.number, group);
        }
        Ok(())
    }

    /// Keeps the counters right when a publication goes from one phase to another, comes (from `None`) or ends.
    fn recount(
        &mut self,
        number: u64,
        bytes: u64,
        old: Option<StoredPhase>,
        new: Option<StoredPhase>,
    ) -> Result<(), Failure> {
        let fewer = || Failure::damaged("fewer publications are there than were counted");
        let meta = &mut *self.meta;
        match old {
            Some(phase) if phase.is_waiting() => {
                meta.waiting = meta.waiting.checked_sub(1).ok_or_else(fewer)?;
                meta.waiting_bytes = meta.waiting_bytes.checked_sub(bytes).ok_or_else(fewer)?;
            }
            Some(_) => meta.flows = meta.flows.checked_sub(1).ok_or_else(fewer)?,
            None => {}
        }
        match new {
            Some(phase) if phase.is_waiting() => {
                meta.waiting = meta.waiting.saturating_add(1);
                meta.waiting_bytes = meta.waiting_bytes.saturating_add(bytes);
            }
            Some(_) => {
                meta.flows = meta.flows.saturating_add(1);
                meta.last_flow = meta.last_flow.max(number);
            }
            None => {}
        }
        Ok(())
    }

    fn uncount_group(&mut self) -> Result<(), Failure> {
        let fewer = || Failure::damaged("fewer groups of publications are there than were counted");
        self.meta.groups = self.meta.groups.checked_sub(1).ok_or_else(fewer)?;
        Ok(())
    }
}

fn record_bytes_of(member: &Member) -> usize {
    group::record_bytes(1, member.stored_bytes)
}

fn gone() -> Failure {
    Failure::damaged("the contents of publications are missing")
}
