//! A line that can be disturbed, between clients and any broker. Owns its handle; knows bytes, and nothing of MQTT.

mod plan;
mod relay;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bowline_transport::{
    Connector, DuplexConnector, Endpoint, ListenError, Listener, TcpAcceptor, TcpConnector, in_process,
};
use tokio::task::JoinHandle;

pub use plan::{Direction, Fault, FaultStats};

use plan::Plan;
use relay::relay;

/// How many bytes each direction of an in-process connection holds.
const IN_PROCESS_BYTES: usize = 64 * 1024;

/// How long to wait after a failure to accept that may pass, as when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A proxy between clients and a broker, which does to their bytes what networks do, when a test asks for it: cuts, delays,
/// narrows, stalls, corrupts, ends one direction, refuses.
///
/// Clients connect to [`url`](Self::url) or by [`connector`](Self::connector); every connection is led on to the broker.
/// All can be changed at any time and holds for the connections that are open and for those to come. Without a fault the
/// line is transparent. It holds at most 256 KiB and one read for each direction of a connection; beyond that it does not
/// read, so back-pressure passes through. Dropping it cuts all connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bowline_broker::{Broker, Direction, Fault, FaultLink};
/// use std::time::Duration;
///
/// let broker = Broker::builder().start().await?;
/// let link = FaultLink::over_tcp(broker.address().expect("it listens on TCP by default"))?;
/// println!("connect the client under test to {}", link.url());
///
/// link.set_delay(Direction::ToClient, Duration::from_millis(20));
/// link.fault_after(Direction::ToBroker, 1_000, Fault::Cut);
/// // ... the client publishes, loses its connection and connects again ...
/// link.cut();
/// link.cut_randomly(7, 1..4_000);
/// // ...
/// link.heal();
/// println!("{:?}", link.stats());
/// # Ok(())
/// # }
/// ```
pub struct FaultLink {
    plan: Arc<Plan>,
    address: Option<SocketAddr>,
    connector: DuplexConnector,
    accepting: Vec<JoinHandle<()>>,
}

impl FaultLink {
    /// A line over TCP from a free port of 127.0.0.1 to the broker at this address. [`connector`](Self::connector) leads
    /// there too.
    ///
    /// # Errors
    /// If there is no port to listen on.
    ///
    /// # Panics
    /// Outside of a tokio runtime, which needs its I/O and time drivers.
    pub fn over_tcp(broker: SocketAddr) -> Result<Self, ListenError> {
        let acceptor = TcpAcceptor::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let endpoint = Endpoint::tcp(&broker.ip().to_string(), broker.port());
        let endpoint = endpoint.expect("an address is a host and a port");
        let address = acceptor.local_addr();
        let mut link = Self::between(acceptor, TcpConnector::new(), endpoint);
        link.address = Some(address);
        Ok(link)
    }

    /// A line without sockets on its near side: clients come by [`connector`](Self::connector), and are led on by the one
    /// given, for instance [`Broker::connector`](crate::Broker::connector).
    ///
    /// # Panics
    /// Outside of a tokio runtime, which needs its time driver.
    pub fn in_process(to_broker: impl Connector) -> Self {
        let endpoint = Endpoint::tcp("localhost", 1883).expect("a legal endpoint");
        Self::start(Vec::new(), Arc::new(to_broker), endpoint)
    }

    /// A line from any transport to any transport: what the listener accepts is led on by the connector to the endpoint.
    ///
    /// # Panics
    /// As [`in_process`](Self::in_process).
    pub fn between(listener: impl Listener, to_broker: impl Connector, endpoint: Endpoint) -> Self {
        Self::start(vec![Arc::new(listener)], Arc::new(to_broker), endpoint)
    }

    fn start(
        mut listeners: Vec<Arc<dyn Listener>>,
        to_broker: Arc<dyn Connector>,
        endpoint: Endpoint,
    ) -> Self {
        let plan = Arc::new(Plan::new());
        let (connector, listener) = in_process("fault link", IN_PROCESS_BYTES);
        listeners.push(Arc::new(listener));
        let accept = |listener| accept_all(listener, plan.clone(), to_broker.clone(), endpoint.clone());
        let accepting = listeners.into_iter().map(accept).collect();
        Self { plan, address: None, connector, accepting }
    }

