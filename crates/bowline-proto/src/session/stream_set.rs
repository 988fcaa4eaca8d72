//! A small set of streams. One is the common case and needs no allocation.

use alloc::vec::Vec;

use crate::routing::StreamId;

/// The streams that a message is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamSet {
    first: Option<StreamId>,
    rest: Vec<StreamId>,
}

impl StreamSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { first: None, rest: Vec::new() }
    }

    /// Adds a stream if it is not there yet.
    pub fn insert(&mut self, stream: StreamId) {
        if self.contains(stream) {
            return;
        }
        match self.first {
            None => self.first = Some(stream),
            Some(_) => self.rest.push(stream),
        }
    }

    /// Takes a stream out; whether it was there.
    pub fn remove(&mut self, stream: StreamId) -> bool {
        if self.first == Some(stream) {
            self.first = self.rest.pop();
            return true;
        }
        match self.rest.iter().position(|&other| other == stream) {
            Some(position) => {
                self.rest.swap_remove(position);
                true
            }
            None => false,
        }
    }

    /// Whether a stream is in the set.
    pub fn contains(&self, stream: StreamId) -> bool {
        self.first == Some(stream) || self.rest.contains(&stream)
    }

    /// Whether the set has no stream.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The streams, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.first.into_iter().chain(self.rest.iter().copied())
    }
}

impl From<StreamId> for StreamSet {
    fn from(stream: StreamId) -> Self {
        Self { first: Some(stream), rest: Vec::new() }
    }
}

impl FromIterator<StreamId> for StreamSet {
    fn from_iter<I: IntoIterator<Item = StreamId>>(streams: I) -> Self {
        let mut set = Self::new();
        for stream in streams {
            set.insert(stream);
        }
        set
    }
}
