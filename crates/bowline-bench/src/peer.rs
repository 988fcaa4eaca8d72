//! The trivial sink and source that the client talks to, in a thread of its own. Owns the listening socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use crate::end::End;
use crate::flood::Flood;
use crate::plan::Plan;
use crate::relay;

/// A peer that serves one connection.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    thread: JoinHandle<io::Result<Served>>,
}

/// What a peer has seen of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// PUBLISH packets that it received.
    pub published: u64,
    /// PUBREL packets that it received.
    pub released: u64,
    /// Messages of its own that were acknowledged to the end.
    pub completed: u64,
}

impl Peer {
    /// Listens on a free port of the loopback interface. When a client subscribes, the messages of the plan are sent, and
    /// the connection is closed once they are acknowledged. A plan with a transport puts a relay before it.
    ///
    /// # Errors
    /// If no socket can be opened.
    pub fn start(plan: Plan) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own_address = listener.local_addr()?;
        let relayed = plan.transport.map(|transport| relay::start(transport, own_address));
        let address = relayed.unwrap_or(Ok(own_address))?;
        let flood = Flood::new(&plan);
        let thread = std::thread::spawn(move || serve(&listener, plan, flood));
        Ok(Self { address, thread })
    }

    /// Where it, or its relay, listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the connection.
    ///
    /// # Errors
    /// What went wrong on the connection.
    ///
    /// # Panics
    /// If the peer's thread has.
    pub fn served(self) -> io::Result<Served> {
        self.thread.join().expect("the peer does not panic")
    }
}

fn serve(listener: &TcpListener, plan: Plan, mut flood: Flood) -> io::Result<Served> {
    let (stream, _) = listener.accept()?;
    let mut end = End::new(plan, stream)?;
    while end.read()? {
        if std::mem::take(&mut end.counted.has_subscribed) {
            end.flood(&mut flood)?;
            end.close()?;
            break;
        }
    }
    let counted = end.counted;
    Ok(Served { published: counted.published, released: counted.released, completed: counted.completed })
}