    /// Where it listens, if it was made by [`over_tcp`](Self::over_tcp).
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What a client connects to: `mqtt://127.0.0.1:port`.
    ///
    /// # Panics
    /// If it was not made by [`over_tcp`](Self::over_tcp).
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address.expect("only a link over TCP has a URL"))
    }

    /// A way in without sockets; it ignores the endpoint.
    pub fn connector(&self) -> DuplexConnector {
        self.connector.clone()
    }

    /// Resets all connections now, on both sides; how many. Bytes on their way are lost.
    pub fn cut(&self) -> usize {
        self.plan.cut_all()
    }

    /// Has this happen to the connection that carries the next bytes of a direction, counted from now over all connections:
    /// [`Fault::Cut`] and [`Fault::HalfClose`] right after `bytes` of them were passed on, [`Fault::Corrupt`] to the byte
    /// after those. Happens once. Each direction has one such fault waiting; another one replaces it.
    pub fn fault_after(&self, direction: Direction, bytes: u64, fault: Fault) {
        self.plan.appoint(direction, bytes, fault);
    }

    /// Cuts every connection to come after a random number of bytes of a random direction. The numbers follow from the seed,
    /// in the order in which connections are opened.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn cut_randomly(&self, seed: u64, bytes: Range<u64>) {
        assert!(!bytes.is_empty(), "a range to choose from");
        self.plan.cut_randomly(seed, bytes);
    }

    /// Passes every byte on this much later; more bytes than the line holds wait before it. Default: at once.
    pub fn set_delay(&self, direction: Direction, delay: Duration) {
        self.plan.change(|settings| settings.lane(direction).delay = delay);
    }

    /// Passes on at most so many bytes in a second for each connection, at least 1; `None` as many as come. Default: `None`.
    pub fn set_throttle(&self, direction: Direction, bytes_per_sec: Option<u32>) {
        let bytes_per_sec = bytes_per_sec.map(|bytes| bytes.max(1));
        self.plan.change(|settings| settings.lane(direction).bytes_per_sec = bytes_per_sec);
    }

    /// Passes on nothing of this direction, without telling anybody, until [`go_on`](Self::go_on).
    pub fn stall(&self, direction: Direction) {
        self.plan.change(|settings| settings.lane(direction).is_stalled = true);
    }

    /// Ends [`stall`](Self::stall).
    pub fn go_on(&self, direction: Direction) {
        self.plan.change(|settings| settings.lane(direction).is_stalled = false);
    }

    /// Resets every new connection at once, for this long from now. The connections that are open stay.
    pub fn refuse_for(&self, time: Duration) {
        self.plan.refuse_for(time);
    }

    /// Forgets every fault, setting and refusal: what is open and what comes passes through. What has been ended or
    /// corrupted stays so.
    pub fn heal(&self) {
        self.plan.heal();
    }

    /// What was done so far.
    pub fn stats(&self) -> FaultStats {
        self.plan.stats()
    }
}

impl Drop for FaultLink {
    fn drop(&mut self) {
        for accepting in &self.accepting {
            accepting.abort();
        }
        self.plan.close();
    }
}

impl fmt::Debug for FaultLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultLink")
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Leads every client of a listener on, each in a task of its own.
fn accept_all(
    listener: Arc<dyn Listener>,
    plan: Arc<Plan>,
    to_broker: Arc<dyn Connector>,
    endpoint: Endpoint,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok(client) if plan.refuses() => client.abort(),
                Ok(client) => {
                    drop(tokio::spawn(relay(plan.clone(), client, to_broker.clone(), endpoint.clone())));
                }
                Err(error) if error.is_of_one_client() => {}
                Err(error) if error.is_transient() => tokio::time::sleep(ACCEPT_PAUSE).await,
                Err(_) => return,
            }
        }
    })
}
