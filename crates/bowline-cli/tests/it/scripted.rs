//! A broker that is played: for what brokers do that the one of this workspace would not. Speaks MQTT 5.0 on a free port and
//! decides nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bowline::proto::codec::{Decoder, Encoder, Outgoing};
use bowline::proto::packet::{Ack, ConnAck, Packet, Publish};
use bowline::proto::{ReasonCode, Role, Version};

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where clients connect to.
pub(crate) struct Scripted(TcpListener);

impl Scripted {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port"))
    }

    pub(crate) fn port(&self) -> String {
        self.0.local_addr().expect("it listens").port().to_string()
    }

    /// Drops connections that nobody has accepted: those of clients that are gone.
    pub(crate) fn forget_waiting(&self) {
        self.0.set_nonblocking(true).expect("it is a socket");
        while self.0.accept().is_ok() {}
    }

    /// A listener has no timeout of its own; a test that waits for nobody is to fail.
    fn next_client(&self) -> TcpStream {
        self.0.set_nonblocking(true).expect("it is a socket");
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("it is a socket");
                    return stream;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("no client connects: {error}"),
            }
        }
    }

    /// The next connection, with CONNECT answered: the session is there unless `has_lost_it`, or it is to be a new one.
    pub(crate) fn accept(&self, has_lost_it: bool) -> Connection {
        let stream = self.next_client();
        stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        let mut connection = Connection {
            stream,
            decoder: Decoder::for_server(u32::MAX),
            encoder: Encoder::new(Version::V5, Role::Server, u32::MAX),
        };
        let connect = match connection.next() {
            Some(Packet::Connect(connect)) => connect,
            other => panic!("CONNECT was expected: {other:?}"),
        };
        let session_present = Some(!connect.clean_start && !has_lost_it);
        let connack =
            ConnAck { session_present, reason: ReasonCode::Success, properties: Default::default() };
        connection.send(Packet::ConnAck(Box::new(connack)));
        connection
    }
}

/// One connection of a client. Dropped, it is closed.
pub(crate) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
    encoder: Encoder,
}

impl Connection {
    /// The next packet; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(packet) = self.decoder.next_packet().expect("the client sends legal packets") {
                return Some(packet);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.decoder.feed(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the client is silent: {error}"),
            }
        }
    }

    pub(crate) fn send(&mut self, packet: Packet) {
        let mut out = Outgoing::new();
        self.encoder.packet(&mut out, &packet).expect("the test's packet is legal");
        // A client that is gone is noticed when the next packet is read.
        _ = self.stream.write_all(&out.to_vec());
    }

    /// The next PUBLISH, everything before it answered.
    pub(crate) fn publish(&mut self) -> Publish {
        loop {
            match self.next() {
                Some(Packet::Publish(publish)) => return publish,
                Some(packet) => self.answer(&packet),
                None => panic!("PUBLISH was expected"),
            }
        }
    }

    /// Answers a packet as a broker does.
    pub(crate) fn answer(&mut self, packet: &Packet) {
        match packet {
            Packet::PingReq => self.send(Packet::PingResp),
            Packet::PubRel(ack) => self.send(Packet::PubComp(Ack::success(ack.packet_id))),
            Packet::Publish(publish) => match (publish.packet_id, publish.qos.as_u8()) {
                (Some(id), 1) => self.send(Packet::PubAck(Ack::success(id))),
                (Some(id), _) => self.send(Packet::PubRec(Ack::success(id))),
                (None, _) => {}
            },
            _ => {}
        }
    }

    /// Goes on as a broker does until the client is gone; the payloads of what it published.
    pub(crate) fn serve(mut self) -> Vec<String> {
        let mut payloads = Vec::new();
        while let Some(packet) = self.next() {
            if let Packet::Publish(publish) = &packet {
                payloads.push(String::from_utf8_lossy(&publish.payload).into_owned());
            }
            self.answer(&packet);
        }
        payloads
    }
}
