//! A table keyed by packet identifier whose memory follows what is live, not the largest identifier seen.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::types::PacketId;

const PAGE_SLOTS: usize = 256;

/// Maps packet identifiers to small values. Two loads to look one up; a page of 256 exists only while one of its
/// identifiers is live, so a peer that sweeps through all 65,535 costs no more than its window.
#[derive(Debug)]
pub(crate) struct IdTable<T> {
    pages: Vec<Option<Box<Page<T>>>>,
    len: usize,
}

#[derive(Debug)]
struct Page<T> {
    live: usize,
    slots: [Option<T>; PAGE_SLOTS],
}

impl<T: Copy> IdTable<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    /// How many identifiers are live.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: PacketId) -> Option<T> {
        let (page, slot) = place(id);
        self.pages.get(page)?.as_ref()?.slots[slot]
    }

    pub(crate) fn contains(&self, id: PacketId) -> bool {
        self.get(id).is_some()
    }

    /// Sets the value of an identifier and returns the one it had.
    pub(crate) fn insert(&mut self, id: PacketId, value: T) -> Option<T> {
        let (page, slot) = place(id);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let page =
            self.pages[page].get_or_insert_with(|| Box::new(Page { live: 0, slots: [None; PAGE_SLOTS] }));
        let before = page.slots[slot].replace(value);
        if before.is_none() {
            page.live += 1;
            self.len += 1;
        }
        before
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<T> {
        let (index, slot) = place(id);
        let page = self.pages.get_mut(index)?;
        let before = page.as_mut()?.slots[slot].take()?;
        let live = page.as_mut().map_or(0, |page| {
            page.live -= 1;
            page.live
        });
        // The newest page is likely to be used again at once; emptied older ones are given back.
        if live == 0 && self.len > 1 {
            *page = None;
        }
        self.len -= 1;
        Some(before)
    }

    /// Forgets everything, and the memory with it.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The first identifier at or after `start`, wrapping around, that is not live. Skips full pages, so the cost is
    /// bounded by 256 pages plus 256 slots.
    pub(crate) fn first_free_from(&self, start: PacketId) -> Option<PacketId> {
        let start = start.as_u16();
        self.first_free_within(start, u16::MAX).or_else(|| self.first_free_within(1, start))
    }

    fn first_free_within(&self, first: u16, last: u16) -> Option<PacketId> {
        let (mut at, last) = (usize::from(first), usize::from(last));
        while at <= last {
            if self.page_is_full(at / PAGE_SLOTS) {
                at = (at / PAGE_SLOTS + 1) * PAGE_SLOTS;
                continue;
            }
            let id = u16::try_from(at).ok().and_then(PacketId::new);
            if let Some(id) = id.filter(|&id| !self.contains(id)) {
                return Some(id);
            }
            at += 1;
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PacketId, T)> + '_ {
        self.pages.iter().enumerate().flat_map(|(index, page)| {
            page.iter().flat_map(move |page| {
                page.slots.iter().enumerate().filter_map(move |(slot, value)| {
                    let id = u16::try_from(index * PAGE_SLOTS + slot).ok().and_then(PacketId::new)?;
                    Some((id, (*value)?))
                })
            })
        })
    }

    fn page_is_full(&self, page: usize) -> bool {
        matches!(self.pages.get(page), Some(Some(page)) if page.live >= PAGE_SLOTS)
    }
}

fn place(id: PacketId) -> (usize, usize) {
    let id = usize::from(id.as_u16());
    (id / PAGE_SLOTS, id % PAGE_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn memory_follows_what_is_live_when_a_peer_sweeps_through_all_identifiers() {
        let mut table = IdTable::new();
        for value in 1..=u16::MAX {
            table.insert(id(value), u32::from(value));
            if value > 10 {
                assert_eq!(table.remove(id(value - 10)), Some(u32::from(value - 10)));
            }
        }
        assert_eq!(table.len(), 10);
        assert!(table.pages.iter().flatten().count() <= 2, "pages of finished identifiers are given back");
    }

    #[test]
    fn the_first_free_identifier_wraps_around_and_skips_live_ones() {
        let mut table = IdTable::new();
        table.insert(id(u16::MAX), ());
        table.insert(id(1), ());
        assert_eq!(table.first_free_from(id(u16::MAX)), Some(id(2)));
        for value in 1..=u16::MAX {
            table.insert(id(value), ());
        }
        assert_eq!(table.first_free_from(id(77)), None);
        table.remove(id(300));
        assert_eq!(table.first_free_from(id(301)), Some(id(300)));
        assert_eq!(table.iter().count(), 65_534);
    }
}
