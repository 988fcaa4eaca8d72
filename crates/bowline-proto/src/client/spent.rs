//! What the engine is done with: messages may hold buffers whose drop runs code of the application. Knows no state.

use alloc::vec::Vec;

use crate::codec::Outgoing;
use crate::types::Message;

/// Something that is not needed any more, kept to be dropped where that can do no harm: a driver that shares the engine
/// behind a lock does it without the lock.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "made to be dropped")]
pub enum Spent {
    /// A publication that was sent or acknowledged.
    Message(Message),
    /// What a lost connection did not write.
    Output(Outgoing),
}

/// Where such things go: to the driver if it has given them room, else they are dropped at once.
#[derive(Debug, Default)]
pub(crate) struct SpentRoom(pub(crate) Vec<Spent>);

impl SpentRoom {
    #[inline]
    pub(crate) fn message(&mut self, message: Message) {
        if self.0.capacity() > 0 {
            self.0.push(Spent::Message(message));
        }
    }

    pub(crate) fn output(&mut self, output: Outgoing) {
        if self.0.capacity() > 0 && !output.is_empty() {
            self.0.push(Spent::Output(output));
        }
    }
}
