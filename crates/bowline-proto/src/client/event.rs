//! What the engine tells the application, through the driver.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::codec::EncodeError;
use crate::connection::{LimitError, Limits};
use crate::error::ProtocolError;
use crate::packet::{AckProperties, ConnAck, Disconnect};
use crate::reason::ReasonCode;
use crate::routing::StreamId;
use crate::session::{DeliveryId, KeyState, PublicationId, StreamSet};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS, SubscriptionIds, Text, TopicFilter, TopicName};
use crate::version::Version;

/// Names one subscribe or unsubscribe request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(crate) u64);

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is usable.
    Connected(Box<Connected>),
    /// The connection, or the attempt to make one, is over.
    Disconnected(Box<DisconnectCause>),
    /// The next attempt comes after this delay.
    Reconnecting {
        /// Which attempt in a row it will be, from 1.
        attempt: u32,
        /// How long until then.
        delay: Duration,
    },
    /// The server has sent us elsewhere, and the next attempt goes there at once.
    Redirected {
        /// What it named: usually a host, or a host and a port; several are divided by spaces.
        reference: Text,
        /// Whether it is moved for good.
        is_permanent: bool,
    },
    /// The broker does not take this version of MQTT, and another one is tried at once
    /// ([`VersionFallback`](crate::client::VersionFallback)).
    VersionRefused {
        /// The version that it refused.
        refused: Version,
        /// The one that is tried.
        next: Version,
    },
    /// There will be no further attempt until [`connect`](crate::client::ClientEngine::connect) is called.
    Stopped,
    /// The broker does not have the session (any more) that we had.
    SessionLost {
        /// QoS 1 and never-sent publications, and QoS 2 ones for which that was chosen, that are published again as new ones.
        requeued: usize,
        /// QoS 2 publications whose outcome is unknown.
        indeterminate: usize,
    },
    /// Each time this publication was sent the broker closed the connection, the last time with nothing else unanswered. It
    /// is not sent again; its end is told as [`Outcome::Poison`].
    Poison {
        /// Which.
        publication: PublicationId,
        /// Its topic.
        topic: TopicName,
        /// Its QoS.
        qos: QoS,
        /// How many connections the broker closed over it.
        closes: u32,
    },
    /// A message for one or several streams, or for nobody: then it is held, or counted and gone.
    Message(Delivery),
    /// A stream is full and a QoS 0 message was dropped for it.
    Qos0Dropped {
        /// Which stream.
        stream: StreamId,
        /// Which message: the one that has just arrived, or the oldest that the stream has not taken, which the
        /// driver takes out. The one that arrived follows in the latter case.
        which: Qos0Dropped,
    },
    /// A durable session: the publication is stored (B1).
    PublishAccepted(PublicationId),
    /// A publication has ended. Every accepted QoS 1 and 2 publication ends exactly once.
    PublishEnded {
        /// Which.
        publication: PublicationId,
        /// How.
        outcome: Outcome,
    },
    /// SUBACK has come for all filters of a request.
    Subscribed {
        /// Which request.
        operation: OperationId,
        /// One reason code per filter, in the order of the request. `UnspecifiedError` also for one that was unsubscribed
        /// before it was answered, and is not asked for a second time.
        results: Vec<(TopicFilter, ReasonCode)>,
        /// What the broker said besides; of the last SUBACK if there were several.
        properties: Box<AckProperties>,
    },
    /// UNSUBACK has come for all filters of a request.
    Unsubscribed {
        /// Which request.
        operation: OperationId,
        /// One reason code per filter, in the order of the request; success where the version has no codes.
        results: Vec<(TopicFilter, ReasonCode)>,
        /// What the broker said besides.
        properties: Box<AckProperties>,
    },
    /// A message is first in the order of acknowledgements and has not been taken for
    /// [`stall_after`](crate::client::ClientConfig::stall_after): all later ones of its QoS wait for it. Told once per
    /// message.
    Stalled {
        /// Which message.
        delivery: DeliveryId,
        /// The streams that have not taken it; [`UNROUTED`](crate::client::UNROUTED) if it waits for nobody yet.
        streams: StreamSet,
        /// The topic of the message.
        topic: TopicName,
        /// A filter of theirs that it matches, if there is one.
        filter: Option<TopicFilter>,
        /// How many acknowledgements wait, its own included.
        held: usize,
        /// Since when.
        since: Timestamp,
    },
    /// The filter that a message matched is unsubscribed: the driver takes it out of the stream, and it is acknowledged
    /// without having been taken.
    Withdrawn {
        /// Out of which stream.
        stream: StreamId,
        /// Which message.
        delivery: DeliveryId,
    },
    /// A stream has lost its last filter.
    StreamEnded {
        /// Which.
        stream: StreamId,
        /// Why.
        reason: StreamEnd,
    },
    /// A durable session: the acknowledgement of a QoS 2 message is stored; it will not be handed out again (B4).
    AcknowledgementStored(DeliveryId),
    /// A message was refused, but this version can only acknowledge (rule 13 of the inbound rules).
    RefusalNotTold {
        /// Which message.
        delivery: DeliveryId,
        /// What would have been said.
        reason: ReasonCode,
    },
    /// The session store failed: durable publications are refused and acknowledgements wait until it works again.
    StoreFailed,
}

