//! Which version is spoken when several may be: what a broker has accepted, and what it refused in this round of attempts.
//! Knows no packets and no connection.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::version::Version;

/// Lets a client fall back to older versions of MQTT when a broker does not speak the newer one.
///
/// A version counts as refused if CONNACK says so (0x84, return code 1), or if the broker closes the stream in good order
/// right after CONNECT without having sent a byte, as some do. A stream that fails, a time that runs out, and anything else
/// that a broker can say are no reason to fall back. The next older version is then tried at once, at the same address, each
/// version once.
///
/// The version that a broker accepts is kept as long as the client lives; where several addresses are
/// [independent](crate::client::AddressSessions::Independent), for each of them. Until then nothing is: if no version is
/// accepted, the next attempt begins with the newest again. A kept version is never given up for a mere close. A broker that
/// learns a newer version is found by the next client; by this one only when it refuses the version that it accepted
/// before, and no session that outlives the connection is bound to that. A durable session keeps its version.
///
/// The settings must be legal in every version that may come to be spoken: an empty client identifier, a password without
/// a user name and the like are refused when the client is made if only the newest version has them. Options that only 5.0
/// has are refused too, unless they are to be [left out](V5Options::Strip).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionFallback {
    /// The oldest version to fall back to; older than the one that is tried first.
    pub oldest: Version,
    /// What becomes of options that only 5.0 has. Default: [`V5Options::Fail`].
    pub v5_options: V5Options,
    /// Most QoS 1 and 2 publications in flight before 5.0, where a broker cannot say how many it takes; 1 to 65,519. Default: as
    /// in 5.0.
    pub in_flight_max: Option<u16>,
}

/// What becomes of options that only 5.0 has when an older version is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum V5Options {
    /// What has them fails, once it is known which version is spoken: a publication ends
    /// [forbidden](crate::client::Outcome::Forbidden), a filter is refused as *unsupported protocol version*. Options of
    /// the client itself are refused when it is made.
    #[default]
    Fail,
    /// They are left out: properties of messages, of the will and of CONNECT, No Local and the other subscription options. A
    /// session that would expire never does.
    Strip,
}

impl VersionFallback {
    /// Falls back as far as this version, step by step.
    pub const fn to(oldest: Version) -> Self {
        Self { oldest, v5_options: V5Options::Fail, in_flight_max: None }
    }

    /// Has options that only 5.0 has left out when an older version is spoken, instead of failing.
    #[must_use]
    pub const fn strip(mut self) -> Self {
        self.v5_options = V5Options::Strip;
        self
    }

    /// Sets [`in_flight_max`](Self::in_flight_max).
    #[must_use]
    pub const fn in_flight_max(mut self, publications: u16) -> Self {
        self.in_flight_max = Some(publications);
        self
    }
}

/// How a broker refused a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionRefusal {
    /// It said so.
    Told,
    /// It closed the stream without a word. It may have other reasons for that.
    Closed,
}

/// What a refusal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterRefusal {
    /// This version is tried at once.
    Try(Version),
    /// There is no other. `is_certain` says whether the broker said so of each.
    Over { is_certain: bool },
}

/// The versions that may be spoken, and what is known of the brokers.
#[derive(Debug)]
pub(crate) struct Versions {
    newest: Version,
    oldest: Version,
    /// What was accepted, by the place of the broker.
    accepted: BTreeMap<u16, Version>,
    /// What was refused in this round.
    refused: Vec<(Version, VersionRefusal)>,
}

impl Versions {
    /// `oldest` to `newest` may be spoken.
    pub(crate) const fn new(newest: Version, oldest: Version) -> Self {
        Self { newest, oldest, accepted: BTreeMap::new(), refused: Vec::new() }
    }

    /// The newest that may be spoken.
    pub(crate) const fn newest(&self) -> Version {
        self.newest
    }

    /// Whether it is known which version is spoken at this place. A place without a number is never known.
    pub(crate) fn is_decided(&self, place: Option<u16>) -> bool {
        self.newest == self.oldest || self.accepted_at(place).is_some()
    }

    /// What to say in the next CONNECT.
    pub(crate) fn next(&self, place: Option<u16>) -> Version {
        let candidate = if self.refused.is_empty() { self.accepted_at(place) } else { self.untried() };
        candidate.unwrap_or(self.newest)
    }

    /// The broker at this place takes this version.
    pub(crate) fn on_accepted(&mut self, place: Option<u16>, version: Version) {
        self.refused.clear();
        if let Some(place) = place {
            self.accepted.insert(place, version);
        }
    }

    /// The broker at this place does not take this version. `None` if that is not to be believed: it took it before.
    pub(crate) fn on_refused(
        &mut self,
        place: Option<u16>,
        version: Version,
        refusal: VersionRefusal,
    ) -> Option<AfterRefusal> {
        if self.accepted_at(place) == Some(version) && refusal == VersionRefusal::Closed {
            self.end_round();
            return None;
        }
        self.refused.push((version, refusal));
        if let Some(next) = self.untried() {
            return Some(AfterRefusal::Try(next));
        }
        let is_certain = self.refused.iter().all(|(_, refusal)| *refusal == VersionRefusal::Told);
        self.end_round();
        Some(AfterRefusal::Over { is_certain })
    }

    /// The attempts at this place are over: what was refused may be tried again.
    pub(crate) fn end_round(&mut self) {
        self.refused.clear();
    }

    fn accepted_at(&self, place: Option<u16>) -> Option<Version> {
        self.accepted.get(&place?).copied()
    }

    fn untried(&self) -> Option<Version> {
        let is_tried = |version| self.refused.iter().any(|(refused, _)| *refused == version);
        self.newest.down_to(self.oldest).find(|&version| !is_tried(version))
    }
}
