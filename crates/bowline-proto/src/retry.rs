//! When an unanswered packet is sent again while the connection lasts. Knows neither packets nor their order.

use core::time::Duration;

use crate::backoff::Jitter;
use crate::error::RequestError;

/// Sending again what the broker does not answer, without a new connection: for brokers of 3.1 and 3.1.1 that lose packets.
/// 5.0 forbids it [MQTT-4.4.0-1].
///
/// 3.1 sends PUBLISH, PUBREL, SUBSCRIBE and UNSUBSCRIBE again, with DUP; 3.1.1 PUBLISH (with DUP) and PUBREL. They keep
/// their order: nothing goes out again before what was sent earlier, of the same kind, has.
///
/// Before repetition `n` (from 0) at least `first * 2^n` pass, at most `max`, and up to a quarter more, so that clients of a
/// broker that was stuck do not all come at once; and `factor * packet bytes / bandwidth`, if that is stated.
///
/// A broker that is slow rather than lossy answers twice. The second answer is ignored, unless its packet identifier is in
/// use again by then, which takes 65,519 messages: choose `first` well above what the broker needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    first: Duration,
    max: Duration,
    bytes_per_sec: Option<u64>,
    factor: u32,
}

impl Retry {
    /// The shortest time before the first repetition: 100 ms.
    pub const FIRST_MIN: Duration = Duration::from_millis(100);
    /// The longest time between repetitions unless stated otherwise: 5 minutes.
    pub const MAX_DEFAULT: Duration = Duration::from_secs(300);

    /// Sends again after this time, at least [`Retry::FIRST_MIN`], and then after double the time, up to
    /// [`Retry::MAX_DEFAULT`].
    pub const fn after(first: Duration) -> Self {
        Self { first, max: Self::MAX_DEFAULT, bytes_per_sec: None, factor: 1 }
    }

    /// The longest time between repetitions, at least the first one.
    #[must_use]
    pub const fn at_most(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// What the way to the broker carries, in bytes per second, above 0: a packet has the time that it needs in addition.
    /// Without it, size does not count.
    #[must_use]
    pub const fn bandwidth(mut self, bytes_per_sec: u64) -> Self {
        self.bytes_per_sec = Some(bytes_per_sec);
        self
    }

    /// How many times over that time is given, 1 and above. Default 1.
    #[must_use]
    pub const fn bandwidth_factor(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    pub(crate) const fn check(&self) -> Result<(), RequestError> {
        let problem = if self.first.as_nanos() < Self::FIRST_MIN.as_nanos() {
            "must leave at least 100 ms before the first repetition"
        } else if self.max.as_nanos() < self.first.as_nanos() {
            "must not have a longest time below the first"
        } else if matches!(self.bytes_per_sec, Some(0)) {
            "must not have a bandwidth of 0"
        } else if self.factor == 0 {
            "must not have a bandwidth factor of 0"
        } else {
            return Ok(());
        };
        Err(RequestError::Option { option: "retry", problem })
    }

    /// How long to wait before the next repetition, after so many.
    pub(crate) fn delay(&self, repetitions: u32, packet_bytes: usize, jitter: &mut Jitter) -> Duration {
        let backoff =
            self.first.saturating_mul(1_u32.checked_shl(repetitions).unwrap_or(u32::MAX)).min(self.max);
        let quarter = u64::try_from(backoff.as_micros() / 4).unwrap_or(u64::MAX);
        let spread = Duration::from_micros(jitter.below(quarter));
        backoff.saturating_add(spread).saturating_add(self.transfer_time(packet_bytes))
    }

    fn transfer_time(&self, packet_bytes: usize) -> Duration {
        let Some(bytes_per_sec) = self.bytes_per_sec else { return Duration::ZERO };
        let micros = packet_bytes as u128 * u128::from(self.factor) * 1_000_000 / u128::from(bytes_per_sec);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_double_up_to_the_longest_and_spread_over_a_quarter_more() {
        let retry = Retry::after(Duration::from_secs(10)).at_most(Duration::from_secs(35));
        let mut jitter = Jitter::new(1);
        for (repetitions, secs) in [(0, 10.0), (1, 20.0), (2, 35.0), (31, 35.0), (32, 35.0), (u32::MAX, 35.0)]
        {
            let delays: Vec<f64> =
                (0..200).map(|_| retry.delay(repetitions, 0, &mut jitter).as_secs_f64()).collect();
            assert!(delays.iter().all(|delay| (secs..secs * 1.25).contains(delay)), "{delays:?}");
            assert!(delays.iter().any(|delay| *delay > secs * 1.2), "they differ");
        }
    }

    #[test]
    fn a_packet_has_the_time_that_its_size_takes_at_the_stated_bandwidth() {
        let retry = Retry::after(Duration::from_secs(1)).bandwidth(1_000_000);
        let mut jitter = Jitter::new(1);
        let delay = |retry: Retry, jitter: &mut Jitter| retry.delay(0, 16_000_000, jitter).as_secs();
        assert_eq!(delay(retry, &mut jitter), 17);
        assert_eq!(delay(retry.bandwidth_factor(3), &mut jitter), 49);
        assert_eq!(delay(retry.bandwidth(u64::MAX), &mut jitter), 1);
        assert!(
            retry.bandwidth_factor(u32::MAX).bandwidth(1).delay(0, usize::MAX, &mut jitter) > Duration::ZERO
        );
    }

    use alloc::vec::Vec;
}
