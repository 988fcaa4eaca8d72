//! Sessions of random publications, compared with the reference after every few batches.

use bowline_proto::session::stored::Accepted;
use bowline_proto::session::{Entry, KeyedOutcome, SessionLoss, StoredOutcome};
use bowline_proto::{QoS, ReasonCode, Timestamp, Version};

use crate::store::SessionStore;
use crate::store::conformance::Pair;
use crate::store::conformance::entries::{
    blamed, full_message, identity, message, packet_id, publication, text,
};

/// A publication that has not ended.
#[derive(Clone, Copy)]
struct Open {
    number: u64,
    id: Option<u16>,
    has_key: bool,
}

/// What happens to a session, by chance; the same for the same seed.
struct Life {
    random: u64,
    next: u64,
    generation: u64,
    open: Vec<Open>,
}

pub(super) fn run<S: SessionStore>(pair: &mut Pair<'_, S>, seed: u64) {
    let mut life = Life { random: seed, next: 1, generation: 0, open: Vec::new() };
    for round in 0..60 {
        let mut batch = Vec::new();
        for _ in 0..1 + life.below(20) {
            life.step(&mut batch);
        }
        pair.commit(&batch);
        if life.below(4) == 0 {
            pair.open_again();
        }
        if round % 8 == 0 {
            pair.compare();
            for number in life.next.saturating_sub(120)..life.next {
                pair.compare_outcome(&format!("key {number}"));
            }
        }
    }
}

impl Life {
    /// SplitMix64, for want of anything better without a dependency.
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn id(&mut self) -> u16 {
        1 + self.below(60_000) as u16
    }

    fn step(&mut self, batch: &mut Vec<Entry>) {
        match self.below(21) {
            0..=7 => batch.push(self.accept()),
            8..=10 => batch.extend(self.assign()),
            11..=12 => batch.extend(self.answer()),
            13..=15 => batch.extend(self.end()),
            16 => batch.push(Entry::Received { packet_id: packet_id(self.id() % 50 + 1) }),
            17 => batch.push(Entry::Released { packet_id: packet_id(self.id() % 50 + 1) }),
            18 => batch.push(self.blame()),
            19 => batch.push(Entry::Unretired { packet_id: packet_id(self.id()) }),
            _ => self.lose(batch),
        }
    }

    fn accept(&mut self) -> Entry {
        let number = self.next;
        self.next += 1 + self.below(3);
        let id = if self.below(3) == 0 { Some(self.id()) } else { None };
        let has_key = self.below(3) == 0;
        self.open.push(Open { number, id, has_key });
        let payload = vec![number as u8; self.below(60) as usize];
        let message = match self.below(5) {
            0 => full_message(number as u8),
            _ => message(&payload, QoS::AtLeastOnce),
        };
        Entry::Accepted(Accepted {
            publication: publication(number),
            message,
            deadline: (self.below(2) == 0).then(|| Timestamp::from_micros(number * 1_000)),
            packet_id: id.map(packet_id),
            key: has_key.then(|| text(&format!("key {number}"))),
            on_session_loss: match self.below(2) {
                0 => SessionLoss::Indeterminate,
                _ => SessionLoss::PublishAgain,
            },
        })
    }

    /// The oldest that waits gets an identifier.
    fn assign(&mut self) -> Option<Entry> {
        let id = self.id();
        let open = self.open.iter_mut().find(|open| open.id.is_none())?;
        open.id = Some(id);
        Some(Entry::Assigned { publication: publication(open.number), packet_id: packet_id(id) })
    }

    fn answer(&mut self) -> Option<Entry> {
        let open = self.any()?;
        self.open[open].id?;
        Some(Entry::Pubrec { publication: publication(self.open[open].number) })
    }

    fn end(&mut self) -> Option<Entry> {
        let open = self.any()?;
        let Open { number, id, has_key } = self.open.remove(open);
        let outcome = match self.below(3) {
            0 => StoredOutcome::Acknowledged { reason: ReasonCode::Success, is_downgraded: false },
            1 => StoredOutcome::Rejected { reason: ReasonCode::NotAuthorized },
            _ => StoredOutcome::Poison { closes: number as u32 },
        };
        let outcome = has_key.then(|| KeyedOutcome { key: text(&format!("key {number}")), outcome });
        let retired = id.filter(|_| self.below(4) == 0).map(packet_id);
        Some(Entry::Ended { publication: publication(number), retired, outcome })
    }

    /// The peer closes while some are in flight.
    fn blame(&mut self) -> Entry {
        let closes = 1 + self.below(3) as u32;
        let in_flight = self.open.iter().filter(|open| open.id.is_some());
        let suspects: Vec<(u64, u32)> = in_flight.map(|open| (open.number, closes)).collect();
        blamed(&suspects)
    }

    /// The session is lost: what was sent waits again, or ends.
    fn lose(&mut self, batch: &mut Vec<Entry>) {
        self.generation += 1;
        batch.push(Entry::SessionReset { generation: self.generation });
        for open in &mut self.open {
            if open.id.take().is_some() {
                batch.push(Entry::Requeued { publication: publication(open.number) });
            }
        }
        batch.push(Entry::Established(identity("meter-7", Version::V5, Some("a.example"))));
    }

    fn any(&mut self) -> Option<usize> {
        match self.open.len() as u64 {
            0 => None,
            open => Some(self.below(open) as usize),
        }
    }
}
