//! Keep alive: when to send PINGREQ, and when a silent peer counts as dead. Knows no packets and no clock.

use core::time::Duration;

use crate::time::Timestamp;

/// The most by which PINGREQ goes out before the keep alive period is over.
///
/// The period bounds the gap between two packets on the wire; a ping that is only *encoded* when it ends comes too
/// late. The lead is a tenth of the period, and never more than this.
pub const PING_LEAD_MAX: Duration = Duration::from_secs(1);

/// The keep alive of one connection, seen from the client (section 3.1.2.10).
///
/// ```text
///            poll: period over            on_written              any byte
///   quiet ----------------------> encoded ----------> written --------------> quiet
///     ^     SendPing                 |                   |
///     |                              | ping_timeout without a byte received, counted from
///     |                              v the encoding      v the writing
///     |                               Expired <----------
/// ```
///
/// - Pings are scheduled from the last packet *sent*: receiving does not put them off. Nor does sending to a peer from which
///   nothing comes: who sends all the time, and is not answered, would else never ask whether anybody is there.
/// - The answer may take `ping_timeout` from when the PINGREQ is *written*. Any received byte counts as life.
/// - A PINGREQ that cannot be written (full socket buffers on a dead link) may take `ping_timeout` as well, counted
///   from its encoding and anew from every received byte. So a dead link is found within the keep alive period plus
///   twice `ping_timeout`, written or not.
/// - While this side pauses reading it cannot see an answer, so both waits pause too. Pings go on.
/// - Keep alive 0 turns all of it off.
///
/// The `on_` methods cost a few instructions and do not move the deadline forward for every packet: a deadline that
/// turns out to be too early is set anew by [`KeepAlive::poll`]. `now` must never go backwards; hand in what was read
/// before polling.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    period: Option<Duration>,
    ping_timeout: Duration,
    last_sent: Timestamp,
    /// When the last byte came, or when we last asked for one.
    last_heard: Timestamp,
    ping: Ping,
    paused_since: Option<Timestamp>,
    /// When to look again: never later than the next action is due, often earlier.
    armed: Timestamp,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new action must break every caller on purpose")]
pub enum KeepAliveAction {
    /// Nothing before [`KeepAlive::deadline`].
    Idle,
    /// Encode a PINGREQ. It counts as sent; say [`KeepAlive::on_written`] when it is on the wire.
    SendPing,
    /// The peer counts as dead: close.
    Expired,
}

/// The PINGREQ that waits for a sign of life, if any; `since` is where its `ping_timeout` counts from.
#[derive(Clone, Copy, Debug)]
enum Ping {
    Quiet,
    Encoded { since: Timestamp },
    Written { since: Timestamp },
}

impl KeepAlive {
    /// The keep alive of a connection on which CONNECT was the last packet sent, at `now`.
    ///
    /// `keep_alive_secs` is the value in force, the server's if it sent one; 0 turns it off.
    pub fn new(keep_alive_secs: u16, ping_timeout: Duration, now: Timestamp) -> Self {
        // [MQTT-3.1.2-21]
        let period = (keep_alive_secs > 0).then(|| {
            let period = Duration::from_secs(keep_alive_secs.into());
            period - PING_LEAD_MAX.min(period / 10)
        });
        let mut keep_alive = Self {
            period,
            ping_timeout,
            last_sent: now,
            last_heard: now,
            ping: Ping::Quiet,
            paused_since: None,
            armed: Timestamp::MAX,
        };
        keep_alive.arm();
        keep_alive
    }

    /// A packet was encoded for sending.
    pub const fn on_sent(&mut self, now: Timestamp) {
        self.last_sent = now;
    }

    /// Bytes arrived: the peer lives.
    pub fn on_received(&mut self, now: Timestamp) {
        self.last_heard = now;
        match &mut self.ping {
            Ping::Quiet => {}
            // It will be written some time and then deserves its answer.
            Ping::Encoded { since } => *since = now,
            Ping::Written { .. } => {
                self.ping = Ping::Quiet;
                self.arm();
            }
        }
    }

