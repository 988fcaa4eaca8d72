//! Ports of loopback at which nothing listens, kept for one test program. Knows nothing of who will listen there, if anybody.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use crate::random::Random;

/// The lowest and the highest port that is given out. Systems take the ports that they give to listeners without one, and to
/// connections, from above: Linux from 32,768 on, others from 49,152.
const LOWEST: u16 = 20_000;
const HIGHEST: u16 = 32_000;

/// How many are tried before it is given up.
const TRIES_MAX: usize = 1_000;

/// What other test programs see of the ports that are ours: UDP, of which no test makes use.
static OURS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// An address of loopback at which nothing listens until the test has something listen there, now or later, once or again and
/// again.
///
/// A port that the system has chosen is free for a moment only. While nothing listens there, the next listener may get it, and so
/// may any connection at its near end: that of a client that looks for the listener even connects to itself then. Ports from
/// here are none that the system chooses, and no other program that takes its ports from here gets them while this one runs.
///
/// # Panics
/// If so many ports are taken that none is found.
pub fn free_address() -> SocketAddr {
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    let mut random = Random::new(seed);
    for _ in 0..TRIES_MAX {
        let port = LOWEST + random.below(u64::from(HIGHEST - LOWEST)) as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Ok(sign) = UdpSocket::bind(address) else { continue };
        if TcpListener::bind(address).is_ok() {
            OURS.lock().unwrap_or_else(PoisonError::into_inner).push(sign);
            return address;
        }
    }
    panic!("none of {TRIES_MAX} ports on loopback is free");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_address_is_given_out_twice_and_each_can_be_listened_at_again_and_again() {
        let addresses: Vec<_> = (0..200).map(|_| free_address()).collect();
        let different: HashSet<_> = addresses.iter().collect();
        assert_eq!(different.len(), addresses.len());
        for address in addresses {
            for _ in 0..2 {
                drop(TcpListener::bind(address).expect("it is free"));
            }
        }
    }

    #[test]
    fn another_program_does_not_get_what_was_given_out_here() {
        // It would ask in the same way.
        assert!(UdpSocket::bind(free_address()).is_err());
    }
}
