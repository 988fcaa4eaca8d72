//! Reason codes of MQTT 5.0, and the return codes of 3.1 and 3.1.1 mapped onto them.

use core::fmt;

use crate::types::PacketType;

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// A reason code (section 2.4). Below 0x80 is success, 0x80 and above is failure.
        ///
        /// 0x00 is `Success`, `Normal disconnection` and `Granted QoS 0` alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $($(#[$doc])* $name = $value,)*
        }

        impl ReasonCode {
            /// All reason codes of MQTT 5.0, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code with this number, `None` if MQTT 5.0 does not define it.
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reason_codes! {
    /// Success, normal disconnection, or granted QoS 0.
    Success = 0x00, "success";
    /// Granted QoS 1.
    GrantedQoS1 = 0x01, "granted QoS 1";
    /// Granted QoS 2.
    GrantedQoS2 = 0x02, "granted QoS 2";
    /// The client ends the connection but wants its will published.
    DisconnectWithWill = 0x04, "disconnect with will message";
    /// Accepted, but nobody subscribes to it.
    NoMatchingSubscribers = 0x10, "no matching subscribers";
    /// There was no such subscription.
    NoSubscriptionExisted = 0x11, "no subscription existed";
    /// Authentication goes on.
    ContinueAuthentication = 0x18, "continue authentication";
    /// Start of a re-authentication.
    ReAuthenticate = 0x19, "re-authenticate";
    /// A failure without a closer description.
    UnspecifiedError = 0x80, "unspecified error";
    /// The packet breaks the format.
    MalformedPacket = 0x81, "malformed packet";
    /// The packet is out of place or breaks a rule.
    ProtocolError = 0x82, "protocol error";
    /// Valid, but not accepted by this implementation.
    ImplementationSpecificError = 0x83, "implementation specific error";
    /// The broker does not speak this protocol version.
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version";
    /// The client identifier is not allowed.
    ClientIdentifierNotValid = 0x85, "client identifier not valid";
    /// Wrong user name or password.
    BadUserNameOrPassword = 0x86, "bad user name or password";
    /// Not allowed.
    NotAuthorized = 0x87, "not authorized";
    /// The broker is not available.
    ServerUnavailable = 0x88, "server unavailable";
    /// The broker is busy.
    ServerBusy = 0x89, "server busy";
    /// This client is banned.
    Banned = 0x8A, "banned";
    /// The broker shuts down.
    ServerShuttingDown = 0x8B, "server shutting down";
    /// The authentication method is not supported or does not match.
    BadAuthenticationMethod = 0x8C, "bad authentication method";
    /// Nothing arrived for one and a half keep alive periods.
    KeepAliveTimeout = 0x8D, "keep alive timeout";
    /// Another connection uses this client identifier.
    SessionTakenOver = 0x8E, "session taken over";
    /// The topic filter is well formed but not accepted.
    TopicFilterInvalid = 0x8F, "topic filter invalid";
    /// The topic name is well formed but not accepted.
    TopicNameInvalid = 0x90, "topic name invalid";
    /// The packet identifier is in use already.
    PacketIdentifierInUse = 0x91, "packet identifier in use";
    /// The packet identifier is not known.
    PacketIdentifierNotFound = 0x92, "packet identifier not found";
    /// More unacknowledged publications than Receive Maximum allows.
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded";
    /// The topic alias is 0 or above the maximum.
    TopicAliasInvalid = 0x94, "topic alias invalid";
    /// The packet is larger than the receiver accepts.
    PacketTooLarge = 0x95, "packet too large";
    /// Too many messages in a time.
    MessageRateTooHigh = 0x96, "message rate too high";
    /// A limit that an implementation or an administrator set is exceeded.
    QuotaExceeded = 0x97, "quota exceeded";
    /// Closed by an administrator.
    AdministrativeAction = 0x98, "administrative action";
    /// The payload is not what its format indicator says.
    PayloadFormatInvalid = 0x99, "payload format invalid";
    /// The broker does not keep retained messages.
    RetainNotSupported = 0x9A, "retain not supported";
    /// The QoS is above the broker's maximum.
    QoSNotSupported = 0x9B, "QoS not supported";
    /// Use another server, for now.
    UseAnotherServer = 0x9C, "use another server";
    /// Use another server from now on.
    ServerMoved = 0x9D, "server moved";
    /// The broker has no shared subscriptions.
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported";
    /// Too many connections in a time.
    ConnectionRateExceeded = 0x9F, "connection rate exceeded";
    /// The connection lasted as long as it was allowed to.
    MaximumConnectTime = 0xA0, "maximum connect time";
    /// The broker has no subscription identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported";
    /// The broker has no wildcard subscriptions.
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported";
}

/// Who sent a packet; several reason codes are legal from one side only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Role {
    /// The side that opened the connection.
    Client,
    /// The side that accepted it.
    Server,
}

impl ReasonCode {
    /// The number on the wire.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether it reports a failure: 0x80 and above.
    pub const fn is_failure(self) -> bool {
        self.as_u8() >= 0x80
    }

    /// Whether `sender` may put this code into a packet of this type (the tables of chapter 3).
    pub fn is_allowed_in(self, packet: PacketType, sender: Role) -> bool {
        let code = self.as_u8();
        match packet {
            // [MQTT-3.2.2-8]
            PacketType::ConnAck => matches!(
                code,
                0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F
            ),
            // [MQTT-3.4.2-1] [MQTT-3.5.2-1]
            PacketType::PubAck | PacketType::PubRec => {
                matches!(code, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
            }
            // [MQTT-3.6.2-1] [MQTT-3.7.2-1]
            PacketType::PubRel | PacketType::PubComp => matches!(code, 0x00 | 0x92),
            // [MQTT-3.9.3-2]
            PacketType::SubAck => {
                matches!(code, 0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
            }
            // [MQTT-3.11.3-2]
            PacketType::UnsubAck => matches!(code, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
            // [MQTT-3.14.2-1]
            PacketType::Disconnect => match sender {
                Role::Client => {
                    matches!(code, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99)
                }
                Role::Server => {
                    matches!(code, 0x00 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0xA2)
                }
            },
            // [MQTT-3.15.2-1]
            PacketType::Auth => match sender {
                Role::Client => matches!(code, 0x18 | 0x19),
                Role::Server => matches!(code, 0x00 | 0x18),
            },
            _ => false,
        }
    }

    /// This code if `sender` may put it into a packet of this type, else `otherwise`.
    pub(crate) fn said_in(self, packet: PacketType, sender: Role, otherwise: Self) -> Self {
        if self.is_allowed_in(packet, sender) { self } else { otherwise }
    }

    /// What PUBACK or PUBREC can say of this reason: failures without a place there are unspecified.
    pub(crate) fn said_in_acknowledgement(self) -> Self {
        let otherwise = if self.is_failure() { Self::UnspecifiedError } else { Self::Success };
        self.said_in(PacketType::PubAck, Role::Client, otherwise)
    }

    /// The reason code for a CONNACK return code of MQTT 3.1 and 3.1.1 (0 to 5), `None` above.
    pub const fn from_connect_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1 that says this best.
    pub const fn as_connect_return_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::BadUserNameOrPassword | Self::BadAuthenticationMethod => 4,
            Self::NotAuthorized | Self::Banned => 5,
            _ => 3,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.text(), self.as_u8())
    }
}
