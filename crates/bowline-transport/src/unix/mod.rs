//! MQTT over Unix sockets: the connector and the acceptor. Knows no MQTT and no TCP.

mod acceptor;
mod connector;
mod turn;

pub use acceptor::UnixAcceptor;
pub use connector::UnixConnector;
