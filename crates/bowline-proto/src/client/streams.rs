//! The streams that the application has open, and how many QoS 0 messages each has not taken. QoS 1 and 2 are counted
//! for the connection as a whole, not here.

use slab::Slab;

use crate::routing::StreamId;

/// The stream of messages that match no other one.
pub const UNROUTED: StreamId = StreamId::new(u32::MAX);

/// Most streams open at once.
pub const STREAMS_MAX: usize = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 20;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

/// What happens to a QoS 0 message for a stream that is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Qos0Full {
    /// Reading pauses, as long as nothing of ours waits to be sent or for an answer: no publication of any QoS, no request. While
    /// something does, the message is dropped, because the broker may not read either while it cannot write. A client that
    /// receives what it publishes can lose QoS 0 messages that way: have it bound what is under way, or use QoS 1.
    #[default]
    Pause,
    /// The stream's oldest QoS 0 message is dropped in its favour and counted: the driver takes it out when
    /// [`Event::Qos0Dropped`](crate::client::Event::Qos0Dropped) says so.
    DropOldest,
    /// The newest, which is this one, is dropped and counted.
    DropNewest,
}

/// Bound and policy of one stream for QoS 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Qos0Limits {
    /// Most messages that the stream has not taken. Default 1,024; 0 counts as 1.
    pub messages_max: usize,
    /// What happens beyond it.
    pub when_full: Qos0Full,
}

impl Qos0Limits {
    /// This bound and policy.
    pub const fn new(messages_max: usize, when_full: Qos0Full) -> Self {
        Self { messages_max, when_full }
    }
}

impl Default for Qos0Limits {
    fn default() -> Self {
        Self::new(1_024, Qos0Full::Pause)
    }
}

/// All open streams.
#[derive(Debug)]
pub(crate) struct Streams {
    open: Slab<Stream>,
    /// The upper bits of the next stream's name, so that a late call about a closed stream does not hit a new one.
    generation: u32,
    /// Streams whose policy is to pause and that are full.
    pausing: usize,
    /// The stream of unmatched messages, if the application takes them.
    unrouted: Option<Stream>,
}

/// What becomes of a QoS 0 message for one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The stream gets it.
    Fits,
    /// The stream gets it and loses its oldest one.
    DisplacesOldest,
    /// The stream does not get it.
    Dropped,
}

#[derive(Debug)]
struct Stream {
    id: StreamId,
    limits: Qos0Limits,
    untaken: usize,
    filters: usize,
}

impl Streams {
    pub(crate) const fn new() -> Self {
        Self { open: Slab::new(), generation: 0, pausing: 0, unrouted: None }
    }

    /// Opens a stream; `None` at the limit.
    pub(crate) fn open(&mut self, limits: Qos0Limits, filters: usize) -> Option<StreamId> {
        if self.open.len() >= STREAMS_MAX - 1 {
            return None;
        }
        let entry = self.open.vacant_entry();
        let slot = u32::try_from(entry.key()).ok().filter(|slot| *slot < SLOT_MASK)?;
        self.generation = self.generation.wrapping_add(1) & (u32::MAX >> SLOT_BITS);
        let id = StreamId::new(self.generation << SLOT_BITS | slot);
        entry.insert(Stream { id, limits, untaken: 0, filters });
        Some(id)
    }

    /// Opens the stream of unmatched messages; whether it was closed.
    pub(crate) fn open_unrouted(&mut self, limits: Qos0Limits) -> bool {
        let was_closed = self.unrouted.is_none();
        if was_closed {
            self.unrouted = Some(Stream { id: UNROUTED, limits, untaken: 0, filters: 0 });
        }
        was_closed
    }

    /// Whether the application takes unmatched messages.
    pub(crate) const fn unrouted_is_open(&self) -> bool {
        self.unrouted.is_some()
    }

    /// Counts a QoS 0 message for a stream.
    pub(crate) fn admit(&mut self, id: StreamId, may_pause: bool) -> Admission {
        let Some(stream) = self.find(id) else { return Admission::Dropped };
        if stream.untaken >= stream.messages_max() {
            match stream.limits.when_full {
                // While reading pauses nothing arrives, so one over the bound came in the same read: it fits.
                Qos0Full::Pause if may_pause => {}
                Qos0Full::DropOldest => return Admission::DisplacesOldest,
                Qos0Full::Pause | Qos0Full::DropNewest => return Admission::Dropped,
            }
        }
        stream.untaken += 1;
        let pauses = stream.is_pausing_at(stream.untaken);
        self.pausing += usize::from(pauses);
        Admission::Fits
    }

