//! What stands before the peer when transports are compared: ends the transport in a thread of its own and passes the bytes on
//! over TCP. Knows no MQTT. Plain TCP goes through it too, so that the transport is all that differs.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bowline_transport::{Listener, TcpAcceptor};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::transport::Transport;

const BUFFER_BYTES: usize = 64 * 1024;

/// Listens on a free port of the loopback interface, and relays one connection to the peer.
pub(crate) fn start(transport: Transport, peer: SocketAddr) -> io::Result<SocketAddr> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let tcp = TcpAcceptor::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(io::Error::other)?;
    let address = tcp.local_addr();
    let listener = listener(transport, tcp).map_err(|error| io::Error::other(error.to_string()))?;
    drop(entered);
    std::thread::spawn(move || {
        // Either end notices what is missing and says so: the relay need not.
        let _relayed = runtime.block_on(relay(&*listener, peer));
    });
    Ok(address)
}

async fn relay(listener: &dyn Listener, peer: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut client = listener.accept().await?;
    let mut peer = TcpStream::connect(peer).await?;
    peer.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut peer, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}

fn listener(transport: Transport, tcp: TcpAcceptor) -> Result<Box<dyn Listener>, Box<dyn Error>> {
    Ok(match transport {
        Transport::Tcp => Box::new(tcp),
        #[cfg(feature = "transports")]
        Transport::Tls => {
            use bowline_transport::{Certificates, Identity, PrivateKey, TlsAcceptor, TlsServer};

            let rcgen::CertifiedKey { cert, signing_key } =
                rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
            let (certificate, key) = (Certificates::bytes(cert.pem()), signing_key.serialize_pem());
            let server = TlsServer::new(Identity::new(certificate, PrivateKey::bytes(key)));
            Box::new(TlsAcceptor::new(tcp, &server)?)
        }
        #[cfg(feature = "transports")]
        Transport::WebSocket => Box::new(bowline_transport::WebSocketAcceptor::new(tcp)),
    })
}
