//! Manners of brokers that Bowline's own broker does not have: to send again on a timer what is not answered, and to
//! number anew after a reconnect. Stands between the broker and a link, and sees whole packets as bytes; knows no engine.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_proto::Timestamp;

/// What a broker does besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Manners {
    /// What is not answered is sent again after this time, and then after double the time. Only before 5.0.
    pub(super) resends_after: Option<Duration>,
    pub(super) numbering: Numbering,
}

/// How a broker numbers what it sends on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbering {
    /// A message keeps its identifier until it is answered, as it has to.
    #[default]
    Kept,
    /// Every connection goes on with identifiers that were never used.
    Onward,
    /// Every connection begins at 1. Only where nothing is sent with QoS 2: an identifier that stands for a message
    /// which is not released swallows another one, by the letter of the protocol.
    FromOne,
}

impl Manners {
    pub(super) fn are_special(self) -> bool {
        self != Self::default()
    }
}

/// Which identifiers a client has been sent, over its connections.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: u16,
    /// The client's identifier for one of the broker's, as last published.
    said: BTreeMap<u16, u16>,
}

/// The manners on one connection.
#[derive(Debug)]
pub(super) struct Relay {
    manners: Manners,
    /// Whether a PUBREL that is sent again says so.
    marks_pubrel: bool,
    from_broker: Cutter,
    from_client: Cutter,
    /// The broker's identifiers by those that the client has seen on this connection.
    theirs: BTreeMap<u16, u16>,
    /// What the client has not answered, in the order in which it was sent.
    unanswered: Vec<Sent>,
    /// How often a PUBLISH or PUBREL was sent and answered, by what ends it: such a broker knows that a second answer may
    /// come to what it has sent twice.
    answers: BTreeMap<(bool, u16), (u32, u32)>,
    interval: Duration,
    /// An answer was kept from the broker, which has heard less of the client than the client has said.
    pub(super) has_kept_back: bool,
}

#[derive(Debug)]
struct Sent {
    frame: Frame,
    at: Timestamp,
}

impl Relay {
    /// A connection begins.
    pub(super) fn new(manners: Manners, marks_pubrel: bool) -> Self {
        Self {
            manners,
            marks_pubrel,
            from_broker: Cutter::default(),
            from_client: Cutter::default(),
            theirs: BTreeMap::new(),
            unanswered: Vec::new(),
            answers: BTreeMap::new(),
            interval: manners.resends_after.unwrap_or_default(),
            has_kept_back: false,
        }
    }

