//! Which numbered messages were sent and which arrived, and what that says. Knows no client.

use std::fmt;

use bowline::QoS;

/// The account of one QoS: how often each number arrived.
#[derive(Default)]
pub(super) struct Ledger {
    arrivals: [Vec<u32>; 3],
    distinct: [usize; 3],
}

/// What the account says of one QoS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) sent: usize,
    pub(super) lost: usize,
    /// Numbers that arrived more than once.
    pub(super) doubled: usize,
}

impl Ledger {
    pub(super) fn arrived(&mut self, qos: QoS, number: usize) {
        let arrivals = &mut self.arrivals[qos as usize];
        if arrivals.len() <= number {
            arrivals.resize(number + 1, 0);
        }
        arrivals[number] += 1;
        self.distinct[qos as usize] += usize::from(arrivals[number] == 1);
    }

    /// How many different numbers have arrived.
    pub(super) const fn distinct(&self, qos: QoS) -> usize {
        self.distinct[qos as usize]
    }

    /// The account after so many were sent.
    pub(super) fn balance(&self, qos: QoS, sent: usize) -> Balance {
        let arrivals = &self.arrivals[qos as usize];
        assert!(arrivals.len() <= sent, "a message arrived that was never sent");
        Balance {
            sent,
            lost: sent - self.distinct(qos),
            doubled: arrivals.iter().filter(|count| **count > 1).count(),
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, lost, doubled } = self;
        write!(f, "{sent} sent, {lost} lost, {doubled} doubled")
    }
}