/// Which QoS 0 message a full stream lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a queue has two ends")]
pub enum Qos0Dropped {
    /// The one that arrived.
    Newest,
    /// The one that waited longest.
    Oldest,
}

/// A received message on its way to the application.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "to be taken apart by the driver")]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The DUP flag.
    pub dup: bool,
    /// Names it until it is acknowledged; `None` for QoS 0.
    pub delivery: Option<DeliveryId>,
    /// The packet identifier it came with, for logs; `None` for QoS 0.
    pub packet_id: Option<PacketId>,
    /// The streams that want it, each of which has to take it.
    pub streams: StreamSet,
    /// Its Subscription Identifiers.
    pub subscription_ids: SubscriptionIds,
}

/// A usable connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connected {
    /// Whether the broker resumed our session. 3.1 cannot say; the session is then treated as resumed.
    pub session_present: Option<bool>,
    /// What both sides granted.
    pub limits: Limits,
    /// The whole CONNACK.
    pub connack: ConnAck,
}

/// Why a connection, or an attempt, is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectCause {
    /// The caller asked for it.
    Requested,
    /// The transport could not be opened.
    DialFailed,
    /// Neither transport nor CONNACK within the connect timeout.
    ConnectTimeout,
    /// The broker refused; the CONNACK says why.
    Refused(Box<ConnAck>),
    /// The broker sent DISCONNECT.
    ByBroker(Box<Disconnect>),
    /// The stream ended before CONNACK came: how some brokers refuse.
    ClosedBeforeConnack,
    /// CONNECT cannot be written as configured.
    ConnectNotEncoded(EncodeError),
    /// The stream ended without a DISCONNECT.
    ClosedByPeer,
    /// The transport failed.
    TransportFailed,
    /// The broker broke the protocol.
    Protocol(ProtocolError),
    /// No sign of life after a PINGREQ.
    PingTimeout,
    /// More was received and not acknowledged than `InboundLimits` allows.
    InboundOverflow {
        /// Messages held.
        messages: usize,
        /// Bytes held.
        bytes: usize,
    },
    /// The peer makes us answer and does not read the answers.
    OutputOverflow {
        /// Bytes that wait to be written.
        bytes: usize,
    },
}

impl DisconnectCause {
    /// Whether the broker may have closed a connection because of what we sent on it. A lost link, a silent peer and our own
    /// decisions say nothing about what was sent, nor do reasons of the broker's that name something else.
    pub(crate) fn may_blame_what_was_sent(&self) -> bool {
        match self {
            Self::ClosedByPeer => true,
            Self::ByBroker(disconnect) => matches!(
                disconnect.reason,
                ReasonCode::UnspecifiedError
                    | ReasonCode::MalformedPacket
                    | ReasonCode::ProtocolError
                    | ReasonCode::ImplementationSpecificError
                    | ReasonCode::NotAuthorized
                    | ReasonCode::TopicNameInvalid
                    | ReasonCode::ReceiveMaximumExceeded
                    | ReasonCode::TopicAliasInvalid
                    | ReasonCode::PacketTooLarge
                    | ReasonCode::QuotaExceeded
                    | ReasonCode::PayloadFormatInvalid
                    | ReasonCode::RetainNotSupported
                    | ReasonCode::QoSNotSupported
            ),
            _ => false,
        }
    }
}

