//! The listener inside one process and its connectors.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bowline_transport::{AcceptError, ConnectErrorKind, Connector, Endpoint, Listener, Stream, in_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::coop::unconstrained;

fn anywhere() -> Endpoint {
    Endpoint::tcp("ignored", 1883).expect("the host is a name")
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    // Outside tokio's budget, which would else say Pending where the stream or queue does not.
    pin!(unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn every_clone_of_a_connector_leads_to_the_listener_in_the_order_of_dialing() {
    let (connector, listener) = in_process("test broker", 64);
    let other = connector.clone();
    let mut first = connector.connect(&anywhere()).await.unwrap();
    let mut second = other.connect(&anywhere()).await.unwrap();
    first.write_all(b"1").await.unwrap();
    second.write_all(b"2").await.unwrap();
    let mut accepted_first = listener.accept().await.unwrap();
    let mut accepted_second = listener.accept().await.unwrap();
    assert_eq!(accepted_first.read_u8().await.unwrap(), b'1');
    assert_eq!(accepted_second.read_u8().await.unwrap(), b'2');

    assert_eq!(second.description().to_string(), "duplex test broker client 2 -> test broker");
    assert_eq!(accepted_second.description().to_string(), "duplex test broker -> test broker client 2");
    assert_eq!(listener.description(), "in-process test broker");
}

#[tokio::test]
async fn without_its_listener_a_connection_is_refused_and_a_waiting_one_ends() {
    let (connector, listener) = in_process("gone", 64);
    let mut waiting = connector.connect(&anywhere()).await.unwrap();
    drop(listener);
    assert_eq!(waiting.read(&mut [0]).await.unwrap(), 0);
    let error = connector.connect(&anywhere()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    let text =
        "the in-process listener `gone` refused the connection: check that a broker runs and listens there";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn without_connectors_the_listener_hands_out_what_waits_and_then_says_so() {
    let (connector, listener) = in_process("lonely", 64);
    let _stream = connector.connect(&anywhere()).await.unwrap();
    drop(connector);
    assert!(listener.accept().await.is_ok());
    let error = listener.accept().await.unwrap_err();
    assert!(matches!(error, AcceptError::Closed) && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn the_queue_of_connections_is_bounded_and_room_in_it_is_waited_for() {
    let (connector, listener) = in_process("busy", 64);
    let mut open: Vec<Stream> = Vec::new();
    while let Poll::Ready(stream) = poll_once(connector.connect(&anywhere())) {
        open.push(stream.unwrap());
        assert!(open.len() <= 1000, "the queue has no bound");
    }
    assert_eq!(open.len(), 128);
    let waiting = tokio::spawn({
        let connector = connector.clone();
        async move { connector.connect(&anywhere()).await }
    });
    let _accepted = listener.accept().await.unwrap();
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_dropped_connect_or_accept_loses_no_connection() {
    let (connector, listener) = in_process("patient", 64);
    assert!(poll_once(listener.accept()).is_pending());
    // A future that was never polled has dialed nothing.
    drop(connector.connect(&anywhere()));
    let mut stream = connector.connect(&anywhere()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let mut accepted = listener.accept().await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
    assert!(poll_once(listener.accept()).is_pending(), "only one connection was made");
}
