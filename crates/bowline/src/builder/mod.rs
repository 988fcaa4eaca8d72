//! Everything that a client is made with. Owns the defaults and the checks; knows how a client is started, not what it does.

mod error;
mod id;
mod opening;
mod options;
mod send_queue;
mod session;
mod start;
mod transport_options;
mod transports;
mod will;

pub use error::ConnectError;
pub(crate) use options::sealed;
pub use options::{Builder, Role};
pub use send_queue::{OnFull, SendQueue};
pub use session::Session;
pub use start::BuilderWithUnrouted;
pub use will::Will;