    /// Whether a PINGREQ waits to be written or for a sign of life.
    pub const fn is_asking(&self) -> bool {
        !matches!(self.ping, Ping::Quiet)
    }

    /// A PINGREQ is sent out of turn, also where keep alive is off: its answer has the same time as any other's.
    pub fn on_asked(&mut self, now: Timestamp) {
        self.on_ping(now);
        self.arm();
    }

    const fn on_ping(&mut self, now: Timestamp) {
        self.last_sent = now;
        self.last_heard = now;
        // An older ping that is still unanswered keeps its deadline.
        if let Ping::Quiet = self.ping {
            self.ping = Ping::Encoded { since: now };
        }
    }

    /// PINGRESP came: no PINGREQ waits for it any more, also if it came before we heard that the PINGREQ is written.
    pub fn on_answered(&mut self) {
        self.ping = Ping::Quiet;
        self.arm();
    }

    /// Everything encoded so far is on the wire.
    pub fn on_written(&mut self, now: Timestamp) {
        if let Ping::Encoded { .. } = self.ping {
            self.ping = Ping::Written { since: now };
            self.last_sent = now;
            self.last_heard = now;
            self.arm();
        }
    }

    /// Reading pauses: from here on a missing answer proves nothing.
    pub fn pause(&mut self, now: Timestamp) {
        if self.paused_since.is_none() {
            self.paused_since = Some(now);
            self.arm();
        }
    }

    /// Reading goes on: the peer has as much time left as when it paused.
    pub fn resume(&mut self, now: Timestamp) {
        let Some(paused_since) = self.paused_since.take() else {
            return;
        };
        if let Ping::Encoded { since } | Ping::Written { since } = &mut self.ping {
            let unseen = now.saturating_since(paused_since.max(*since));
            *since = *since + unseen;
        }
        self.arm();
    }

    /// What to do at `now`.
    pub fn poll(&mut self, now: Timestamp) -> KeepAliveAction {
        if now < self.armed {
            return KeepAliveAction::Idle;
        }
        // [MQTT-3.1.2-22] [MQTT-3.12.4-1] [MQTT-3.1.2-24 of 3.1.1] [MQTT-3.12.4-1 of 3.1.1]
        if self.expiry().is_some_and(|expiry| now >= expiry) {
            return KeepAliveAction::Expired;
        }
        // [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
        let action = if self.ping_due().is_some_and(|due| now >= due) {
            self.on_ping(now);
            KeepAliveAction::SendPing
        } else {
            KeepAliveAction::Idle
        };
        self.arm();
        action
    }

    /// When to poll again, `None` for never. May be too early, which costs one idle poll.
    pub fn deadline(&self) -> Option<Timestamp> {
        (self.armed < Timestamp::MAX).then_some(self.armed)
    }

    fn arm(&mut self) {
        let ping_due = self.ping_due().unwrap_or(Timestamp::MAX);
        let expiry = self.expiry().unwrap_or(Timestamp::MAX);
        self.armed = ping_due.min(expiry);
    }

    /// When the next PINGREQ is due. While one waits to be written, a second would only lengthen the queue.
    fn ping_due(&self) -> Option<Timestamp> {
        match self.ping {
            Ping::Quiet | Ping::Written { .. } => {
                self.period.map(|period| self.last_sent.min(self.last_heard) + period)
            }
            Ping::Encoded { .. } => None,
        }
    }

