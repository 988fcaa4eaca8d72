//! Behaviour of the transports, seen from outside: endpoints in, bytes and errors out. Uses loopback addresses only.

mod duplex;
mod endpoint;
mod in_process;
mod seam;
mod tcp_connect;
mod tcp_options;
mod tcp_stream;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod time_limits;
#[cfg(feature = "tls")]
mod tls;
#[cfg(unix)]
mod unix;
#[cfg(feature = "websocket")]
mod websocket;
