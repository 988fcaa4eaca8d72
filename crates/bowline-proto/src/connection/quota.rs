//! The send quota: how many QoS 1 and 2 messages may be unanswered. Knows no packet identifiers and no flows.

/// The send quota of one connection (section 4.9): it starts at the peer's Receive Maximum, every PUBLISH with a QoS
/// above 0 takes one unit, and PUBACK, PUBCOMP or a failing PUBREC gives it back.
///
/// Other packets need no unit and go on at quota zero [MQTT-4.9.0-3]. A resumed PUBREL stands for a message that the
/// peer counts already, so it takes a unit even where none is left, and the count may go below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    maximum: u16,
    available: i32,
}

impl Quota {
    /// The quota at the start of a connection whose peer announced `receive_maximum`.
    ///
    /// The protocol has no Receive Maximum of 0 (decoders refuse it); with 0 nothing could ever be taken.
    pub fn new(receive_maximum: u16) -> Self {
        // [MQTT-4.9.0-1]
        Self { maximum: receive_maximum, available: i32::from(receive_maximum) }
    }

    /// Whether at least one unit is left.
    pub const fn is_free(&self) -> bool {
        self.available > 0
    }

    /// Takes a unit for a PUBLISH, new or resent; `false` and nothing taken if none is left.
    #[must_use = "a PUBLISH without a unit must not be sent"]
    pub const fn try_take(&mut self) -> bool {
        // [MQTT-4.9.0-2]
        if self.is_free() {
            self.available -= 1;
            return true;
        }
        false
    }

    /// Takes a unit for a resumed PUBREL, which is sent at once whatever is left: the count may go below zero.
    pub const fn take_over_limit(&mut self) {
        // [MQTT-4.9.0-3]
        self.available = self.available.saturating_sub(1);
    }

    /// Gives a unit back. Without effect when none is taken, so that a peer's surplus answers raise nothing.
    pub fn give_back(&mut self) {
        // [MQTT-4.9.0-2]
        if self.available < i32::from(self.maximum) {
            self.available += 1;
        }
    }

    /// Units left; below zero after more resumed PUBRELs than Receive Maximum.
    pub const fn available(&self) -> i32 {
        self.available
    }

    /// The start value: the peer's Receive Maximum.
    pub const fn maximum(&self) -> u16 {
        self.maximum
    }

    /// Units taken.
    pub fn in_use(&self) -> u32 {
        i32::from(self.maximum).abs_diff(self.available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [MQTT-4.9.0-1]
    #[test]
    fn the_quota_starts_at_receive_maximum() {
        let quota = Quota::new(65_535);
        assert_eq!((quota.available(), quota.maximum(), quota.in_use()), (65_535, 65_535, 0));
        assert!(quota.is_free());
    }

    // [MQTT-4.9.0-2]
    #[test]
    fn no_unit_can_be_taken_at_zero_until_one_is_given_back() {
        let mut quota = Quota::new(2);
        assert!(quota.try_take());
        assert!(quota.try_take());
        assert!(!quota.is_free());
        assert!(!quota.try_take());
        assert_eq!((quota.available(), quota.in_use()), (0, 2));

        quota.give_back();
        assert!(quota.try_take());
        assert!(!quota.try_take());
    }

    // [MQTT-4.9.0-2]
    #[test]
    fn surplus_answers_do_not_raise_the_quota_above_its_start() {
        let mut quota = Quota::new(1);
        quota.give_back();
        assert_eq!(quota.available(), 1);
        assert!(quota.try_take());
        quota.give_back();
        quota.give_back();
        assert_eq!((quota.available(), quota.in_use()), (1, 0));
    }

    // [MQTT-4.9.0-3]
    #[test]
    fn resumed_pubrels_go_below_zero_and_must_all_be_answered_before_a_publish() {
        let mut quota = Quota::new(1);
        for _ in 0..3 {
            quota.take_over_limit();
        }
        assert_eq!((quota.available(), quota.in_use()), (-2, 3));

        quota.give_back();
        quota.give_back();
        assert!(!quota.try_take());
        quota.give_back();
        assert!(quota.try_take());
    }
}
