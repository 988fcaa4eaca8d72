//! A client that a test plays over a real stream, packet by packet. Owns no protocol decision.

use std::collections::VecDeque;
use std::time::Duration;

use bowline_broker::Broker;
use bowline_proto::codec::{Decoder, Encoder, Outgoing};
use bowline_proto::packet::{Ack, Connect, Packet, Publish};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{QoS, Role, Version};
use bowline_transport::{Connector, Endpoint, Stream, TcpConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{clean, subscribe};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// One end of a connection.
pub(crate) struct Line {
    pub(crate) stream: Stream,
    encoder: Encoder,
    decoder: Decoder,
    got: VecDeque<Packet>,
}

impl Line {
    /// Opens a TCP connection to a broker, and says nothing yet.
    pub(crate) async fn tcp(broker: &Broker, version: Version) -> Self {
        let address = broker.address().expect("the broker listens on TCP");
        let endpoint = Endpoint::tcp(&address.ip().to_string(), address.port()).expect("an address");
        Self::new(TcpConnector::new().connect(&endpoint).await.expect("the broker accepts"), version)
    }

    /// Opens a connection inside the process, and says nothing yet.
    pub(crate) async fn inside(broker: &Broker, version: Version) -> Self {
        let endpoint = Endpoint::tcp("ignored", 1883).expect("an address");
        Self::new(broker.connector().connect(&endpoint).await.expect("the broker accepts"), version)
    }

    fn new(stream: Stream, version: Version) -> Self {
        Self {
            stream,
            encoder: Encoder::new(version, Role::Client, u32::MAX),
            decoder: Decoder::for_client(version, u32::MAX),
            got: VecDeque::new(),
        }
    }

    /// Says CONNECT and returns what the broker answers.
    pub(crate) async fn ask(&mut self, connect: Connect) -> Option<Packet> {
        self.send(&[Packet::Connect(Box::new(connect))]).await;
        self.next().await
    }

    /// Connects with a session that ends with the connection.
    pub(crate) async fn log_in(mut self, client_id: &str) -> Self {
        let answer = self.ask(clean(self.encoder.version(), client_id)).await;
        match answer {
            Some(Packet::ConnAck(connack)) if !connack.reason.is_failure() => self,
            other => panic!("the client was not accepted: {other:?}"),
        }
    }

    /// Subscribes and waits for the answer.
    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.send(&[subscribe(&[(filter, SubscriptionOptions::new(qos))], None)]).await;
        let answer = self.next().await;
        assert!(matches!(answer, Some(Packet::SubAck(_))), "{answer:?} instead of SUBACK");
    }

    /// Writes packets.
    pub(crate) async fn send(&mut self, packets: &[Packet]) {
        let bytes = self.encode(packets);
        self.stream.write_all(&bytes).await.expect("the broker reads");
    }

    /// The bytes of packets.
    pub(crate) fn encode(&self, packets: &[Packet]) -> Vec<u8> {
        let mut out = Outgoing::new();
        for packet in packets {
            self.encoder.packet(&mut out, packet).expect("the test's packet is legal");
        }
        out.to_vec()
    }

    /// The next packet, `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the broker answers in time")
    }

    /// The next message, acknowledged; what else comes is left out.
    pub(crate) async fn message(&mut self) -> Publish {
        loop {
            match self.next().await.expect("a message and not the end") {
                Packet::Publish(publish) => {
                    let answer = publish.packet_id.map(Ack::success).map(|ack| match publish.qos {
                        QoS::ExactlyOnce => Packet::PubRec(ack),
                        _ => Packet::PubAck(ack),
                    });
                    if let Some(answer) = answer {
                        self.send(&[answer]).await;
                    }
                    return publish;
                }
                Packet::PubRel(ack) => self.send(&[Packet::PubComp(Ack::success(ack.packet_id))]).await,
                _ => {}
            }
        }
    }

    async fn read(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.got.pop_front() {
                return Some(packet);
            }
            let mut bytes = vec![0; 64 * 1024];
            let count = self.stream.read(&mut bytes).await.ok()?;
            if count == 0 {
                return None;
            }
            self.decoder.feed(&bytes[..count]);
            while let Some(packet) = self.decoder.next_packet().expect("the broker sends legal packets") {
                self.got.push_back(packet);
            }
        }
    }
}