impl fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("disconnected on request"),
            Self::DialFailed => f.write_str("the transport could not be opened"),
            Self::ConnectTimeout => f.write_str(
                "no CONNACK within the connect timeout: check that an MQTT broker listens there, or raise the timeout",
            ),
            Self::Refused(connack) => write!(f, "the broker refused the connection: {}", connack.reason),
            Self::ByBroker(disconnect) => write!(f, "the broker disconnected: {}", disconnect.reason),
            Self::ClosedBeforeConnack => {
                f.write_str("the broker closed the connection instead of sending CONNACK")
            }
            Self::ConnectNotEncoded(error) => write!(f, "CONNECT cannot be written: {error}"),
            Self::ClosedByPeer => f.write_str("the broker closed the connection without a reason"),
            Self::TransportFailed => f.write_str("the transport failed"),
            Self::Protocol(error) => error.fmt(f),
            Self::PingTimeout => f.write_str("nothing arrived after a PINGREQ within the ping timeout"),
            Self::InboundOverflow { messages, bytes } => {
                write!(
                    f,
                    "{messages} received messages of {bytes} bytes are not acknowledged, over the inbound limit"
                )
            }
            Self::OutputOverflow { bytes } => {
                write!(f, "the broker does not read: {bytes} bytes of answers wait to be written")
            }
        }
    }
}

/// How a publication ended.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The broker has it. Before 5.0 that does not mean that it may be published: a broker cannot refuse, and takes and
    /// drops it instead.
    // [MQTT-3.3.5-2 of 3.1.1]
    Acknowledged {
        /// Below 0x80.
        reason: ReasonCode,
        /// What the broker said besides.
        properties: Option<Box<AckProperties>>,
        /// A QoS 2 publication that the broker treated as QoS 1.
        downgraded: bool,
    },
    /// The broker refused it.
    Rejected {
        /// 0x80 and above.
        reason: ReasonCode,
        /// What the broker said besides.
        properties: Option<Box<AckProperties>>,
    },
    /// It waited until a connection whose limits forbid it; it was never sent on this one.
    Forbidden {
        /// The message.
        message: Message,
        /// The limit.
        limit: LimitError,
    },
    /// Its expiry interval passed before it could be sent.
    Expired {
        /// The message.
        message: Message,
    },
    /// The limits of the send queue had it dropped before it was sent.
    Dropped {
        /// The message.
        message: Message,
        /// Which limit.
        why: DropReason,
    },
    /// It was cancelled before it was sent.
    Cancelled {
        /// The message.
        message: Message,
    },
    /// The client ended before it was sent.
    NotSent {
        /// The message.
        message: Message,
    },
    /// The client ended; the durable session goes on with it later.
    Stored,
    /// It was sent and the session was lost, or the client ended, before the broker's last word: the broker may or may
    /// not have it.
    Indeterminate {
        /// The limit of the new connection that keeps it from being sent again, if that is why.
        limit: Option<LimitError>,
    },
    /// Each time it was sent the broker closed the connection, the last time with nothing else unanswered. It is not sent
    /// again; the broker may or may not have it.
    Poison {
        /// How many connections the broker closed over it.
        closes: u32,
    },
    /// It could not be stored, and was not sent.
    StoreFailed {
        /// The message.
        message: Message,
    },
    /// Its key is that of an earlier publication: it was not accepted.
    KeyKnown {
        /// The message.
        message: Message,
        /// What became of the earlier one; never [`KeyState::Unknown`].
        state: KeyState,
    },
}

/// Why a publication was dropped from the send queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It waited longer than [`queue_age_max`](crate::client::ClientConfig::queue_age_max).
    TooOld,
    /// It waited longest when the queue was full ([`OnFull::DropOldest`](crate::client::OnFull::DropOldest)).
    Oldest,
    /// It came when the queue was full ([`OnFull::DropNewest`](crate::client::OnFull::DropNewest)).
    Newest,
    /// A newer one of its topic came
    /// ([`OnFull::KeepLastPerTopic`](crate::client::OnFull::KeepLastPerTopic)).
    Replaced,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooOld => "it waited too long",
            Self::Oldest => "it waited longest when the send queue was full",
            Self::Newest => "it came when the send queue was full",
            Self::Replaced => "a newer one of its topic came",
        })
    }
}

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// All its filters were unsubscribed.
    Unsubscribed,
    /// The broker refused all its filters; the last reason.
    Refused(ReasonCode),
}