    /// What the broker writes, as the client is to see it.
    pub(super) fn towards_client(&mut self, bytes: &[u8], numbers: &mut Numbers, now: Timestamp) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        self.from_broker.feed(bytes);
        while let Some(mut frame) = self.from_broker.next() {
            if let Some(id) = frame.id().filter(|_| frame.is_publish() || frame.is(PUBREL)) {
                let said = self.renumbered(id, frame.is_publish(), numbers);
                frame.set_id(said);
                if self.manners.resends_after.is_some() {
                    self.unanswered.retain(|sent| sent.frame.id() != Some(said));
                    self.answers.entry((frame.is_publish(), said)).or_default().0 += 1;
                    self.unanswered.push(Sent { frame: frame.clone(), at: now });
                }
            }
            out.extend(frame.0);
        }
        out
    }

    fn renumbered(&mut self, id: u16, is_publish: bool, numbers: &mut Numbers) -> u16 {
        let known = self.theirs.iter().find(|(_, theirs)| **theirs == id).map(|(said, _)| *said);
        let said = match self.manners.numbering {
            Numbering::Kept => id,
            _ if known.is_some() => known.unwrap_or(id),
            Numbering::Onward | Numbering::FromOne if is_publish => {
                let begins = self.manners.numbering == Numbering::FromOne && self.theirs.is_empty();
                numbers.last = if begins { 1 } else { numbers.last % u16::MAX + 1 };
                numbers.last
            }
            // A PUBREL is for what the client knows.
            _ => numbers.said.get(&id).copied().unwrap_or(id),
        };
        numbers.said.insert(id, said);
        self.theirs.insert(said, id);
        said
    }

    /// What the client writes, as the broker is to see it.
    pub(super) fn towards_broker(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        self.from_client.feed(bytes);
        while let Some(mut frame) = self.from_client.next() {
            if let Some(id) = frame.id().filter(|_| frame.is(PUBACK) || frame.is(PUBREC) || frame.is(PUBCOMP))
            {
                let ends_publish = !frame.is(PUBCOMP);
                let ends =
                    |sent: &Sent| sent.frame.id() == Some(id) && sent.frame.is_publish() == ends_publish;
                self.unanswered.retain(|sent| !ends(sent));
                if let Some((sent, answered)) = self.answers.get_mut(&(ends_publish, id)) {
                    *answered += 1;
                    if !frame.is(PUBREC) && (2..=*sent).contains(answered) {
                        self.has_kept_back = true;
                        continue;
                    }
                }
                // One that is answered twice stays known: its identifier must not be taken for another's.
                frame.set_id(self.theirs.get(&id).copied().unwrap_or(id));
            }
            out.extend(frame.0);
        }
        out
    }

    /// When it is time to look for what is to be sent again.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        self.manners.resends_after?;
        self.unanswered.iter().map(|sent| sent.at + self.interval).min()
    }

    /// What is sent again now, and how many packets it is.
    pub(super) fn again(&mut self, now: Timestamp) -> (Vec<u8>, u64) {
        let (mut out, mut count) = (Vec::new(), 0);
        if self.due_at().is_none_or(|due| due > now) {
            return (out, count);
        }
        // All of them, so that they keep their order.
        for sent in &mut self.unanswered {
            sent.at = now;
            sent.frame.mark_again(self.marks_pubrel);
            if let Some(id) = sent.frame.id() {
                self.answers.entry((sent.frame.is_publish(), id)).or_default().0 += 1;
            }
            out.extend_from_slice(&sent.frame.0);
            count += 1;
        }
        self.interval = (self.interval * 2).min(INTERVAL_MAX);
        (out, count)
    }
}

const INTERVAL_MAX: Duration = Duration::from_secs(60);

const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;

const DUP: u8 = 0b1000;

/// One packet as bytes.
#[derive(Clone, Debug)]
struct Frame(Vec<u8>);

impl Frame {
    fn is(&self, packet: u8) -> bool {
        self.0[0] >> 4 == packet
    }

    /// Whether it is a PUBLISH that is answered.
    fn is_publish(&self) -> bool {
        self.is(PUBLISH) && self.0[0] & 0b110 != 0
    }

    fn id_at(&self) -> Option<usize> {
        let body = 1 + self.0[1..].iter().position(|byte| byte & 0x80 == 0)? + 1;
        if self.is_publish() {
            let topic_bytes = u16::from_be_bytes([*self.0.get(body)?, *self.0.get(body + 1)?]);
            return Some(body + 2 + usize::from(topic_bytes));
        }
        (PUBACK..=PUBCOMP).contains(&(self.0[0] >> 4)).then_some(body)
    }

    fn id(&self) -> Option<u16> {
        let at = self.id_at()?;
        Some(u16::from_be_bytes([*self.0.get(at)?, *self.0.get(at + 1)?]))
    }

    fn set_id(&mut self, id: u16) {
        if let Some(at) = self.id_at() {
            self.0[at..at + 2].copy_from_slice(&id.to_be_bytes());
        }
    }

    fn mark_again(&mut self, marks_pubrel: bool) {
        if self.is(PUBLISH) || marks_pubrel {
            self.0[0] |= DUP;
        }
    }
}

/// Cuts a stream of bytes into packets.
#[derive(Debug, Default)]
struct Cutter(Vec<u8>);

