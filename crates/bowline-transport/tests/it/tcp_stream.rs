//! Open TCP streams: bytes, end, half-close, reset, descriptions.

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use bowline_transport::{Connector, Endpoint, Listener, Stream, TcpAcceptor, TcpConnector};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

async fn connected() -> (Stream, Stream) {
    let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("there are free ports");
    let endpoint = Endpoint::from(acceptor.local_addr());
    let near = TcpConnector::new().connect(&endpoint).await.expect("it listens");
    (near, acceptor.accept().await.expect("a client waits"))
}

#[tokio::test]
async fn several_slices_leave_in_one_write() {
    let (mut near, mut far) = connected().await;
    assert!(near.is_write_vectored());
    let slices = [b"ab".as_slice(), b"cdef", b"ghi"].map(IoSlice::new);
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 9);
    let mut bytes = [0; 9];
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"abcdefghi");
}

#[tokio::test]
async fn one_direction_ends_while_the_other_goes_on() {
    let (mut near, mut far) = connected().await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    far.write_all(b"answer").await.unwrap();
    drop(far);
    text.clear();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn a_dropped_stream_ends_and_an_aborted_one_is_reset() {
    let limit = Duration::from_secs(10);
    let (near, mut far) = connected().await;
    drop(near);
    assert_eq!(timeout(limit, far.read(&mut [0])).await.expect("the end arrives").unwrap(), 0);

    let (near, mut far) = connected().await;
    near.abort();
    let read = timeout(limit, far.read(&mut [0])).await.expect("the reset arrives");
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn both_ends_are_named_even_after_the_other_is_gone() {
    let (near, mut far) = connected().await;
    let (near_name, far_name) = (near.description(), far.description());
    assert_eq!((near_name.local(), near_name.peer()), (far_name.peer(), far_name.local()));
    assert_eq!(near_name.to_string(), format!("tcp {} -> {}", near_name.local(), near_name.peer()));
    near.abort();
    let _ = far.read(&mut [0]).await.expect_err("the stream is reset");
    assert_eq!(far.description(), far_name);
    assert_eq!(format!("{far:?}"), format!("Stream({far_name})"));
}
