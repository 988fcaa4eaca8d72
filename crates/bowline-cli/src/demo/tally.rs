//! Finds what is lost, doubled, out of order or corrupt in the messages of one run. Knows payloads, and no MQTT.

use crate::demo::payload::Stamp;

/// Counts the arrivals of one run.
#[derive(Debug)]
pub(super) struct Tally {
    run: u64,
    payload_bytes: usize,
    /// Whether the message with this number has arrived.
    has_arrived: Vec<bool>,
    /// One more than the highest number that has arrived.
    reached: u64,
    counts: Counts,
}

/// What a tally comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Messages that arrived intact for the first time.
    pub(super) received: u64,
    /// Messages that arrived intact once more.
    pub(super) doubled: u64,
    /// Messages that arrived for the first time after one with a higher number.
    pub(super) out_of_order: u64,
    /// Payloads that were not as they were sent, or that were not sent in this run.
    pub(super) corrupt: u64,
}

impl Counts {
    /// How many of the messages that were sent never arrived intact.
    pub(super) const fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.received)
    }
}

impl Tally {
    /// For a run of this many messages, of this size.
    pub(super) fn new(run: u64, messages: usize, payload_bytes: usize) -> Self {
        let has_arrived = vec![false; messages];
        Self { run, payload_bytes, has_arrived, reached: 0, counts: Counts::default() }
    }

    /// Takes what arrived; returns its stamp if it is intact and arrived for the first time.
    pub(super) fn take(&mut self, payload: &[u8]) -> Option<Stamp> {
        let stamp = Stamp::of_payload(payload)
            .filter(|stamp| stamp.run == self.run && payload.len() == self.payload_bytes);
        let slot = stamp.and_then(|stamp| self.has_arrived.get_mut(usize::try_from(stamp.sequence).ok()?));
        let (Some(stamp), Some(has_arrived)) = (stamp, slot) else {
            self.counts.corrupt += 1;
            return None;
        };
        if std::mem::replace(has_arrived, true) {
            self.counts.doubled += 1;
            return None;
        }
        self.counts.received += 1;
        if stamp.sequence < self.reached {
            self.counts.out_of_order += 1;
        } else {
            self.reached = stamp.sequence + 1;
        }
        Some(stamp)
    }

    /// One more than the highest number that has arrived.
    pub(super) const fn reached(&self) -> u64 {
        self.reached
    }

    /// The counts so far.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 5;
    const BYTES: usize = 40;

    fn payload(sequence: u64) -> Vec<u8> {
        Stamp { run: RUN, sequence, sent_ns: 1 }.to_payload(BYTES)
    }

    fn counts_of(payloads: impl IntoIterator<Item = Vec<u8>>) -> Counts {
        let mut tally = Tally::new(RUN, 10, BYTES);
        for payload in payloads {
            let _stamp = tally.take(&payload);
        }
        tally.counts()
    }

    #[test]
    fn a_clean_run_has_nothing_but_received_messages() {
        let counts = counts_of((0..10).map(payload));
        assert_eq!(counts, Counts { received: 10, ..Counts::default() });
        assert_eq!(counts.lost(10), 0);
    }

    #[test]
    fn a_message_that_does_not_arrive_is_lost_wherever_it_stood() {
        for missing in 0..10 {
            let counts = counts_of((0..10).filter(|&sequence| sequence != missing).map(payload));
            assert_eq!(counts, Counts { received: 9, ..Counts::default() }, "without {missing}");
            assert_eq!(counts.lost(10), 1, "without {missing}");
        }
    }

    #[test]
    fn a_message_that_arrives_again_is_doubled_and_hides_no_loss() {
        let counts = counts_of([0, 1, 1, 2, 3, 1, 4, 5, 6, 7, 8].map(payload));
        assert_eq!(counts, Counts { received: 9, doubled: 2, ..Counts::default() });
        assert_eq!(counts.lost(10), 1);
    }

    #[test]
    fn a_message_that_was_overtaken_is_out_of_order_and_not_lost() {
        let counts = counts_of([0, 2, 1, 3, 4, 5, 9, 6, 7, 8].map(payload));
        assert_eq!(counts, Counts { received: 10, out_of_order: 4, ..Counts::default() });
        assert_eq!(counts.lost(10), 0);
    }

    #[test]
    fn a_changed_payload_is_corrupt_and_its_message_lost() {
        let changed = |sequence| {
            let mut payload = payload(sequence);
            if sequence == 4 {
                payload[BYTES - 1] ^= 1;
            }
            payload
        };
        let counts = counts_of((0..10).map(changed));
        assert_eq!(counts, Counts { received: 9, corrupt: 1, ..Counts::default() });
        assert_eq!(counts.lost(10), 1);
    }

    #[test]
    fn an_intact_payload_of_another_run_size_or_number_is_corrupt() {
        let strangers = [
            Stamp { run: RUN + 1, sequence: 0, sent_ns: 1 }.to_payload(BYTES),
            Stamp { run: RUN, sequence: 0, sent_ns: 1 }.to_payload(BYTES + 1),
            payload(10),
            payload(u64::MAX),
            Vec::new(),
        ];
        assert_eq!(counts_of(strangers), Counts { corrupt: 5, ..Counts::default() });
    }
}
