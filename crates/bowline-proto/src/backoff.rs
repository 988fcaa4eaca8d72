//! How long to wait before the next attempt to connect. Knows no clock, no addresses and no errors.

use core::fmt;
use core::time::Duration;

use crate::time::Timestamp;

/// The shortest delay there is, so that no setting and no draw makes a tight loop.
pub const DELAY_MIN: Duration = Duration::from_millis(10);

/// How reconnect delays grow: exponential backoff with full jitter.
///
/// The delay before attempt `n` (from 0) is uniform between [`DELAY_MIN`] and `first * 2^n`, at most `max`. The
/// uniform draw keeps clients that lost the same broker from coming back all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    reset_after: Duration,
}

impl Backoff {
    /// The longest first delay unless stated otherwise: 1 s.
    pub const FIRST_DEFAULT: Duration = Duration::from_secs(1);
    /// The longest delay unless stated otherwise: 60 s.
    pub const MAX_DEFAULT: Duration = Duration::from_secs(60);
    /// How long a connection must last to start over, unless stated otherwise: 30 s.
    pub const RESET_AFTER_DEFAULT: Duration = Duration::from_secs(30);

    /// Delays that are at most `first` at first, double with every attempt, and are never longer than `max`.
    ///
    /// # Errors
    /// [`BackoffError`] if `first` is below [`DELAY_MIN`], or `max` is below `first`.
    pub const fn full_jitter(first: Duration, max: Duration) -> Result<Self, BackoffError> {
        if first.as_nanos() < DELAY_MIN.as_nanos() {
            return Err(BackoffError::FirstTooShort { first });
        }
        if max.as_nanos() < first.as_nanos() {
            return Err(BackoffError::MaxBelowFirst { first, max });
        }
        Ok(Self { first, max, reset_after: Self::RESET_AFTER_DEFAULT })
    }

    /// The same, starting over once a connection lasted this long. With zero every connection starts over.
    #[must_use]
    pub const fn reset_after(mut self, lasted: Duration) -> Self {
        self.reset_after = lasted;
        self
    }

    /// The longest delay before attempt `attempt`, counted from 0.
    pub fn delay_max(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

impl Default for Backoff {
    /// 1 s, 60 s, reset after 30 s.
    fn default() -> Self {
        Self { first: Self::FIRST_DEFAULT, max: Self::MAX_DEFAULT, reset_after: Self::RESET_AFTER_DEFAULT }
    }
}

/// Where a client stands in its [`Backoff`].
#[derive(Clone, Debug, Default)]
pub struct BackoffState {
    attempt: u32,
    connected_since: Option<Timestamp>,
}

impl BackoffState {
    /// Before the first attempt.
    pub const fn new() -> Self {
        Self { attempt: 0, connected_since: None }
    }

    /// The delay before the next attempt, which this counts.
    pub fn next_delay(&mut self, backoff: &Backoff, jitter: &mut Jitter) -> Duration {
        let longest = as_micros(backoff.delay_max(self.attempt));
        let shortest = as_micros(DELAY_MIN);
        self.attempt = self.attempt.saturating_add(1);
        let draw = jitter.below((longest - shortest).saturating_add(1));
        Duration::from_micros(shortest + draw)
    }

    /// The broker accepted the connection.
    pub const fn on_connected(&mut self, now: Timestamp) {
        self.connected_since = Some(now);
    }

    /// The connection is gone. The delays start over if it was accepted and lasted long enough, so that a broker that
    /// accepts and closes is not asked again at once. Returns whether it did.
    pub fn on_lost(&mut self, backoff: &Backoff, now: Timestamp) -> bool {
        let since = self.connected_since.take();
        let has_lasted = since.is_some_and(|since| now.saturating_since(since) >= backoff.reset_after);
        if has_lasted {
            self.attempt = 0;
        }
        has_lasted
    }

    /// Whether the broker has accepted a connection that is not known to be gone.
    pub const fn is_connected(&self) -> bool {
        self.connected_since.is_some()
    }

    /// How long the connection that is not known to be gone has been there.
    pub(crate) fn connected_for(&self, now: Timestamp) -> Option<Duration> {
        self.connected_since.map(|since| now.saturating_since(since))
    }

    /// The connection is gone for a reason that its length does not excuse: the delays go on growing.
    pub const fn on_lost_again(&mut self) {
        self.connected_since = None;
    }

    /// Delays given out since the start or since the last connection that lasted.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// A small seeded generator (SplitMix64) for delays and starting points. Predictable: not for secrets.
#[derive(Clone, Debug)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// The same seed gives the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, uniform over all of `u64`.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`, uniform up to a bias of `n / 2^64`; 0 for `n` = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(n);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits is 64 bits")
    }
}

/// Why these delays make no backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackoffError {
    /// The first delay is below [`DELAY_MIN`].
    FirstTooShort {
        /// What was asked for.
        first: Duration,
    },
    /// The longest delay is below the first.
    MaxBelowFirst {
        /// The first delay.
        first: Duration,
        /// The longest delay.
        max: Duration,
    },
}

