//! What is asked for with a topic filter: subscription options and Subscription Identifiers.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::types::QoS;
use crate::types::varint::VARINT_MAX;

/// The options of one subscription (section 3.8.3.1). MQTT 3.1 and 3.1.1 have only `qos`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SubscriptionOptions {
    /// The highest QoS at which the broker may send matching messages.
    pub qos: QoS,
    /// Whether the broker leaves out what this client published itself. MQTT 5.0 only, not with shared
    /// subscriptions [MQTT-3.8.3-4].
    // [MQTT-3.8.3-3]
    pub no_local: bool,
    /// Whether the RETAIN flag arrives as it was published. MQTT 5.0 only.
    pub retain_as_published: bool,
    /// When retained messages are sent. MQTT 5.0 only.
    // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// Options with this QoS and everything else as in MQTT 3.1.1.
    pub const fn new(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::OnSubscribe,
        }
    }

    /// Whether any option is set that only MQTT 5.0 can express.
    pub fn needs_version_5(&self) -> bool {
        *self != Self::new(self.qos)
    }
}

/// When the broker sends retained messages for a subscription (section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has exactly three")]
pub enum RetainHandling {
    /// At every SUBSCRIBE [MQTT-3.3.1-9].
    #[default]
    OnSubscribe = 0,
    /// Only if the subscription did not exist yet [MQTT-3.3.1-10].
    OnNewSubscription = 1,
    /// Never [MQTT-3.3.1-11].
    Never = 2,
}

impl RetainHandling {
    /// The handling with this number, `None` for 3 and above.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::OnSubscribe),
            1 => Some(Self::OnNewSubscription),
            2 => Some(Self::Never),
            _ => None,
        }
    }
}

/// A Subscription Identifier: 1 to 268,435,455 (section 3.8.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(NonZeroU32);

impl SubscriptionId {
    /// The identifier with this number, `None` for 0 and above 268,435,455.
    pub const fn new(value: u32) -> Option<Self> {
        if value > VARINT_MAX {
            return None;
        }
        match NonZeroU32::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number.
    pub const fn as_u32(self) -> u32 {
        self.0.get()
    }
}

/// The Subscription Identifiers of a received PUBLISH, in the order of the packet [MQTT-3.3.4-4].
///
/// One is the common case and needs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionIds {
    first: Option<SubscriptionId>,
    rest: Vec<SubscriptionId>,
}

impl SubscriptionIds {
    /// None.
    pub const fn new() -> Self {
        Self { first: None, rest: Vec::new() }
    }

    /// Adds one at the end.
    pub fn push(&mut self, id: SubscriptionId) {
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.rest.push(id),
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.first.into_iter().chain(self.rest.iter().copied())
    }
}

impl FromIterator<SubscriptionId> for SubscriptionIds {
    fn from_iter<I: IntoIterator<Item = SubscriptionId>>(ids: I) -> Self {
        let mut all = Self::new();
        for id in ids {
            all.push(id);
        }
        all
    }
}
