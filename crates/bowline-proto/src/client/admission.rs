//! Getting a publication into the send queue, by the policy for a full one, and out of it again when its time is up. Sends
//! nothing.

use alloc::boxed::Box;

use crate::client::config::OnFull;
use crate::client::context::Context;
use crate::client::event::{DropReason, Event, Outcome};
use crate::error::{PublishError, PublishErrorKind};
use crate::session::journal::Gated;
use crate::session::lane::Due;
use crate::session::queued::Queued;
use crate::session::stored::{Accepted, Entry};
use crate::time::Timestamp;
use crate::types::Message;

impl Context {
    /// Has a publication wait, or drops it, or hands it back. `stores` says that it must be stored before it is accepted.
    pub(super) fn enqueue(
        &mut self,
        queued: Queued,
        stores: bool,
        now: Timestamp,
    ) -> Result<(), Box<PublishError>> {
        let bytes = queued.message.content_bytes();
        let has_room = match self.config.on_full {
            OnFull::KeepLastPerTopic => self.queue.has_room_to_replace(&queued.message),
            OnFull::DropOldest => self.queue.could_make_room_for(bytes),
            OnFull::DropNewest if bytes <= self.config.queue.bytes_max => {
                if !self.queue.has_room_for(bytes) {
                    self.drop_newest(queued);
                    return Ok(());
                }
                true
            }
            OnFull::Refuse | OnFull::DropNewest => self.queue.has_room_for(bytes),
        };
        if !has_room {
            let (messages, bytes) = (self.queue.messages(), self.queue.bytes());
            let kind = PublishErrorKind::Full { messages, bytes };
            return Err(Box::new(PublishError { message: queued.message, kind }));
        }
        self.last_publication = queued.publication;
        if stores {
            let Queued { publication, message, deadline, on_session_loss, .. } = queued.clone();
            let deadline = deadline.map(|deadline| self.wall(deadline));
            let key = self.keys.enter(publication);
            let packet_id = None;
            let accepted = Accepted { publication, message, deadline, packet_id, key, on_session_loss };
            self.journal.record_before(Entry::Accepted(accepted), Gated::Accepted(publication));
        }
        let too_old_at = self.config.queue_age_max.map(|age_max| now + age_max);
        if self.config.on_full == OnFull::KeepLastPerTopic {
            if let Some(replaced) = self.queue.push_replacing(queued, too_old_at) {
                self.drop_queued(replaced, DropReason::Replaced);
            }
            return Ok(());
        }
        while self.config.on_full == OnFull::DropOldest
            && !self.queue.has_room_for(bytes)
            && let Some(oldest) = self.queue.take_oldest()
        {
            self.drop_queued(oldest, DropReason::Oldest);
        }
        self.queue.push(queued, stores, too_old_at);
        Ok(())
    }

    /// A message goes out past those that wait: the one of its topic that it makes pointless does not follow it.
    pub(super) fn drop_overtaken(&mut self, message: &Message) {
        if self.config.on_full == OnFull::KeepLastPerTopic
            && let Some(overtaken) = self.queue.take_of_topic(message)
        {
            self.drop_queued(overtaken, DropReason::Replaced);
        }
    }

    /// Ends those whose time in the queue is up.
    #[inline]
    pub(super) fn drop_due(&mut self, now: Timestamp) {
        if self.queue.next_due().is_some_and(|due| due <= now) {
            self.drop_all_due(now);
        }
    }

    #[cold]
    fn drop_all_due(&mut self, now: Timestamp) {
        while let Some((queued, due)) = self.queue.pop_due(now) {
            self.has_changed = true;
            match due {
                Due::Expired => self.expire(queued),
                Due::TooOld => self.drop_queued(queued, DropReason::TooOld),
            }
        }
    }

    /// Ends one whose expiry interval passed while it waited.
    pub(super) fn expire(&mut self, queued: Queued) {
        self.stats.publications_expired += u64::from(!queued.is_in_doubt);
        self.fail_queued(queued, |message| Outcome::Expired { message });
    }

    fn drop_queued(&mut self, queued: Queued, why: DropReason) {
        debug_assert!(!queued.is_in_doubt, "what may have been sent is not dropped");
        self.stats.publications_dropped += 1;
        self.fail_queued(queued, |message| Outcome::Dropped { message, why });
    }

    /// It never was in the queue, and so the store has nothing to end.
    fn drop_newest(&mut self, queued: Queued) {
        let Queued { publication, message, .. } = queued;
        self.last_publication = publication;
        self.stats.publications_dropped += 1;
        let outcome = Outcome::Dropped { message, why: DropReason::Newest };
        self.emit(Event::PublishEnded { publication, outcome });
    }
}
