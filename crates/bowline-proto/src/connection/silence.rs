//! Keep alive seen from the server: how long a client may be silent. Knows no packets and no clock.

use core::time::Duration;

use crate::time::Timestamp;

/// The silence of one client (section 3.1.2.10): one and a half times the keep alive without a packet ends the
/// connection. Keep Alive 0 turns it off.
///
/// While this side pauses reading it cannot hear the client, so the clock stands still.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    /// `None` for no keep alive.
    limit: Option<Duration>,
    last_heard: Timestamp,
    paused_since: Option<Timestamp>,
}

impl Silence {
    pub(crate) fn new(keep_alive_secs: u16, now: Timestamp) -> Self {
        let limit = (keep_alive_secs > 0).then(|| Duration::from_millis(u64::from(keep_alive_secs) * 1_500));
        Self { limit, last_heard: now, paused_since: None }
    }

    /// A packet came.
    pub(crate) const fn on_received(&mut self, now: Timestamp) {
        self.last_heard = now;
    }

    /// Reading pauses, or goes on: then the client has as much time left as when it paused.
    pub(crate) fn set_paused(&mut self, is_paused: bool, now: Timestamp) {
        match (is_paused, self.paused_since) {
            (true, None) => self.paused_since = Some(now),
            (false, Some(since)) => {
                self.paused_since = None;
                self.last_heard = self.last_heard + now.saturating_since(since.max(self.last_heard));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// When the client counts as lost unless something comes.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        // [MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1]
        let limit = self.limit.filter(|_| self.paused_since.is_none())?;
        Some(self.last_heard + limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    // [MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1]
    #[test]
    fn one_and_a_half_keep_alives_of_silence_are_the_limit() {
        let mut silence = Silence::new(5, at(1_000));
        assert_eq!(silence.deadline(), Some(at(8_500)));
        silence.on_received(at(8_000));
        assert_eq!(silence.deadline(), Some(at(15_500)));
        assert_eq!(Silence::new(0, at(0)).deadline(), None);
    }

    #[test]
    fn the_clock_stands_still_while_reading_is_paused() {
        let mut silence = Silence::new(10, at(0));
        silence.set_paused(true, at(4_000));
        silence.set_paused(true, at(5_000));
        assert_eq!(silence.deadline(), None);
        silence.set_paused(false, at(100_000));
        assert_eq!(silence.deadline(), Some(at(111_000)), "4 of 15 seconds were over");
    }
}
