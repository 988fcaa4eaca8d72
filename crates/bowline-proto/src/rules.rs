//! What differs between the versions, as a table of named facts. Code asks for the fact, never for the version.

use crate::version::Version;

/// The facts of one version that decisions outside the codec depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// The version these facts describe.
    pub version: Version,
    /// Most bytes of a client identifier that every broker takes; `None` where the string limit is the only one.
    pub client_id_bytes_max: Option<usize>,
    /// Whether an empty client identifier is legal with a clean session, and whether without one.
    pub empty_client_id: EmptyClientId,
    /// Whether a password may be sent without a user name [MQTT-3.1.2-22 of 3.1.1].
    pub password_needs_user_name: bool,
    /// Whether CONNACK says if the session was kept. 3.1 does not: the session is then treated as resumed.
    pub has_session_present: bool,
    /// Whether CONNECT can start anew and keep the session afterwards in one step.
    pub can_clean_start_then_keep: bool,
    /// Whether the packets carry properties, and with them limits, aliases and Subscription Identifiers.
    pub has_properties: bool,
    /// Whether acknowledgements carry a reason code, so that an error or an unknown identifier can be told.
    pub has_ack_reasons: bool,
    /// Whether UNSUBACK has one reason code per filter.
    pub has_unsuback_reasons: bool,
    /// Whether the broker may send DISCONNECT, and a client may say why it closes.
    pub has_disconnect_reason: bool,
    /// Whether a packet may be sent again on a timer while the connection lasts. 5.0 forbids it [MQTT-4.4.0-1].
    pub may_retry_on_timer: bool,
    /// Whether that holds for SUBSCRIBE and UNSUBSCRIBE too: only 3.1 has them sent again.
    pub may_retry_requests: bool,
    /// Whether a resent PUBREL, SUBSCRIBE or UNSUBSCRIBE has the DUP flag.
    pub pubrel_carries_dup: bool,
    /// Whether an incoming QoS 0 PUBLISH with DUP is a violation [MQTT-3.3.1-2].
    pub qos0_dup_is_error: bool,
    /// Whether a PUBACK may end a QoS 2 flow: brokers of the older versions that lack QoS 2 do that.
    pub puback_may_end_qos2: bool,
}

/// When a client may leave its identifier empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmptyClientId {
    /// Never (3.1).
    Never,
    /// Only with a clean session [MQTT-3.1.3-7 of 3.1.1].
    WithCleanSession,
    /// Always; the broker assigns one and says which (5.0).
    Always,
}

const V3_1: Rules = Rules {
    version: Version::V3_1,
    client_id_bytes_max: Some(23),
    empty_client_id: EmptyClientId::Never,
    password_needs_user_name: true,
    has_session_present: false,
    can_clean_start_then_keep: false,
    has_properties: false,
    has_ack_reasons: false,
    has_unsuback_reasons: false,
    has_disconnect_reason: false,
    may_retry_on_timer: true,
    may_retry_requests: true,
    pubrel_carries_dup: true,
    qos0_dup_is_error: false,
    puback_may_end_qos2: true,
};

const V3_1_1: Rules = Rules {
    version: Version::V3_1_1,
    client_id_bytes_max: None,
    empty_client_id: EmptyClientId::WithCleanSession,
    has_session_present: true,
    may_retry_requests: false,
    pubrel_carries_dup: false,
    qos0_dup_is_error: true,
    ..V3_1
};

const V5: Rules = Rules {
    version: Version::V5,
    empty_client_id: EmptyClientId::Always,
    password_needs_user_name: false,
    can_clean_start_then_keep: true,
    has_properties: true,
    has_ack_reasons: true,
    has_unsuback_reasons: true,
    has_disconnect_reason: true,
    may_retry_on_timer: false,
    puback_may_end_qos2: false,
    ..V3_1_1
};

/// The version to answer a CONNECT in that names an unknown protocol level: one that is newer than all we know has the
/// shape of the newest, anything else that of 3.1.1.
pub(crate) const fn version_to_refuse_in(level: u8) -> Version {
    if level > Version::V5.level() { Version::V5 } else { Version::V3_1_1 }
}

impl Version {
    /// The facts of this version.
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::V3_1 => &V3_1,
            Self::V3_1_1 => &V3_1_1,
            Self::V5 => &V5,
        }
    }
}
