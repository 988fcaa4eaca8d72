//! MQTT over WebSocket, over any stream: the connector and the acceptor, and the handshake of both sides.

mod acceptor;
mod answer;
mod connector;
mod handshake;
mod head;
mod options;
mod upgrade;

pub use acceptor::WebSocketAcceptor;
pub use connector::WebSocketConnector;
pub use handshake::{Handshake, HandshakeFuture, HandshakeHook};
pub use options::WebSocket;
