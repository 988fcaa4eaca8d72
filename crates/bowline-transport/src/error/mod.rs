//! What keeps a stream from coming about, on either side. Knows sockets' errors, no transport's inner workings.

mod accept;
mod connect;
mod connect_text;
mod listen;

pub use accept::AcceptError;
pub use connect::{ConnectError, ConnectErrorKind};
pub use listen::ListenError;