    /// A stream has taken a QoS 0 message.
    pub(crate) fn take(&mut self, id: StreamId) {
        if let Some(stream) = self.find(id)
            && stream.untaken > 0
        {
            let resumes = stream.is_pausing_at(stream.untaken);
            stream.untaken -= 1;
            self.pausing -= usize::from(resumes);
        }
    }

    /// Whether some stream wants reading to pause.
    pub(crate) const fn wants_pause(&self) -> bool {
        self.pausing > 0
    }

    /// A stream has lost one of its filters; whether that was the last.
    pub(crate) fn lose_filter(&mut self, id: StreamId) -> bool {
        match self.find(id) {
            Some(stream) => {
                stream.filters = stream.filters.saturating_sub(1);
                stream.filters == 0
            }
            None => false,
        }
    }

    /// Closes a stream; whether it was open.
    pub(crate) fn close(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.find(id) else { return false };
        let was_pausing =
            stream.limits.when_full == Qos0Full::Pause && stream.untaken >= stream.messages_max();
        self.pausing -= usize::from(was_pausing);
        if id == UNROUTED {
            self.unrouted = None;
        } else {
            self.open.remove((id.as_u32() & SLOT_MASK) as usize);
        }
        true
    }

    fn find(&mut self, id: StreamId) -> Option<&mut Stream> {
        if id == UNROUTED {
            return self.unrouted.as_mut();
        }
        self.open.get_mut((id.as_u32() & SLOT_MASK) as usize).filter(|stream| stream.id == id)
    }
}

impl Stream {
    /// Whether it is this count of untaken messages that makes the stream full, and full means pause.
    fn is_pausing_at(&self, untaken: usize) -> bool {
        self.limits.when_full == Qos0Full::Pause && untaken == self.messages_max()
    }

    fn messages_max(&self) -> usize {
        self.limits.messages_max.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_stream_pauses_until_it_has_taken_below_its_bound() {
        let mut streams = Streams::new();
        let id = streams.open(Qos0Limits::new(2, Qos0Full::Pause), 1).unwrap();
        assert_eq!((streams.admit(id, true), streams.wants_pause()), (Admission::Fits, false));
        assert_eq!((streams.admit(id, true), streams.wants_pause()), (Admission::Fits, true));
        assert_eq!(streams.admit(id, true), Admission::Fits, "what came in the same read still fits");
        assert_eq!(
            streams.admit(id, false),
            Admission::Dropped,
            "while a request waits, a full stream drops"
        );
        streams.take(id);
        assert!(streams.wants_pause());
        streams.take(id);
        assert!(!streams.wants_pause());
    }

    #[test]
    fn closing_a_full_stream_lets_reading_go_on() {
        let mut streams = Streams::new();
        let id = streams.open(Qos0Limits::new(1, Qos0Full::Pause), 1).unwrap();
        streams.admit(id, true);
        assert!(streams.wants_pause());
        assert!(streams.close(id) && !streams.wants_pause());
        let other = streams.open(Qos0Limits::new(1, Qos0Full::DropNewest), 1).unwrap();
        assert_ne!(id, other);
        assert_eq!(
            streams.admit(id, true),
            Admission::Dropped,
            "a closed stream is not the one in its place"
        );
        assert_eq!(streams.admit(other, true), Admission::Fits);
        assert_eq!(streams.admit(other, true), Admission::Dropped);
        assert!(!streams.wants_pause());
    }

    #[test]
    fn a_bound_of_zero_counts_as_one() {
        let mut streams = Streams::new();
        let id = streams.open(Qos0Limits::new(0, Qos0Full::Pause), 1).unwrap();
        assert_eq!((streams.admit(id, true), streams.wants_pause()), (Admission::Fits, true));
        streams.take(id);
        assert!(!streams.wants_pause());
        assert!(streams.close(id));
        let id = streams.open(Qos0Limits::new(0, Qos0Full::DropOldest), 1).unwrap();
        assert_eq!(streams.admit(id, true), Admission::Fits);
        assert_eq!(streams.admit(id, true), Admission::DisplacesOldest);
    }
}