impl fmt::Display for BackoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstTooShort { first } => {
                write!(f, "the first reconnect delay is {first:?}, the least is {DELAY_MIN:?}")
            }
            Self::MaxBelowFirst { first, max } => {
                write!(f, "the longest reconnect delay is {max:?}, the least is the first delay, {first:?}")
            }
        }
    }
}

impl core::error::Error for BackoffError {}

fn as_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn the_bound_doubles_from_first_to_max_and_never_overflows() {
        let backoff = Backoff::default();
        let bounds: Vec<_> = (0..8).map(|attempt| backoff.delay_max(attempt).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 60, 60]);
        for attempt in [31, 32, 33, 64, u32::MAX] {
            assert_eq!(backoff.delay_max(attempt), 60 * SEC);
        }
        let endless = Backoff::full_jitter(SEC, Duration::MAX).unwrap();
        let mut state = BackoffState { attempt: u32::MAX, connected_since: None };
        assert!(state.next_delay(&endless, &mut Jitter::new(1)) >= DELAY_MIN);
        assert_eq!(state.attempt(), u32::MAX);
    }

    #[test]
    fn delays_spread_over_the_whole_range_between_the_shortest_and_the_bound() {
        let backoff = Backoff::default();
        let mut jitter = Jitter::new(7);
        let delays: Vec<_> =
            (0..1_000).map(|_| BackoffState::new().next_delay(&backoff, &mut jitter)).collect();
        assert!(delays.iter().all(|delay| (DELAY_MIN..=SEC).contains(delay)));
        for tenth in 0..10 {
            let range = SEC * tenth / 10..SEC * (tenth + 1) / 10;
            let count = delays.iter().filter(|delay| range.contains(delay)).count();
            assert!((60..140).contains(&count), "{count} of 1000 delays in {range:?}");
        }
    }

    #[test]
    fn every_delay_counts_as_an_attempt_and_widens_the_range() {
        let backoff = Backoff::default();
        let mut jitter = Jitter::new(3);
        let mut longest = Duration::ZERO;
        for _ in 0..100 {
            let mut state = BackoffState { attempt: 5, connected_since: None };
            longest = longest.max(state.next_delay(&backoff, &mut jitter));
            assert_eq!(state.attempt(), 6);
        }
        assert!(longest > 16 * SEC && longest <= 32 * SEC, "{longest:?}");
    }

    #[test]
    fn only_a_connection_that_lasted_starts_the_delays_over() {
        let backoff = Backoff::default().reset_after(30 * SEC);
        let mut jitter = Jitter::new(1);
        let mut state = BackoffState::new();
        for _ in 0..4 {
            state.next_delay(&backoff, &mut jitter);
        }
        // A failed attempt is no connection, however long it took.
        state.on_lost(&backoff, Timestamp::from_secs(1_000));
        assert_eq!(state.attempt(), 4);

        state.on_connected(Timestamp::from_secs(1_000));
        state.on_lost(&backoff, Timestamp::from_secs(1_029));
        assert_eq!(state.attempt(), 4);
        // The time of an earlier connection does not count.
        state.on_lost(&backoff, Timestamp::from_secs(2_000));
        assert_eq!(state.attempt(), 4);

        state.on_connected(Timestamp::from_secs(2_000));
        state.on_lost(&backoff, Timestamp::from_secs(2_030));
        assert_eq!(state.attempt(), 0);
    }

    #[test]
    fn delays_that_would_make_a_tight_loop_or_an_empty_range_are_refused() {
        let short = Backoff::full_jitter(Duration::from_millis(9), SEC).unwrap_err();
        assert_eq!(short.to_string(), "the first reconnect delay is 9ms, the least is 10ms");
        let narrow = Backoff::full_jitter(2 * SEC, SEC).unwrap_err();
        assert_eq!(narrow.to_string(), "the longest reconnect delay is 1s, the least is the first delay, 2s");

        let fixed = Backoff::full_jitter(DELAY_MIN, DELAY_MIN).unwrap();
        assert_eq!(BackoffState::new().next_delay(&fixed, &mut Jitter::new(1)), DELAY_MIN);
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_gives_others() {
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            (0..4).map(|_| jitter.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(draw(42), draw(42));
        assert_ne!(draw(42), draw(43));
        assert_ne!(draw(42)[0], draw(42)[1]);
        // SplitMix64's published first outputs for the seed 1234567.
        assert_eq!(draw(1_234_567)[..2], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_eq!((Jitter::new(1).below(0), Jitter::new(1).below(1)), (0, 0));
    }
}
