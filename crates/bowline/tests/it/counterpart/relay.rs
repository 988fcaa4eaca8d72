//! A relay between client and broker whose connections the test cuts. Passes bytes on and understands none of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bowline::{Builder, Client, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::counterpart::builder_to;

/// How many bytes of each direction are kept for the test to look at.
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Listens on a free port of loopback and passes on what comes.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    cut: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lets nobody through.
    is_closed: bool,
    /// The next connections end after so many bytes from the client, the first one of these first.
    cuts_after: std::collections::VecDeque<usize>,
    connections: usize,
    from_client: Vec<u8>,
    from_broker: Vec<u8>,
}

impl Relay {
    pub(crate) async fn start(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { cut: Notify::new(), state: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, broker, shared.clone()));
        Self { address, shared, accepting }
    }

    /// A builder of clients that connect here.
    pub(crate) fn builder(&self, version: Version) -> Builder<Client> {
        builder_to(self.address, version)
    }

    /// Cuts the connections of this moment.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Cuts, and lets nobody through until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.shared.lock().is_closed = true;
        self.cut();
    }

    /// Lets clients through again.
    pub(crate) fn open(&self) {
        self.shared.lock().is_closed = false;
    }

    /// The next connections are cut after so many bytes from the client each; later ones are not.
    pub(crate) fn cut_after(&self, bytes: impl IntoIterator<Item = usize>) {
        self.shared.lock().cuts_after.extend(bytes);
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// The first bytes that the client has sent, and those that the broker has.
    pub(crate) fn record(&self) -> (Vec<u8>, Vec<u8>) {
        let state = self.shared.lock();
        (state.from_client.clone(), state.from_broker.clone())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }
}

async fn accept(listener: TcpListener, broker: SocketAddr, shared: Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().await.expect("the listener is ours");
        let bytes_max = {
            let mut state = shared.lock();
            if state.is_closed {
                continue;
            }
            state.connections += 1;
            state.cuts_after.pop_front().unwrap_or(usize::MAX)
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let cut = shared.cut.notified();
            let (mut client, Ok(mut broker)) = (client, TcpStream::connect(broker).await) else { return };
            client.set_nodelay(true).expect("the socket is open");
            broker.set_nodelay(true).expect("the socket is open");
            let (from_client, to_client) = client.split();
            let (from_broker, to_broker) = broker.split();
            // The end of any of them ends both connections.
            let is_cut = tokio::select! {
                () = cut => true,
                () = pass(from_client, to_broker, bytes_max, |bytes| record(&mut shared.lock().from_client, bytes)) => true,
                () = pass(from_broker, to_client, usize::MAX, |bytes| record(&mut shared.lock().from_broker, bytes)) => false,
            };
            if is_cut {
                // A line that breaks is a reset. A proper end would say that the broker closed on purpose.
                client.set_zero_linger().expect("the socket is open");
            }
        });
    }
}

fn record(record: &mut Vec<u8>, bytes: &[u8]) {
    let room = RECORD_BYTES_MAX - record.len();
    record.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, bytes_max: usize, seen: impl Fn(&[u8])) {
    let mut bytes = vec![0; 16 * 1024];
    let mut left = bytes_max;
    while left > 0 {
        let room = bytes.len().min(left);
        let count = match from.read(&mut bytes[..room]).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        seen(&bytes[..count]);
        left -= count;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
