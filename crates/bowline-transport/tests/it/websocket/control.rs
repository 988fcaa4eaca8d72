//! Control frames: pings are answered whatever we do, close frames end the stream, floods are bounded.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bowline_transport::{Stream, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG};
use super::{Place, pair, within};

async fn opened() -> (Stream, Stream) {
    Place::new(64 * 1024).opened(WebSocket::new(), b"").await
}

#[tokio::test]
async fn a_ping_between_fragments_is_answered_while_we_only_read() {
    let (mut client, mut server) = opened().await;
    let frames = [
        wire::frame(BINARY, b"be"),
        wire::frame(FIN | PING, b"are you there"),
        wire::frame(FIN | PONG, b"nobody asked"),
        wire::frame(FIN | CONTINUATION, b"low"),
        wire::frame(FIN | PING, b"still"),
    ];
    wire::send(&mut server, &frames.concat()).await;
    let reading = tokio::spawn(async move {
        let mut bytes = [0; 5];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"below");
        client.read(&mut bytes).await.unwrap()
    });
    for expected in [&b"are you there"[..], b"still"] {
        assert_eq!(wire::read_frame(&mut server, true).await, (FIN | PONG, expected.to_vec()));
    }
    drop(server);
    assert_eq!(within(reading).await.unwrap(), 0);
}

#[tokio::test]
async fn a_ping_is_answered_while_we_only_write() {
    let (mut client, mut server) = opened().await;
    wire::send(&mut server, &wire::frame(FIN | PING, b"hello")).await;
    within(client.write_all(b"data")).await.unwrap();
    within(client.flush()).await.unwrap();
    let mut seen = vec![wire::read_frame(&mut server, true).await, wire::read_frame(&mut server, true).await];
    seen.sort();
    assert_eq!(seen, [(FIN | BINARY, b"data".to_vec()), (FIN | PONG, b"hello".to_vec())]);
}

#[tokio::test]
async fn a_message_that_came_while_we_wrote_wakes_the_reader_in_another_task() {
    let (client, mut server) = opened().await;
    let (mut reader, mut writer) = tokio::io::split(client);
    let reading = tokio::spawn(async move {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).await.map(|_| bytes)
    });
    tokio::task::yield_now().await;
    wire::send(&mut server, &wire::frame(FIN | BINARY, b"news")).await;
    within(writer.write_all(b"data")).await.unwrap();
    within(writer.flush()).await.unwrap();
    assert_eq!(&within(reading).await.unwrap().unwrap(), b"news");
}

#[tokio::test]
async fn a_flood_of_pings_by_one_who_reads_nothing_is_not_read_either() {
    let (mut client, mut server) = Place::new(1_024).opened(WebSocket::new(), b"").await;
    let reading = tokio::spawn(async move { client.read(&mut [0; 8]).await });
    let ping = wire::frame(FIN | PING, &[7; 100]);
    let mut pings = 0;
    while timeout(Duration::from_millis(300), server.write_all(&ping)).await.is_ok() {
        pings += 1;
        assert!(pings < 1_000, "it reads, and keeps an answer for each");
    }
    assert!(!reading.is_finished());
    reading.abort();
}

#[tokio::test]
async fn our_end_is_a_close_frame_after_which_the_other_side_may_go_on() {
    let (mut client, mut server) = opened().await;
    client.write_all(b"last").await.unwrap();
    within(client.shutdown()).await.unwrap();
    assert_eq!(wire::read_frame(&mut server, true).await, (FIN | BINARY, b"last".to_vec()));
    let (first, payload) = wire::read_frame(&mut server, true).await;
    assert_eq!((first, payload), (FIN | CLOSE, 1000_u16.to_be_bytes().to_vec()));
    assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let frames = [wire::frame(FIN | BINARY, b"reply"), wire::frame(FIN | CLOSE, &1000_u16.to_be_bytes())];
    wire::send(&mut server, &frames.concat()).await;
    let mut text = String::new();
    within(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "reply");
}

#[tokio::test]
async fn a_close_frame_of_the_other_side_is_the_end_and_is_answered() {
    let (mut client, mut server) = opened().await;
    let frames = [wire::frame(FIN | BINARY, b"bye"), wire::frame(FIN | CLOSE, &[3, 232, b'x'])].concat();
    wire::send(&mut server, &frames).await;
    let mut text = String::new();
    within(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "bye");
    assert_eq!(wire::read_frame(&mut server, true).await, (FIN | CLOSE, vec![3, 232]));
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    within(client.shutdown()).await.unwrap();
    assert_eq!(within(server.read(&mut [0])).await.unwrap(), 0, "the stream beneath has ended too");
}

#[tokio::test]
async fn a_stream_that_ends_without_a_close_frame_ends() {
    let (mut client, server) = opened().await;
    drop(server);
    assert_eq!(within(client.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn both_sides_end_when_one_has_said_so() {
    let (mut client, mut server) = pair(1_024, WebSocket::new()).await;
    within(client.shutdown()).await.unwrap();
    assert_eq!(within(server.read(&mut [0; 8])).await.unwrap(), 0);
    within(server.shutdown()).await.unwrap();
    assert_eq!(within(client.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_writer_waits_for_a_peer_that_does_not_read() {
    let (mut client, server) = Place::new(512).opened(WebSocket::new(), b"").await;
    let mut taken = 0;
    let is_full = poll_fn(|cx| {
        loop {
            match Pin::new(&mut client).poll_write(cx, &[0; 1_000]) {
                Poll::Ready(Ok(count)) => taken += count,
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => return Poll::Ready(true),
            }
            assert!(taken < 100_000, "it takes any number of bytes");
        }
    });
    assert!(is_full.await);
    drop(server);
}