    fn expiry(&self) -> Option<Timestamp> {
        match (self.ping, self.paused_since) {
            (Ping::Encoded { since } | Ping::Written { since }, None) => Some(since + self.ping_timeout),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeepAliveAction::{Expired, Idle, SendPing};
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// A keep alive of 30 s, so that pings leave after 29 s, with a ping timeout of 5 s.
    fn thirty() -> KeepAlive {
        KeepAlive::new(30, TIMEOUT, at(0))
    }

    /// One whose first PINGREQ was encoded at 29 s.
    fn pinged() -> KeepAlive {
        let mut keep_alive = thirty();
        assert_eq!(keep_alive.poll(at(29)), SendPing);
        keep_alive
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    // [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
    #[test]
    fn a_ping_is_due_shortly_before_the_period_is_over_and_once_per_period() {
        let mut keep_alive = thirty();
        assert_eq!(keep_alive.deadline(), Some(at(29)));
        assert_eq!(keep_alive.poll(at(28)), Idle);
        assert_eq!(keep_alive.poll(at(29)), SendPing);
        keep_alive.on_written(at(29));
        assert_eq!(keep_alive.poll(at(29)), Idle);
        keep_alive.on_received(at(30));
        assert_eq!(keep_alive.deadline(), Some(at(58)));
        assert_eq!(keep_alive.poll(at(57)), Idle);
        assert_eq!(keep_alive.poll(at(58)), SendPing);

        let short = KeepAlive::new(1, TIMEOUT, at(0));
        assert_eq!(short.deadline(), Some(Timestamp::from_micros(900_000)));
    }

    // [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
    #[test]
    fn sending_puts_the_ping_off_and_receiving_does_not() {
        let mut keep_alive = thirty();
        keep_alive.on_sent(at(20));
        keep_alive.on_received(at(25));
        // The deadline is lazy: the early poll finds nothing to do and sets it anew.
        assert_eq!(keep_alive.deadline(), Some(at(29)));
        assert_eq!(keep_alive.poll(at(29)), Idle);
        assert_eq!(keep_alive.deadline(), Some(at(49)));
        keep_alive.on_received(at(48));
        assert_eq!(keep_alive.poll(at(49)), SendPing);
    }

    #[test]
    fn sending_to_a_peer_from_which_nothing_comes_does_not_put_the_ping_off() {
        let mut keep_alive = thirty();
        let mut pings = alloc::vec::Vec::new();
        for secs in 1..=33 {
            keep_alive.on_sent(at(secs));
            if keep_alive.poll(at(secs)) == SendPing {
                pings.push(secs);
                keep_alive.on_written(at(secs));
            }
        }
        assert_eq!(pings, [29]);
        assert_eq!(keep_alive.poll(at(34)), Expired);
    }

    #[test]
    fn sending_to_a_peer_that_answers_puts_the_ping_off() {
        let mut keep_alive = thirty();
        for secs in 1..=100 {
            keep_alive.on_sent(at(secs));
            keep_alive.on_received(at(secs));
            assert_eq!(keep_alive.poll(at(secs)), Idle);
        }
    }

    #[test]
    fn keep_alive_zero_never_pings_and_never_expires() {
        let mut keep_alive = KeepAlive::new(0, TIMEOUT, at(0));
        assert_eq!(keep_alive.deadline(), None);
        assert_eq!(keep_alive.poll(at(1_000_000)), Idle);
        keep_alive.pause(at(1_000_000));
        keep_alive.resume(at(1_000_001));
        assert_eq!(keep_alive.poll(at(2_000_000)), Idle);
        assert_eq!(keep_alive.deadline(), None);
    }

    // [MQTT-3.1.2-22] [MQTT-3.12.4-1] [MQTT-3.1.2-24 of 3.1.1] [MQTT-3.12.4-1 of 3.1.1]
    #[test]
    fn the_answer_may_take_the_ping_timeout_from_when_the_ping_was_written() {
        let mut keep_alive = pinged();
        keep_alive.on_written(at(33));
        assert_eq!(keep_alive.deadline(), Some(at(38)));
        assert_eq!(keep_alive.poll(at(37)), Idle);
        assert_eq!(keep_alive.poll(at(38)), Expired);
        assert_eq!(keep_alive.poll(at(38)), Expired);
    }

    #[test]
    fn any_received_byte_is_a_sign_of_life() {
        let mut keep_alive = pinged();
        keep_alive.on_written(at(29));
        keep_alive.on_received(at(33));
        assert_eq!(keep_alive.poll(at(34)), Idle);
        assert_eq!(keep_alive.deadline(), Some(at(58)));
    }

    #[test]
    fn a_ping_that_cannot_be_written_to_a_silent_peer_expires_too() {
        let mut keep_alive = pinged();
        assert_eq!(keep_alive.deadline(), Some(at(34)));
        assert_eq!(keep_alive.poll(at(33)), Idle);
        assert_eq!(keep_alive.poll(at(34)), Expired);
    }

    #[test]
    fn a_ping_that_cannot_be_written_waits_while_the_peer_sends() {
        let mut keep_alive = pinged();
        // A second ping behind the first would only lengthen the queue.
        for secs in 30..80 {
            keep_alive.on_received(at(secs));
            assert_eq!(keep_alive.poll(at(secs)), Idle);
        }
        assert_eq!(keep_alive.poll(at(83)), Idle);
        assert_eq!(keep_alive.poll(at(84)), Expired);
    }

    #[test]
    fn a_ping_that_was_written_late_deserves_its_answer_and_starts_a_new_period() {
        let mut keep_alive = pinged();
        keep_alive.on_received(at(33));
        keep_alive.on_written(at(36));
        assert_eq!(keep_alive.poll(at(40)), Idle);
        assert_eq!(keep_alive.deadline(), Some(at(41)));
        keep_alive.on_received(at(40));
        assert_eq!(keep_alive.deadline(), Some(at(65)));
    }

    #[test]
    fn the_wait_for_the_answer_pauses_with_reading() {
        let mut keep_alive = pinged();
        keep_alive.on_written(at(29));
        keep_alive.pause(at(32));
        keep_alive.pause(at(33));
        assert_eq!(keep_alive.poll(at(50)), Idle);
        keep_alive.resume(at(50));
        // Three of the five seconds were over.
        assert_eq!(keep_alive.deadline(), Some(at(52)));
        assert_eq!(keep_alive.poll(at(51)), Idle);
        assert_eq!(keep_alive.poll(at(52)), Expired);
    }

    // [MQTT-3.1.2-20]
    #[test]
    fn pings_go_on_while_reading_is_paused_and_their_answers_are_awaited_after_it() {
        let mut keep_alive = thirty();
        keep_alive.pause(at(10));
        for secs in [29, 58, 87] {
            assert_eq!(keep_alive.deadline(), Some(at(secs)));
            assert_eq!(keep_alive.poll(at(secs)), SendPing);
            keep_alive.on_written(at(secs));
        }
        keep_alive.resume(at(100));
        assert_eq!(keep_alive.deadline(), Some(at(105)));
        assert_eq!(keep_alive.poll(at(104)), Idle);
        assert_eq!(keep_alive.poll(at(105)), Expired);
    }

    #[test]
    fn a_blocked_write_does_not_expire_while_reading_is_paused() {
        let mut keep_alive = pinged();
        keep_alive.pause(at(30));
        assert_eq!(keep_alive.deadline(), None);
        assert_eq!(keep_alive.poll(at(1_000)), Idle);
        keep_alive.on_written(at(1_000));
        assert_eq!(keep_alive.deadline(), Some(at(1_029)));
        keep_alive.resume(at(1_001));
        assert_eq!(keep_alive.deadline(), Some(at(1_006)));
    }

    // [MQTT-3.1.2-20]
    #[test]
    fn a_ping_timeout_above_the_period_neither_stops_the_pings_nor_moves_the_first_deadline() {
        let mut keep_alive = KeepAlive::new(10, Duration::from_secs(25), at(0));
        for secs in [9, 18, 27] {
            assert_eq!(keep_alive.poll(at(secs)), SendPing);
            keep_alive.on_written(at(secs));
        }
        assert_eq!(keep_alive.poll(at(33)), Idle);
        assert_eq!(keep_alive.poll(at(34)), Expired);
    }
}
