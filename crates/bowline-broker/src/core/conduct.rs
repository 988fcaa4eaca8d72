//! What a broker remembers of a client's packets only to judge them: identifiers, repetitions, order. It is stricter than
//! the protocol engine has to be, and changes nothing about what the client is answered.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bowline_proto::packet::Publish;
use bowline_proto::session::PublicationId;
use bowline_proto::{PacketId, QoS};

use crate::core::statement::{Statement, both, only_v5};

/// What a packet breaks, and how to say it.
pub(crate) type Charge = (Statement, String);

/// The QoS 2 messages of a client between PUBLISH and PUBREL; belongs to the session. Bounded by the identifiers.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    open: BTreeMap<PacketId, Entry>,
    /// Counts PUBLISHes, so that what came earlier has the smaller number.
    last: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When it came first. PUBRECs leave in this order, on later connections too.
    number: u64,
    fingerprint: u64,
}

/// What a client has done on one connection.
#[derive(Debug)]
pub(crate) struct Conduct {
    terms: Terms,
    /// Identifiers under which a message came on this connection.
    published: IdSet,
    /// Identifiers for which a PUBREL came on this connection.
    released: IdSet,
    last_resent: u64,
    last_released: u64,
    last_acknowledged: PublicationId,
    last_received: PublicationId,
}

/// Under which terms a connection began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Whether the session was new, and the client knows.
    pub(crate) is_known_to_be_new: bool,
    /// Whether it is new because the client wanted it.
    pub(crate) is_clean_start: bool,
    /// Whether packets may be sent again without a new connection.
    pub(crate) may_retry: bool,
}

impl Ledger {
    /// Whether an identifier belongs to a message that is not released yet.
    pub(crate) fn contains(&self, packet_id: PacketId) -> bool {
        self.open.contains_key(&packet_id)
    }

    /// The broker has refused a message and its identifier is free.
    pub(crate) fn forget(&mut self, packet_id: PacketId) {
        self.open.remove(&packet_id);
    }
}

