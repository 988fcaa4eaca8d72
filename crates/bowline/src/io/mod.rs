//! Bytes and time: everything between the engine's outputs and tokio. Makes no protocol decision.

mod dial;
mod driver;
mod farewell;
mod greeting;
mod incoming;
mod last_writes;
mod link;
mod read_buffer;
mod target;
mod timer;

pub(crate) use dial::Dialer;
pub(crate) use driver::Driver;
