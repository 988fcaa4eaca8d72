//! MQTT over plain TCP: the connector and the acceptor, and the options that both put on a socket.

mod acceptor;
mod attempt;
mod connector;
mod options;
mod race;
mod resolve;

pub use acceptor::TcpAcceptor;
pub use connector::TcpConnector;
pub use options::{TcpKeepAlive, TcpOptions};
