//! What is bound to a version only when it is known which one is spoken: messages, filters, limits of our own. Decides by
//! facts of the version, never by its number.

use crate::client::addresses::{Address, AddressSessions};
use crate::client::context::Context;
use crate::client::loss::AfterLoss;
use crate::client::versions::{AfterRefusal, VersionRefusal};
use crate::client::{DisconnectCause, LossClass};
use crate::time::Timestamp;
use crate::types::{Message, TopicFilter};

impl Context {
    /// Decides which version the next CONNECT speaks.
    pub(crate) fn choose_version(&mut self) {
        self.rules = self.versions.next(self.version_place()).rules();
    }

    /// The broker has accepted this version.
    pub(crate) fn on_version_accepted(&mut self) {
        self.versions.on_accepted(self.version_place(), self.rules.version);
    }

    /// The broker has refused this version: another one is tried at once, or what follows is decided as after any loss.
    pub(crate) fn after_version_refused(
        &mut self,
        refusal: VersionRefusal,
        cause: &DisconnectCause,
        now: Timestamp,
    ) -> AfterLoss {
        let place = self.version_place();
        // A session goes on in the version that it was made in.
        if self.continues_session() && self.versions.is_decided(place) {
            self.versions.end_round();
            return self.after_loss(cause, cause.class(), now);
        }
        let refused = self.rules.version;
        match self.versions.on_refused(place, refused, refusal) {
            Some(AfterRefusal::Try(next)) => AfterLoss::OtherVersion { refused, next },
            // A broker that closed on one of them may take that one the next time.
            Some(AfterRefusal::Over { is_certain: false }) => self.after_loss(cause, LossClass::Retry, now),
            Some(AfterRefusal::Over { is_certain: true }) | None => {
                self.after_loss(cause, cause.class(), now)
            }
        }
    }

    /// Where what is known of the broker at the current address is kept; where a server has sent us is not kept.
    pub(crate) const fn version_place(&self) -> Option<u16> {
        match (self.config.addresses.sessions, self.rotation.current()) {
            (AddressSessions::Shared, _) => Some(0),
            (AddressSessions::Independent, Address::Listed(place)) => Some(place),
            (AddressSessions::Independent, Address::Redirected(_)) => None,
        }
    }

    /// Whether what only 5.0 has may be asked for: it can be said, may come to be, or is left out.
    pub(crate) fn takes_v5_options(&self) -> bool {
        self.may_have_properties() || self.config.strips_v5_options()
    }

    /// Whether the version has properties, or may come to be one that has.
    pub(crate) fn may_have_properties(&self) -> bool {
        let is_open = || !self.versions.is_decided(self.version_place());
        self.rules.has_properties || (self.versions.newest().rules().has_properties && is_open())
    }

    /// Leaves out of a message what this version cannot say, if that is wished.
    pub(crate) fn strip(&self, message: &mut Message) {
        if !self.rules.has_properties && self.config.strips_v5_options() {
            message.strip_version_5();
        }
    }

    /// Whether a filter cannot be asked for as it is wanted, in this version.
    pub(crate) fn is_unsayable(&self, filter: &TopicFilter, has_user_properties: bool) -> bool {
        let needs_version_5 = || {
            let wanted = self.subscriptions.find(filter);
            has_user_properties || wanted.is_some_and(|wanted| wanted.options.needs_version_5())
        };
        !self.rules.has_properties && !self.config.strips_v5_options() && needs_version_5()
    }

    /// Most publications in flight, as far as that is ours to say.
    pub(crate) fn in_flight_max(&self) -> usize {
        let config = &self.config;
        let of_older = config.version_fallback.and_then(|fallback| fallback.in_flight_max);
        usize::from(of_older.filter(|_| !self.rules.has_properties).unwrap_or(config.in_flight_max))
    }

    /// Whether the next CONNECT goes on with a session that the broker is known to have.
    fn continues_session(&self) -> bool {
        self.standing.is_established && self.config.session.outlives_connection() && !self.starts_anew()
    }
}
