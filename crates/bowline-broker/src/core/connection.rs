//! One connection of the core: its engine, its decoder and the publications that wait for room elsewhere.

use std::collections::VecDeque;

use bowline_proto::codec::Decoder;
use bowline_proto::packet::Connect;
use bowline_proto::server::ServerEngine;
use bowline_proto::session::DeliveryId;
use bowline_proto::types::Text;
use bowline_proto::{Message, PacketId, QoS, ReasonCode, Version};

use crate::core::conduct::Conduct;
use crate::core::keys::SessionKey;
use crate::core::subscriptions::Target;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) engine: ServerEngine,
    pub(crate) decoder: Decoder,
    /// Who it is, once CONNECT has come.
    pub(crate) client_id: Text,
    /// Its session, from CONNACK to the end of the connection.
    pub(crate) session: Option<SessionKey>,
    /// How the client has behaved, from CONNACK on.
    pub(crate) conduct: Option<Conduct>,
    /// The packet identifier of the message that is being taken.
    pub(crate) arriving: Option<PacketId>,
    /// CONNECT, while the decision about it is asked for.
    pub(crate) undecided: Option<Box<Connect>>,
    /// Publications of this client that wait for room in the queue of another, oldest first. Those above QoS 0 are
    /// bounded like all that the broker has not acknowledged; of QoS 0 there is one at most, because reading pauses.
    pub(crate) blocked: VecDeque<Blocked>,
    /// Whether what waits may have room now.
    pub(crate) is_to_retry: bool,
    /// Whether it is to be polled.
    pub(crate) is_dirty: bool,
    /// Whether the transport is to be reset rather than closed.
    pub(crate) is_killed: bool,
    /// Whether the decoder's error was passed on.
    pub(crate) is_malformed: bool,
}

/// A publication that was not handed to everyone yet.
#[derive(Debug)]
pub(crate) struct Blocked {
    pub(crate) message: Message,
    /// `None` for QoS 0.
    pub(crate) receipt: Option<Receipt>,
    /// Who is left.
    pub(crate) targets: Vec<Target>,
    /// What the publisher is told in the end.
    pub(crate) answer: ReasonCode,
}

/// What a message of a client is acknowledged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) delivery: DeliveryId,
    /// The identifier that it came under.
    pub(crate) packet_id: PacketId,
}

impl Connection {
    pub(crate) fn new(engine: ServerEngine, packet_bytes_max: u32) -> Self {
        Self {
            engine,
            decoder: Decoder::for_server(packet_bytes_max),
            client_id: Text::EMPTY,
            session: None,
            conduct: None,
            arriving: None,
            undecided: None,
            blocked: VecDeque::new(),
            is_to_retry: false,
            is_dirty: false,
            is_killed: false,
            is_malformed: false,
        }
    }

    /// The version that the client speaks, once it has said so.
    pub(crate) const fn version(&self) -> Option<Version> {
        self.decoder.version()
    }

    /// Whether what waits is to be tried again, which is asked once.
    pub(crate) const fn take_retry(&mut self) -> bool {
        std::mem::replace(&mut self.is_to_retry, false)
    }

    /// Whether neither bytes nor packets are to be passed on. While publications above QoS 0 wait, reading goes on: the
    /// acknowledgements behind them may be what makes room.
    pub(crate) fn is_reading_paused(&self) -> bool {
        self.engine.is_reading_paused()
            || self.blocked.back().is_some_and(|blocked| blocked.message.qos == QoS::AtMostOnce)
    }
}
