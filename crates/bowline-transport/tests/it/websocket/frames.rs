//! Bytes in frames: packets over several, many in one, both ways at once, and what a peer must not send.

use std::io::ErrorKind;

use bowline_transport::{
    Connector, Endpoint, Listener, TcpAcceptor, TcpConnector, WebSocket, WebSocketAcceptor,
    WebSocketConnector, WebSocketError,
};
use proptest::prelude::{ProptestConfig, any, proptest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{self, BINARY, CONTINUATION, FIN, TEXT};
use super::{Place, pair, within};

#[tokio::test]
async fn bytes_cross_both_ways_at_once_whatever_the_frames() {
    const BYTES: usize = 1_000_000;
    for (capacity_bytes, frame_bytes_max) in
        [(64 * 1024, 64 * 1024), (64 * 1024, BYTES), (7, BYTES), (64 * 1024, 100), (1, 50_000)]
    {
        let bytes = if capacity_bytes > 7 { BYTES } else { BYTES / 50 };
        let (client, server) = pair(capacity_bytes, WebSocket::new().frame_bytes_max(frame_bytes_max)).await;
        let sides = [client, server].map(|stream| {
            tokio::spawn(async move {
                // Reader and writer are two tasks, so each must be woken for itself.
                let (mut reader, mut writer) = tokio::io::split(stream);
                let writing = tokio::spawn(async move {
                    let all: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
                    writer.write_all(&all).await?;
                    writer.flush().await?;
                    Ok::<_, std::io::Error>(writer)
                });
                let mut all = vec![0; bytes];
                reader.read_exact(&mut all).await.unwrap();
                assert!(all.iter().enumerate().all(|(at, &byte)| byte == at as u8));
                writing.await.unwrap().unwrap();
            })
        });
        for side in sides {
            within(side).await.unwrap();
        }
    }
}

#[tokio::test]
async fn bytes_cross_tcp_and_both_ends_are_named() {
    let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = Endpoint::from(tcp.local_addr());
    let acceptor = WebSocketAcceptor::new(tcp);
    assert!(acceptor.description().starts_with("websocket over tcp 127.0.0.1:"));
    let connector = WebSocketConnector::new(TcpConnector::new(), WebSocket::new());
    let (client, server) =
        within(async { tokio::join!(connector.connect(&endpoint), acceptor.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.description().transport(), "websocket");
    assert_eq!(client.description().peer(), server.description().local());
    #[cfg(unix)]
    assert!(client.as_fd().is_some());
    client.write_all(b"there").await.unwrap();
    client.flush().await.unwrap();
    let mut bytes = [0; 5];
    within(server.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"there");
    client.abort();
    let error = within(server.read(&mut bytes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

// [MQTT-6.0.0-2] [MQTT-6.0.0-2 of 3.1.1]
#[tokio::test]
async fn what_is_written_at_once_is_one_masked_message_and_what_is_longer_than_a_frame_several() {
    let place = Place::new(64 * 1024);
    let (mut client, mut server) = place.opened(WebSocket::new().frame_bytes_max(6), b"").await;
    assert!(tokio::io::AsyncWrite::is_write_vectored(&client));
    let slices = [b"ab".as_slice(), b"", b"cd"].map(std::io::IoSlice::new);
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 4);
    client.write_all(b"0123456789").await.unwrap();
    client.flush().await.unwrap();
    for expected in ["abcd", "012345", "6789"] {
        assert_eq!(wire::read_frame(&mut server, true).await, (FIN | BINARY, expected.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_read_byte_by_byte() {
    let place = Place::new(64 * 1024);
    let (mut client, mut server) = place.opened(WebSocket::new(), b"").await;
    let frames = [
        wire::frame(FIN | BINARY, b""),
        wire::frame(BINARY, b"frag"),
        wire::frame(CONTINUATION, b""),
        wire::frame(CONTINUATION, b"men"),
        wire::frame(FIN | CONTINUATION, b"ts"),
        wire::frame(FIN | BINARY, b" and one"),
    ];
    wire::send(&mut server, &frames.concat()).await;
    let mut all = Vec::new();
    while all.len() < 17 {
        let mut byte = [0];
        within(client.read_exact(&mut byte)).await.unwrap();
        all.extend(byte);
    }
    assert_eq!(all, b"fragments and one");
}

// [MQTT-6.0.0-1] [MQTT-6.0.0-1 of 3.1.1]
#[tokio::test]
async fn text_is_refused_with_a_close_frame_that_says_so() {
    let place = Place::new(64 * 1024);
    let (mut client, mut server) = place.opened(WebSocket::new(), b"").await;
    let frames = [wire::frame(FIN | BINARY, b"x"), wire::frame(FIN | TEXT, b"hello")].concat();
    wire::send(&mut server, &frames).await;
    let mut bytes = [0; 8];
    assert_eq!(within(client.read(&mut bytes)).await.unwrap(), 1);
    let error = within(client.read(&mut bytes)).await.unwrap_err();
    let source = error.get_ref().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(WebSocketError::Text)), "{error}");
    assert!(error.to_string().contains("MQTT is binary"), "{error}");
    let (first, payload) = wire::read_frame(&mut server, true).await;
    assert_eq!((first, &payload[..2]), (FIN | wire::CLOSE, &1003_u16.to_be_bytes()[..]));
    assert_eq!(within(client.read(&mut bytes)).await.unwrap(), 0, "then it is over");
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_its_bytes_are_there() {
    let one = [&[FIN | BINARY, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    let fragments = [wire::frame(BINARY, &[0; 600]), wire::frame(CONTINUATION, &[0; 600])].concat();
    for frames in [one, fragments] {
        let place = Place::new(64 * 1024);
        let (mut client, mut server) = place.opened(WebSocket::new().message_bytes_max(1_000), b"").await;
        wire::send(&mut server, &frames).await;
        let error = within(client.read(&mut [0; 8])).await.unwrap_err();
        let source = error.get_ref().and_then(|source| source.downcast_ref());
        assert!(matches!(source, Some(WebSocketError::TooLong { bytes_max: 1_000, .. })), "{error}");
        assert!(error.to_string().contains("message_bytes_max"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_masks_and_a_client_that_does_not_break_the_protocol() {
    let place = Place::new(64 * 1024);
    let (mut client, mut server) = place.opened(WebSocket::new(), b"").await;
    wire::send(&mut server, &wire::masked(FIN | BINARY, b"x")).await;
    let error = within(client.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("broke the WebSocket protocol"), "{error}");

    let (mut by_hand, mut ours) = super::answers::asked_by_hand().await;
    wire::send(&mut by_hand, &wire::masked(FIN | BINARY, b"ok")).await;
    let mut bytes = [0; 8];
    assert_eq!(within(ours.read(&mut bytes)).await.unwrap(), 2);
    wire::send(&mut by_hand, &wire::frame(FIN | BINARY, b"x")).await;
    let error = within(ours.read(&mut bytes)).await.unwrap_err();
    assert!(error.to_string().contains("broke the WebSocket protocol"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_of_the_other_side_make_us_panic_or_wait_for_ever(
        first in proptest::collection::vec(0_u8..16, 0..6),
        noise in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let place = Place::new(64 * 1024);
            // A few frames that are nearly right, then anything.
            let mut bytes = Vec::new();
            for opcode in first {
                bytes.extend(wire::frame(FIN | opcode, &[3, 232]));
            }
            bytes.extend(noise);
            let (mut client, mut server) = place.opened(WebSocket::new(), &bytes).await;
            server.shutdown().await.unwrap();
            let mut all = Vec::new();
            let _ended = within(client.read_to_end(&mut all)).await;
        });
    }
}