impl Cutter {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Frame> {
        let mut remaining = 0;
        for (place, byte) in self.0.iter().skip(1).take(4).enumerate() {
            remaining |= usize::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                let total = 2 + place + remaining;
                return (self.0.len() >= total).then(|| Frame(self.0.drain(..total).collect()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(10);
    const PUBLISH_7: [u8; 8] = [0x32, 6, 0, 1, b'a', 0, 7, b'x'];
    const QOS2_7: [u8; 8] = [0x34, 6, 0, 1, b'a', 0, 7, b'x'];

    fn relay(numbering: Numbering, resends_after: Option<Duration>) -> Relay {
        Relay::new(Manners { resends_after, numbering }, false)
    }

    #[test]
    fn what_is_not_answered_goes_out_again_with_dup_until_it_is() {
        let (mut relay, mut numbers) =
            (relay(Numbering::Kept, Some(Duration::from_secs(1))), Numbers::default());
        assert_eq!(relay.towards_client(&QOS2_7, &mut numbers, NOW), QOS2_7);
        assert_eq!(relay.again(NOW).1, 0, "not yet");
        let later = NOW + Duration::from_secs(1);
        assert_eq!(relay.due_at(), Some(later));
        assert_eq!(relay.again(later), ([0x3C, 6, 0, 1, b'a', 0, 7, b'x'].to_vec(), 1));
        assert_eq!(relay.due_at(), Some(later + Duration::from_secs(2)));
        assert_eq!(relay.towards_broker(&[0x50, 2, 0, 7]), [0x50, 2, 0, 7]);
        assert_eq!(relay.due_at(), None);
        relay.towards_client(&[0x62, 2, 0, 7], &mut numbers, later);
        assert_eq!(relay.again(later + Duration::from_secs(2)), (vec![0x62, 2, 0, 7], 1));
        relay.towards_broker(&[0x50, 2, 0, 7]);
        assert!(relay.due_at().is_some(), "a late PUBREC does not answer PUBREL");
        relay.towards_broker(&[0x70, 2, 0, 7]);
        assert_eq!(relay.due_at(), None);
    }

    #[test]
    fn a_second_answer_is_kept_from_the_broker_which_is_known() {
        let (mut relay, mut numbers) =
            (relay(Numbering::Kept, Some(Duration::from_secs(1))), Numbers::default());
        relay.towards_client(&PUBLISH_7, &mut numbers, NOW);
        relay.again(NOW + Duration::from_secs(1));
        assert_eq!(relay.towards_broker(&[0x40, 2, 0, 7]), [0x40, 2, 0, 7]);
        assert!(!relay.has_kept_back);
        assert_eq!(relay.towards_broker(&[0x40, 2, 0, 7]), []);
        assert!(relay.has_kept_back);
    }

    #[test]
    fn a_message_gets_another_identifier_on_the_next_connection() {
        let mut numbers = Numbers::default();
        for (numbering, said) in [(Numbering::Onward, [1, 2]), (Numbering::FromOne, [1, 1])] {
            numbers.last = 0;
            for id in said {
                let mut relay = relay(numbering, None);
                let mut bytes = Vec::new();
                for portion in PUBLISH_7.chunks(3) {
                    bytes.extend(relay.towards_client(portion, &mut numbers, NOW));
                }
                assert_eq!(bytes, [0x32, 6, 0, 1, b'a', 0, id, b'x']);
                assert_eq!(relay.towards_broker(&[0x40, 2, 0, id]), [0x40, 2, 0, 7]);
            }
        }
    }

    #[test]
    fn a_release_on_the_next_connection_is_for_the_identifier_that_the_client_has_recorded() {
        let mut numbers = Numbers { last: 40, ..Numbers::default() };
        let mut first = relay(Numbering::Onward, None);
        assert_eq!(first.towards_client(&QOS2_7, &mut numbers, NOW)[6], 41);
        assert_eq!(first.towards_broker(&[0x50, 2, 0, 41]), [0x50, 2, 0, 7]);
        let mut second = relay(Numbering::Onward, None);
        assert_eq!(second.towards_client(&[0x62, 2, 0, 7], &mut numbers, NOW), [0x62, 2, 0, 41]);
        assert_eq!(second.towards_broker(&[0x70, 2, 0, 41]), [0x70, 2, 0, 7]);
    }
}
