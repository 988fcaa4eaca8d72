//! A listener and its connectors inside one process, over in-memory streams. Knows no socket.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, mpsc};

use crate::connector::{ConnectFuture, Connector};
use crate::endpoint::Endpoint;
use crate::error::{AcceptError, ConnectError};
use crate::listener::{AcceptFuture, Listener};
use crate::stream::{DuplexStream, pair};

/// How many connections may wait to be accepted. A further `connect` waits for room.
const BACKLOG: usize = 128;

/// Makes a listener inside this process and a connector that leads to it. `name` is what logs call it; each direction of
/// a connection holds at most `capacity_bytes`, as in [`duplex`](crate::duplex).
///
/// Once the listener is dropped, further connections are refused, and those not yet accepted end. Once the last clone of
/// the connector is dropped, the listener still hands out what waits and then says [`AcceptError::Closed`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bowline_transport::{Connector, Endpoint, Listener, in_process};
///
/// let (connector, listener) = in_process("test broker", 64 * 1024);
/// let near = connector.connect(&Endpoint::tcp("ignored", 1883)?).await?;
/// let far = listener.accept().await?;
/// assert_eq!(near.description().peer(), far.description().local());
/// # Ok(())
/// # }
/// ```
pub fn in_process(name: &str, capacity_bytes: usize) -> (DuplexConnector, DuplexListener) {
    let (queue, accepting) = mpsc::channel(BACKLOG);
    let name: Arc<str> = Arc::from(name);
    let listener = DuplexListener { name: name.clone(), accepting: Mutex::new(accepting) };
    (DuplexConnector { name, capacity_bytes, queue, dialed: Arc::default() }, listener)
}

/// Leads to one [`DuplexListener`]. Clones lead to the same.
#[derive(Clone, Debug)]
pub struct DuplexConnector {
    name: Arc<str>,
    capacity_bytes: usize,
    queue: mpsc::Sender<DuplexStream>,
    /// Numbers the connections for the logs.
    dialed: Arc<AtomicU64>,
}

impl Connector for DuplexConnector {
    /// Leads to its listener whatever the endpoint says. As with TCP the stream is open before it has been accepted.
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move {
            let Ok(place) = self.queue.reserve().await else {
                return Err(ConnectError::Refused {
                    addr: format!("the in-process listener `{}`", self.name),
                    source: io::ErrorKind::ConnectionRefused.into(),
                });
            };
            let number = self.dialed.fetch_add(1, Ordering::Relaxed) + 1;
            let near_name = Arc::from(format!("{} client {number}", self.name));
            let (near, far) = pair(self.capacity_bytes, near_name, self.name.clone());
            place.send(far);
            Ok(near.into())
        })
    }
}

/// Accepts what its [`DuplexConnector`]s open.
#[derive(Debug)]
pub struct DuplexListener {
    name: Arc<str>,
    accepting: Mutex<mpsc::Receiver<DuplexStream>>,
}

impl Listener for DuplexListener {
    fn accept(&self) -> AcceptFuture<'_> {
        Box::pin(async move {
            let stream = self.accepting.lock().await.recv().await;
            stream.map(Into::into).ok_or(AcceptError::Closed)
        })
    }

    fn description(&self) -> String {
        format!("in-process {}", self.name)
    }
}
