//! What holds for every transport behind the seam: one type, object-safe traits, `Send`, custom streams.

use std::error::Error;
use std::sync::Arc;

use bowline_transport::{
    ByteStream, ConnectError, ConnectErrorKind, ConnectFuture, Connector, Endpoint, Listener, Stream,
    TcpAcceptor, TcpConnector, duplex, in_process,
};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Opens one end of a duplex and sends the other back, so that whatever is written comes back.
struct Echo;

impl Connector for Echo {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move {
            if endpoint.host() != "echo" {
                return Err(ConnectError::custom("no such place"));
            }
            let (near, far) = duplex(64);
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(far);
                tokio::io::copy(&mut reader, &mut writer).await
            });
            Ok(Stream::custom(near, "the echo"))
        })
    }
}

/// The server side that a connector leads to, if the test has it in hand.
type Server = Option<Arc<dyn Listener>>;

#[tokio::test]
async fn any_connector_can_stand_in_for_any_other() {
    let (in_memory, listener) = in_process("seam", 64);
    let acceptor = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = acceptor.local_addr().port();
    let sides: [(Arc<dyn Connector>, Server, &str, &str); 3] = [
        (Arc::new(in_memory), Some(Arc::new(listener)), "localhost", "duplex"),
        (Arc::new(TcpConnector::new()), Some(Arc::new(acceptor)), "127.0.0.1", "tcp"),
        (Arc::new(Echo), None, "echo", "custom"),
    ];
    for (connector, listener, host, transport) in sides {
        let mut stream = connector.connect(&Endpoint::tcp(host, port).unwrap()).await.unwrap();
        assert_eq!(stream.description().transport(), transport);
        stream.write_all(b"there").await.unwrap();
        let mut accepted = match listener {
            Some(listener) => listener.accept().await.unwrap(),
            None => stream,
        };
        let mut bytes = [0; 5];
        accepted.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"there", "{transport}");
    }
}

#[tokio::test]
async fn the_error_of_a_custom_connector_is_passed_on() {
    let error = Echo.connect(&Endpoint::tcp("elsewhere", 1).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "no such place");
    assert_eq!(error.kind(), ConnectErrorKind::Other);
    assert!(error.source().is_none(), "its text is not told twice");
}

#[tokio::test]
async fn a_custom_stream_keeps_its_vectored_writes_and_its_shutdown() {
    let (near, mut far) = duplex(64);
    let mut stream = Stream::custom(near, "far end");
    assert_eq!(stream.description().to_string(), "custom -> far end");
    assert!(stream.is_write_vectored());
    let slices = [b"a".as_slice(), b"b"].map(std::io::IoSlice::new);
    assert_eq!(stream.write_vectored(&slices).await.unwrap(), 2);
    stream.flush().await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "ab");
}

#[test]
fn streams_connectors_listeners_and_their_futures_can_change_threads() {
    fn is_send<T: Send>(_: T) {}
    fn is_byte_stream<T: ByteStream>(_: T) {}
    let endpoint = Endpoint::tcp("localhost", 1883).unwrap();
    let (connector, listener) = in_process("threads", 64);
    is_send(connector.connect(&endpoint));
    is_send(listener.accept());
    let tcp = TcpConnector::new();
    is_send(tcp.connect(&endpoint));
    is_send(tcp.connect_to(&[]));
    is_send((listener, connector, tcp));
    let (near, far) = duplex(64);
    is_send(Stream::from(near));
    is_byte_stream(Stream::from(far));
}