impl Conduct {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            published: IdSet::default(),
            released: IdSet::default(),
            last_resent: 0,
            last_released: 0,
            last_acknowledged: PublicationId::default(),
            last_received: PublicationId::default(),
        }
    }

    /// Judges a PUBLISH.
    pub(crate) fn on_publish(&mut self, ledger: &mut Ledger, publish: &Publish) -> Result<(), Charge> {
        let Some(packet_id) = publish.packet_id else { return Ok(()) };
        let is_second = self.published.insert(packet_id);
        let what = format_args!("PUBLISH with packet identifier {packet_id}");
        if publish.dup && is_second && !self.terms.may_retry {
            return charge(
                both("MQTT-4.4.0-1", "MQTT-4.4.0-1 of 3.1.1"),
                format!("{what} again on one connection"),
            );
        }
        if publish.dup && !is_second && self.terms.is_known_to_be_new {
            return charge(self.old_state(), format!("{what} and DUP 1 in a session that is new"));
        }
        let fingerprint = fingerprint(publish);
        match ledger.open.get(&packet_id) {
            Some(entry) if entry.fingerprint != fingerprint || publish.qos != QoS::ExactlyOnce => {
                charge(IN_USE, format!("{what} for a message while the one before is not released"))
            }
            Some(_) if !publish.dup => {
                let statement = both("MQTT-3.3.1-1", "MQTT-3.3.1-1 of 3.1.1");
                charge(statement, format!("{what} again, and DUP 0"))
            }
            Some(entry) => {
                if !is_second && entry.number < self.last_resent {
                    let statement = both("MQTT-4.6.0-1", "MQTT-4.6.0-1 of 3.1.1");
                    return charge(statement, format!("{what} again after one that it had sent later"));
                }
                self.last_resent = self.last_resent.max(entry.number);
                Ok(())
            }
            None if publish.qos == QoS::ExactlyOnce => {
                ledger.last += 1;
                let entry = Entry { number: ledger.last, fingerprint };
                ledger.open.insert(packet_id, entry);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Judges a PUBREL.
    pub(crate) fn on_pubrel(&mut self, ledger: &mut Ledger, packet_id: PacketId) -> Result<(), Charge> {
        let was_released = self.released.insert(packet_id);
        let what = format_args!("PUBREL with packet identifier {packet_id}");
        let Some(entry) = ledger.open.remove(&packet_id) else {
            if was_released && !self.terms.may_retry {
                let statement = both("MQTT-4.4.0-1", "MQTT-4.4.0-1 of 3.1.1");
                return charge(statement, format!("{what} again on one connection"));
            }
            if self.terms.is_known_to_be_new && !self.published.contains(packet_id) {
                return charge(self.old_state(), format!("{what} in a session that is new"));
            }
            return Ok(());
        };
        if entry.number < self.last_released {
            let statement = both("MQTT-4.6.0-4", "MQTT-4.6.0-4 of 3.1.1");
            return charge(statement, format!("{what} after one whose PUBREC left later"));
        }
        self.last_released = entry.number;
        Ok(())
    }

    /// Judges a PUBACK by the publication that it is for.
    pub(crate) fn on_puback(&mut self, publication: PublicationId) -> Result<(), Charge> {
        let last = std::mem::replace(&mut self.last_acknowledged, publication);
        in_order(last, publication, both("MQTT-4.6.0-2", "MQTT-4.6.0-2 of 3.1.1"), "PUBACK")
    }

    /// Judges a PUBREC by the publication that it is for.
    pub(crate) fn on_pubrec(&mut self, publication: PublicationId) -> Result<(), Charge> {
        let last = std::mem::replace(&mut self.last_received, publication);
        in_order(last, publication, both("MQTT-4.6.0-3", "MQTT-4.6.0-3 of 3.1.1"), "PUBREC")
    }

    /// Judges the identifier of a SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn on_request(ledger: &Ledger, packet_id: PacketId) -> Result<(), Charge> {
        if ledger.contains(packet_id) {
            let text = format!("a request with packet identifier {packet_id} while a message has it");
            return charge(IN_USE, text);
        }
        Ok(())
    }

    /// What a client breaks that goes on with a session that it does not have.
    const fn old_state(&self) -> Statement {
        if self.terms.is_clean_start {
            both("MQTT-3.1.2-4", "MQTT-3.1.2-6 of 3.1.1")
        } else {
            only_v5("MQTT-3.2.2-5")
        }
    }
}

const IN_USE: Statement = both("MQTT-2.2.1-3", "MQTT-2.3.1-2 of 3.1.1");

/// Acknowledgements come in the order in which the messages were sent, and those are numbered in that order.
fn in_order(
    last: PublicationId,
    publication: PublicationId,
    statement: Statement,
    packet: &str,
) -> Result<(), Charge> {
    if publication < last {
        return charge(statement, format!("{packet} for a message after that for a later one"));
    }
    Ok(())
}

fn charge(statement: Statement, what: String) -> Result<(), Charge> {
    Err((statement, format!("the client sent {what}")))
}

/// Tells messages apart, well enough, at a cost that does not grow with the payload.
fn fingerprint(publish: &Publish) -> u64 {
    let payload = &publish.payload[..];
    let mut hasher = DefaultHasher::new();
    payload.len().hash(&mut hasher);
    payload[..payload.len().min(ENDS)].hash(&mut hasher);
    payload[payload.len().saturating_sub(ENDS)..].hash(&mut hasher);
    hasher.finish()
}

/// How many bytes of each end of a payload are looked at.
const ENDS: usize = 64;

/// A set of packet identifiers: one bit for each, once there is one.
#[derive(Debug, Default)]
struct IdSet(Option<Box<[u64; 1024]>>);

impl IdSet {
    /// Adds one; whether it was there.
    fn insert(&mut self, packet_id: PacketId) -> bool {
        let (word, bit) = place(packet_id);
        let words = self.0.get_or_insert_with(|| Box::new([0; 1024]));
        let was_there = words[word] & bit != 0;
        words[word] |= bit;
        was_there
    }

    fn contains(&self, packet_id: PacketId) -> bool {
        let (word, bit) = place(packet_id);
        self.0.as_ref().is_some_and(|words| words[word] & bit != 0)
    }
}

fn place(packet_id: PacketId) -> (usize, u64) {
    let value = packet_id.as_u16();
    (usize::from(value / 64), 1 << (value % 64))
}
