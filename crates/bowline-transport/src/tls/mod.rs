//! MQTT over TLS: options, the client's and the server's side, over any stream. Knows no transport below.

mod acceptor;
mod client;
mod client_config;
mod connector;
mod danger;
mod identity;
mod roots;
mod server;
mod source;

pub use acceptor::TlsAcceptor;
pub use client::{Tls, TlsVersion};
pub use connector::TlsConnector;
pub use identity::Identity;
pub use server::{LoadedTlsServer, TlsServer};
pub use source::{Certificates, PrivateKey, RevocationLists};
