//! Which of several addresses the next attempt goes to. Of those that are listed it knows the number, never what they are.

use alloc::vec::Vec;

use crate::backoff::Jitter;
use crate::types::Text;

/// The addresses that a client may connect to, by number; the driver knows what they are.
///
/// An attempt that fails is followed at once by one at the next address, until each has had its turn; then the reconnect
/// policy's delay comes. After the loss of a connection the delay comes first, and the address that was lost is the first to
/// be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addresses {
    /// How many there are. 0 counts as 1, which is the default.
    pub count: u16,
    /// In which order they are tried. Default: as they are listed.
    pub order: AddressOrder,
    /// Whether they know one another's sessions. Default: they do.
    pub sessions: AddressSessions,
    /// How often in a row a server may name another one and be followed, 0 for never. Counted anew once a connection
    /// lasted as long as resets the delays, and a second. Default 3.
    pub redirects_max: u8,
}

/// In which order addresses are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressOrder {
    /// As they are listed, around and around.
    #[default]
    Listed,
    /// Shuffled anew for every round: spreads clients over a cluster.
    Random,
}

/// Whether several addresses know one another's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressSessions {
    /// They lead to one broker or to one cluster.
    #[default]
    Shared,
    /// Each is a broker of its own. A session belongs to the address where it was made; at any other the client starts anew,
    /// and the old session counts as lost.
    Independent,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            count: 1,
            order: AddressOrder::default(),
            sessions: AddressSessions::default(),
            redirects_max: 3,
        }
    }
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new kind of address must break every driver on purpose")]
pub enum Address {
    /// An address of the list, by its place in it.
    Listed(u16),
    /// Where a server has sent us: what it named is [`ClientEngine::reference`]. Each time has a number of its own.
    ///
    /// [`ClientEngine::reference`]: crate::client::ClientEngine::reference
    Redirected(u32),
}

/// Where a client stands among its addresses.
#[derive(Debug)]
pub(crate) struct Rotation {
    current: Address,
    /// The list's order in this round, and the next place in it.
    round: Vec<u16>,
    next: usize,
    /// Attempts of this round that failed.
    failed: usize,
    redirects: u8,
    redirections: u32,
    /// What the server named that has sent us to `current`.
    reference: Option<Text>,
    /// Where a server has sent us that is there no more.
    home: Option<(Address, Text)>,
}

impl Rotation {
    pub(crate) fn new(addresses: Addresses, jitter: &mut Jitter) -> Self {
        let mut rotation = Self {
            current: Address::Listed(0),
            round: (0..addresses.count.max(1)).collect(),
            next: 0,
            failed: 0,
            redirects: 0,
            redirections: 0,
            reference: None,
            home: None,
        };
        rotation.begin_round(addresses, jitter);
        rotation.advance();
        rotation
    }

    /// The first attempt goes to this address of the list.
    pub(crate) fn begin_with(&mut self, address: u16) {
        if let Some(place) = self.round.iter().position(|&listed| listed == address) {
            self.next = place;
            self.advance();
        }
    }

    /// Where the attempt goes, or the connection leads.
    pub(crate) const fn current(&self) -> Address {
        self.current
    }

    /// What the server named that has sent us there.
    pub(crate) const fn reference(&self) -> Option<&Text> {
        self.reference.as_ref()
    }

    /// An attempt has failed; whether the next address is to be tried at once.
    pub(crate) fn on_attempt_failed(&mut self, addresses: Addresses, jitter: &mut Jitter) -> bool {
        match self.current {
            Address::Listed(_) => self.failed += 1,
            // The list has its turn, from where it was left.
            Address::Redirected(_) => {
                if !self.go_home() {
                    self.home = None;
                    self.advance();
                }
                return true;
            }
        }
        let has_untried = self.failed < self.round.len();
        if !has_untried {
            self.begin_round(addresses, jitter);
        }
        self.advance();
        has_untried
    }

    /// A connection is lost: a round begins, with the same address unless that was an exception.
    pub(crate) fn on_connection_lost(&mut self, addresses: Addresses, jitter: &mut Jitter) {
        self.failed = 0;
        match (self.current, addresses.order) {
            (Address::Redirected(_), _) if self.is_home() || self.go_home() => {}
            (Address::Listed(_), AddressOrder::Listed) => {}
            _ => {
                self.begin_round(addresses, jitter);
                self.advance();
            }
        }
    }

    /// A server has named another one; whether it is to be followed.
    pub(crate) fn redirect(&mut self, addresses: Addresses, reference: &Text, is_permanent: bool) -> bool {
        if self.redirects >= addresses.redirects_max {
            return false;
        }
        self.redirects += 1;
        self.redirections = self.redirections.wrapping_add(1);
        self.current = Address::Redirected(self.redirections);
        self.reference = Some(reference.clone());
        if is_permanent {
            self.home = Some((self.current, reference.clone()));
        }
        true
    }

    /// A connection lasted: redirections are counted anew.
    pub(crate) const fn on_lasted(&mut self) {
        self.redirects = 0;
    }

    fn is_home(&self) -> bool {
        self.home.as_ref().is_some_and(|(home, _)| *home == self.current)
    }

    /// Back from where we were sent for a while to where we were sent for good; whether there is such a place.
    fn go_home(&mut self) -> bool {
        let Some((home, reference)) = self.home.as_ref().filter(|(home, _)| *home != self.current) else {
            return false;
        };
        (self.current, self.reference) = (*home, Some(reference.clone()));
        true
    }

    fn begin_round(&mut self, addresses: Addresses, jitter: &mut Jitter) {
        self.failed = 0;
        if addresses.order == AddressOrder::Random {
            self.next = 0;
            for at in (1..self.round.len()).rev() {
                let other = usize::try_from(jitter.below(at as u64 + 1)).unwrap_or(0);
                self.round.swap(at, other);
            }
        }
    }

    fn advance(&mut self) {
        self.current = Address::Listed(self.round[self.next % self.round.len()]);
        self.reference = None;
        self.next = (self.next + 1) % self.round.len();
    }
}
