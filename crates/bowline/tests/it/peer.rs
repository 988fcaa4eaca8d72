//! The other end of a client's connection, played packet by packet over an in-memory stream. Owns no protocol decision.

use std::sync::Arc;
use std::time::Duration;

use bowline::proto::codec::{Decoder, Encoder, Outgoing};
use bowline::proto::packet::{ConnAck, ConnAckProperties, Connect, Packet, Publish, Subscribe};
use bowline::proto::{ReasonCode, Role};
use bowline::transport::{DuplexConnector, DuplexListener, Listener, Stream, in_process};
use bowline::{Builder, Client, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a test waits to see that nothing comes.
pub(crate) const SILENCE: Duration = Duration::from_millis(50);

/// A place that clients connect to, and where the test accepts them.
pub(crate) struct Harbour {
    connector: DuplexConnector,
    listener: DuplexListener,
}

impl Harbour {
    /// Streams hold this many bytes in each direction.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        let (connector, listener) = in_process("peer", capacity_bytes);
        Self { connector, listener }
    }

    /// What leads here.
    pub(crate) fn connector(&self) -> DuplexConnector {
        self.connector.clone()
    }

    /// A builder of clients that connect here.
    pub(crate) fn builder(&self, version: Version) -> Builder<Client> {
        Client::builder("mqtt://peer")
            .expect("a legal URL")
            .version(version)
            .connector(self.connector.clone())
    }

    /// The next transport that a client opens.
    pub(crate) async fn accept(&self, version: Version) -> Peer {
        let stream = within(self.listener.accept()).await.expect("a client connects");
        Peer::new(stream, version)
    }

    /// The next connection, with CONNECT answered.
    pub(crate) async fn connected(&self, version: Version) -> Peer {
        let mut peer = self.accept(version).await;
        peer.connect().await;
        peer.connack(false).await;
        peer
    }

    /// A client and its peer, connected.
    pub(crate) async fn pair(&self, builder: Builder<Client>, version: Version) -> (Client, Peer) {
        let (client, peer) = tokio::join!(builder.connect(), self.connected(version));
        (client.expect("the peer accepts"), peer)
    }
}

/// One connection of a client, seen from the broker's side.
pub(crate) struct Peer {
    stream: Stream,
    decoder: Decoder,
    encoder: Encoder,
}

impl Peer {
    pub(crate) fn new(stream: Stream, version: Version) -> Self {
        Self {
            stream,
            decoder: Decoder::for_server(u32::MAX),
            encoder: Encoder::new(version, Role::Server, u32::MAX),
        }
    }

    /// What it speaks.
    pub(crate) const fn version(&self) -> Version {
        self.encoder.version()
    }

    /// The next packet; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            if let Some(packet) = self.decoder.next_packet().expect("the client sends legal packets") {
                return Some(packet);
            }
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.feed(&bytes[..count]),
            }
        }
    }

    /// The next packet, which must come.
    pub(crate) async fn packet(&mut self) -> Packet {
        within(self.next()).await.expect("the client sends a packet")
    }

    pub(crate) async fn connect(&mut self) -> Connect {
        match self.packet().await {
            Packet::Connect(connect) => *connect,
            other => panic!("CONNECT was expected: {other:?}"),
        }
    }

    pub(crate) async fn publish(&mut self) -> Publish {
        match self.packet().await {
            Packet::Publish(publish) => publish,
            other => panic!("PUBLISH was expected: {other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self) -> Subscribe {
        match self.packet().await {
            Packet::Subscribe(subscribe) => *subscribe,
            other => panic!("SUBSCRIBE was expected: {other:?}"),
        }
    }

    /// DISCONNECT, and then the end of the stream.
    pub(crate) async fn disconnected(&mut self) {
        assert!(matches!(self.packet().await, Packet::Disconnect(_)));
        assert_eq!(within(self.next()).await, None);
    }

    /// Nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) {
        if let Ok(packet) = timeout(SILENCE, self.next()).await {
            panic!("nothing was expected: {packet:?}");
        }
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        let bytes = self.encode(&[packet]);
        within(self.stream.write_all(&bytes)).await.expect("the client reads");
    }

    /// Sends what need not be a packet.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.expect("the client reads");
    }

    /// Sends without an end in sight; how it ended.
    pub(crate) async fn send_all(&mut self, packets: &[Packet]) -> std::io::Result<()> {
        let bytes = self.encode(packets);
        self.stream.write_all(&bytes).await
    }

    fn encode(&self, packets: &[Packet]) -> Vec<u8> {
        let mut out = Outgoing::new();
        for packet in packets {
            self.encoder.packet(&mut out, packet).expect("the test's packet is legal");
        }
        out.to_vec()
    }

    /// Accepts the connection.
    pub(crate) async fn connack(&mut self, session_present: bool) {
        self.connack_with(session_present, ReasonCode::Success, ConnAckProperties::default()).await;
    }

    pub(crate) async fn connack_with(
        &mut self,
        session_present: bool,
        reason: ReasonCode,
        properties: ConnAckProperties,
    ) {
        let version = self.encoder.version();
        let session_present = version.rules().has_session_present.then_some(session_present);
        self.send(Packet::ConnAck(Box::new(ConnAck { session_present, reason, properties }))).await;
    }

    /// Both directions at once, for peers that read and write at the same time.
    pub(crate) fn split(self) -> (PeerReader, PeerWriter) {
        let (reader, writer) = tokio::io::split(self.stream);
        let reader = PeerReader { stream: reader, decoder: self.decoder };
        (reader, PeerWriter { stream: Arc::new(Mutex::new(writer)), encoder: self.encoder })
    }
}

/// The reading half of a [`Peer`].
pub(crate) struct PeerReader {
    stream: tokio::io::ReadHalf<Stream>,
    decoder: Decoder,
}

impl PeerReader {
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            if let Some(packet) = self.decoder.next_packet().expect("the client sends legal packets") {
                return Some(packet);
            }
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.feed(&bytes[..count]),
            }
        }
    }
}

/// The writing half of a [`Peer`]. Clones write whole packets to the same stream.
#[derive(Clone)]
pub(crate) struct PeerWriter {
    stream: Arc<Mutex<tokio::io::WriteHalf<Stream>>>,
    encoder: Encoder,
}

impl PeerWriter {
    pub(crate) async fn send(&mut self, packet: Packet) -> std::io::Result<()> {
        let mut out = Outgoing::new();
        self.encoder.packet(&mut out, &packet).expect("the test's packet is legal");
        self.stream.lock().await.write_all(&out.to_vec()).await
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(future: impl IntoFuture<Output = T>) -> T {
    timeout(PATIENCE, future.into_future()).await.expect("it comes within the test's patience")
}
