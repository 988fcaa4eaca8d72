//! One simulated connection: the server's engine, the two pipes, and the decoders at their ends.

use bowline_proto::codec::{Decoder, Outgoing};
use bowline_proto::packet::Packet;
use bowline_proto::server::{ServerConfig, ServerEngine, ServerInput, ServerOutput};
use bowline_proto::{Timestamp, Version};

use crate::link::{Arrival, Pipe};
use crate::pair::scenario::Direction;

/// A connection from the client's dialling until both ends are done with it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) engine: ServerEngine,
    pub(super) to_server: Pipe,
    pub(super) to_client: Pipe,
    /// Whether the server still has its end open.
    pub(super) server_is_open: bool,
    from_client: Decoder,
    /// What the client reads with.
    pub(super) from_server: Decoder,
    /// Look at what is sent, at the moment of sending.
    sent_by_client: Decoder,
    sent_by_server: Decoder,
    pub(super) until: Option<Timestamp>,
    /// The session that the connection has or had.
    pub(super) session: u64,
}

/// What the server does next.
#[derive(Debug)]
pub(super) enum ServerStep {
    Does(ServerOutput),
    /// It took something that had arrived.
    Reads,
    /// It has nothing to do and nothing has arrived.
    Rests,
}

impl Connection {
    pub(super) fn new(
        config: ServerConfig,
        version: Version,
        to_server: Pipe,
        to_client: Pipe,
        now: Timestamp,
    ) -> Self {
        Self {
            from_client: Decoder::for_server(config.packet_bytes_max),
            engine: ServerEngine::new(config, now).expect("the scenario's settings are legal"),
            to_server,
            to_client,
            server_is_open: true,
            from_server: Decoder::for_client(version, u32::MAX),
            sent_by_client: Decoder::for_server(u32::MAX),
            sent_by_server: Decoder::for_client(version, u32::MAX),
            until: None,
            session: 0,
        }
    }

    pub(super) const fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Puts what one end has written on its way; its packets, for those who watch.
    pub(super) fn send(&mut self, direction: Direction, buffer: &Outgoing, now: Timestamp) -> Vec<Packet> {
        let bytes = buffer.to_vec();
        self.pipe(direction).write(&bytes, now);
        let decoder = match direction {
            Direction::ToServer => &mut self.sent_by_client,
            Direction::ToClient => &mut self.sent_by_server,
        };
        decoder.feed(&bytes);
        let mut packets = Vec::new();
        while let Some(packet) = decoder.next_packet().expect("engines send legal packets") {
            packets.push(packet);
        }
        packets
    }

    /// Lets the server do one thing: what its engine asks for, or else take what has arrived. Packets that reach the
    /// engine are given to `watch`.
    pub(super) fn server_step(&mut self, now: Timestamp, watch: impl FnOnce(&Packet)) -> ServerStep {
        match self.engine.poll_output(now) {
            ServerOutput::Sleep { until } => self.until = until,
            output => return ServerStep::Does(output),
        }
        if !self.server_is_open || self.engine.is_reading_paused() {
            return ServerStep::Rests;
        }
        let input = match self.from_client.next_packet() {
            Ok(Some(packet)) => {
                watch(&packet);
                ServerInput::Packet(packet)
            }
            Err(error) if self.engine.state_name() != "Closing" => ServerInput::Malformed(error),
            Ok(None) | Err(_) => match self.to_server.poll(now) {
                Some(Arrival::Bytes(bytes)) => {
                    self.from_client.feed(&bytes);
                    return ServerStep::Reads;
                }
                Some(Arrival::End | Arrival::Cut) => ServerInput::Closed,
                None => return ServerStep::Rests,
            },
        };
        self.engine.handle_input(input, now);
        ServerStep::Reads
    }

    /// When something happens here next by itself.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        let reads = self.server_is_open && !self.engine.is_reading_paused();
        let arrives = self.to_server.next_at().filter(|_| reads);
        let until = self.until.filter(|_| self.server_is_open);
        [arrives, until].into_iter().flatten().min()
    }

    /// Whether the session is here.
    pub(super) fn has_session(&self) -> bool {
        self.engine.session().is_some()
    }

    /// Whether the server has nothing more to do with it.
    pub(super) fn is_over(&self) -> bool {
        !self.server_is_open && !self.has_session()
    }
}
