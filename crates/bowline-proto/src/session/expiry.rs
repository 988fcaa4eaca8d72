//! Message expiry: from an interval to a deadline and back to what is left of it. Knows no clock.

use core::time::Duration;

use crate::rules::Rules;
use crate::time::Timestamp;

/// What to say of an expiry interval: what is left of it, rounded up; 1 once it has passed, because 0 would mean something
/// else. Versions without properties say nothing.
// [MQTT-3.3.2-6]
pub(crate) fn remaining_secs(rules: &Rules, deadline: Option<Timestamp>, now: Timestamp) -> Option<u32> {
    let left = deadline.filter(|_| rules.has_properties)?.saturating_since(now);
    let secs = left.as_secs() + u64::from(left > Duration::from_secs(left.as_secs()));
    Some(u32::try_from(secs).unwrap_or(u32::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    // [MQTT-3.3.2-6]
    #[test]
    fn what_is_left_is_rounded_up_and_never_zero() {
        let left = |deadline, now| remaining_secs(Version::V5.rules(), deadline, now);
        let deadline = Some(Timestamp::from_secs(10));
        assert_eq!(left(None, Timestamp::ZERO), None);
        assert_eq!(left(deadline, Timestamp::ZERO), Some(10));
        assert_eq!(left(deadline, Timestamp::from_micros(1)), Some(10));
        assert_eq!(left(deadline, Timestamp::from_micros(9_999_999)), Some(1));
        assert_eq!(left(deadline, Timestamp::from_secs(11)), Some(1));
        assert_eq!(left(Some(Timestamp::MAX), Timestamp::ZERO), Some(u32::MAX));
    }

    #[test]
    fn versions_without_properties_say_nothing_of_expiry() {
        let deadline = Some(Timestamp::from_secs(10));
        assert_eq!(remaining_secs(Version::V3_1_1.rules(), deadline, Timestamp::ZERO), None);
    }
}
