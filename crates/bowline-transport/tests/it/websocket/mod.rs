//! WebSocket, client and server side: handshakes good and bad, frames written by hand, and our two sides against each other.

mod answers;
mod control;
mod frames;
mod handshakes;
mod wire;

use std::time::Duration;

use bowline_transport::{
    Connector, DuplexConnector, DuplexListener, Endpoint, Listener, Stream, SubProtocol, WebSocket,
    WebSocketAcceptor, WebSocketConnector, in_process,
};
use tokio::time::timeout;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// A place in memory where the test accepts what a client connects to.
struct Place {
    connector: DuplexConnector,
    listener: DuplexListener,
}

impl Place {
    fn new(capacity_bytes: usize) -> Self {
        let (connector, listener) = in_process("web", capacity_bytes);
        Self { connector, listener }
    }

    /// What a client with these options gets of a server that is played by hand and answers with these bytes, and that server.
    async fn opened(&self, options: WebSocket, after_answer: &[u8]) -> (Stream, Stream) {
        let connector = WebSocketConnector::new(self.connector.clone(), options);
        let endpoint = endpoint("ws://broker.example/mqtt");
        let (client, server) = tokio::join!(connector.connect(&endpoint), self.accept_by_hand(after_answer));
        (client.expect("the answer is right"), server)
    }

    /// A server that is played by hand, with the handshake done.
    async fn accept_by_hand(&self, after_answer: &[u8]) -> Stream {
        let mut server = within(self.listener.accept()).await.expect("a client connects");
        let request = wire::read_head(&mut server).await;
        let mut answer = wire::answer_to(&request, Some("mqtt"));
        answer.extend_from_slice(after_answer);
        wire::send(&mut server, &answer).await;
        server
    }
}

/// Both sides are ours.
async fn pair(capacity_bytes: usize, options: WebSocket) -> (Stream, Stream) {
    let place = Place::new(capacity_bytes);
    let acceptor = WebSocketAcceptor::new(place.listener);
    let connector = WebSocketConnector::new(place.connector, options);
    let endpoint = endpoint("ws://broker.example");
    let (client, server) = tokio::join!(connector.connect(&endpoint), acceptor.accept());
    (client.expect("the server accepts"), server.expect("the client asks"))
}

fn endpoint(url: &str) -> Endpoint {
    url.parse().expect("a legal URL")
}

/// What a client says of a server that answers like this, whatever the request; and the request.
async fn refused(answer: impl Into<Vec<u8>>) -> bowline_transport::ConnectError {
    let place = Place::new(64 * 1024);
    let connector =
        WebSocketConnector::new(place.connector.clone(), WebSocket::new().header("X-Token", "zsecret"))
            .connect_timeout(Duration::from_millis(200));
    let endpoint = endpoint("ws://broker.example/zpath?zquery");
    let answer = answer.into();
    let answering = async {
        let mut server = place.listener.accept().await.expect("a client connects");
        wire::read_head(&mut server).await;
        wire::send(&mut server, &answer).await;
        server
    };
    let (client, _server) =
        within(async { tokio::join!(connector.connect_as(&endpoint, SubProtocol::Mqtt), answering) }).await;
    client.expect_err("the answer is not right")
}
