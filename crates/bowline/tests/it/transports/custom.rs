//! A connector and a listener that the library does not know: tokio's own pipes.

use std::time::Duration;

use bowline::Client;
use bowline::transport::{
    AcceptError, AcceptFuture, ConnectError, ConnectFuture, Connector, Endpoint, Listener, Stream,
};
use bowline_broker::Broker;
use tokio::io::DuplexStream;
use tokio::sync::{Mutex, mpsc};

use super::messages_cross_in_every_version;

/// So small that few packets fit.
const PIPE_BYTES: usize = 61;

#[derive(Clone)]
struct Pipes(mpsc::Sender<DuplexStream>);

impl Connector for Pipes {
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            self.0.send(far).await.map_err(ConnectError::custom)?;
            Ok(Stream::custom(near, "the pipes"))
        })
    }
}

struct Plumber(Mutex<mpsc::Receiver<DuplexStream>>);

impl Listener for Plumber {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(async move {
            let far = self.0.lock().await.recv().await;
            far.map(|far| Stream::custom(far, "a pipe")).ok_or(AcceptError::Closed)
        })
    }

    fn description(&self) -> String {
        "pipes".to_owned()
    }
}

fn pipes() -> (Pipes, Plumber) {
    let (sender, receiver) = mpsc::channel(1);
    (Pipes(sender), Plumber(Mutex::new(receiver)))
}

#[tokio::test]
async fn messages_cross_anything_that_reads_and_writes() {
    let (pipes, plumber) = pipes();
    let broker = Broker::builder().without_tcp().listener(plumber).start().await.unwrap();
    messages_cross_in_every_version(|version| {
        let builder = Client::builder("mqtt://pipes").unwrap().version(version);
        builder.keep_alive(Duration::ZERO).connector(pipes.clone())
    })
    .await;
    broker.assert_no_violations();
}

#[cfg(feature = "blocking")]
#[tokio::test]
async fn a_blocking_client_takes_a_connector_too() {
    let (pipes, plumber) = pipes();
    let broker = Broker::builder().without_tcp().listener(plumber).start().await.unwrap();
    let publishing = tokio::task::spawn_blocking(move || {
        let builder = bowline::blocking::Client::builder("mqtt://pipes").unwrap();
        let client = builder.connector(pipes).connect().unwrap();
        client.publish("attic", "warm").qos(bowline::QoS::ExactlyOnce).send().unwrap().wait().unwrap();
    });
    crate::peer::within(publishing).await.unwrap();
    broker.assert_no_violations();
}
