//! Who is not accepted, and what is told of it.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bowline_broker::{Broker, BrokerEvent, BrokerEvents};
use bowline_transport::{AcceptError, AcceptFuture, Listener, Stream, duplex};
use tokio::time::timeout;

/// A listener that gives what it is told to, and then nobody.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Result<Stream, AcceptError>>>);

impl Scripted {
    fn new(script: impl IntoIterator<Item = Result<Stream, AcceptError>>) -> Self {
        Self(Mutex::new(script.into_iter().collect()))
    }
}

impl Listener for Scripted {
    fn accept(&self) -> AcceptFuture<'_> {
        let next = self.0.lock().expect("nobody panics under it").pop_front();
        Box::pin(async move {
            match next {
                Some(next) => next,
                None => std::future::pending().await,
            }
        })
    }

    fn description(&self) -> String {
        "a script".to_owned()
    }
}

async fn next(events: &mut BrokerEvents) -> String {
    let event = timeout(Duration::from_secs(10), events.next()).await;
    let event = event.expect("an event comes").expect("the broker runs");
    match event {
        BrokerEvent::NotAccepted { listener, error, .. } => format!("not accepted by {listener}: {error}"),
        BrokerEvent::ListenerFailed { listener, error, .. } => format!("{listener} failed: {error}"),
        BrokerEvent::Disconnected { client_id, .. } => format!("`{client_id}` gone"),
        other => panic!("{other:?}"),
    }
}

fn exhausted() -> Result<Stream, AcceptError> {
    Err(AcceptError::Exhausted { source: io::ErrorKind::OutOfMemory.into() })
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_told_of_once_until_it_has_accepted_somebody() {
    let stream = Stream::from(duplex(64).0);
    let gone = Err(AcceptError::ClientGone { source: io::ErrorKind::ConnectionAborted.into() });
    let broken = Err(AcceptError::Io { source: io::ErrorKind::InvalidInput.into() });
    let script = [exhausted(), exhausted(), exhausted(), Ok(stream), exhausted(), gone, exhausted(), broken];
    let broker = Broker::builder().without_tcp().listener(Scripted::new(script)).start().await.unwrap();
    let mut events = broker.events();
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(next(&mut events).await);
    }
    let no_memory = "a script failed: no descriptor or memory for another client (out of memory): raise the limit of open files";
    let expected = [
        no_memory,
        "`` gone",
        no_memory,
        "not accepted by a script: a client was gone before it was accepted (connection aborted)",
        no_memory,
        "a script failed: accepting clients failed (invalid input parameter)",
    ];
    told[1..3].sort_by_key(|text| !text.starts_with('`'));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_end_of_an_in_process_listener_is_no_failure() {
    let script = [Err(AcceptError::Closed)];
    let broker = Broker::builder().without_tcp().listener(Scripted::new(script)).start().await.unwrap();
    let mut events = broker.events();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    broker.shut_down().await;
    assert!(events.next().await.is_none());
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn a_client_whose_websocket_handshake_fails_is_told_of_and_no_secret_of_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let any = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().without_tcp().listen_websocket(any).start().await.unwrap();
    let mut events = broker.events();
    let address = broker.websocket_addresses()[0];
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET /?token=secret HTTP/1.1\r\nAuthorization: secret\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let peer = client.local_addr().unwrap();
    let expected = format!(
        "not accepted by websocket over tcp {address}: the handshake with {peer} failed: \
         the WebSocket handshake of {peer} is not valid: it asks for no WebSocket"
    );
    assert_eq!(next(&mut events).await, expected);
}
