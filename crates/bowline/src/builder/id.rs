//! Client identifiers and seeds out of nothing.

use std::hash::{BuildHasher, RandomState};

/// A number that differs between clients, processes and machines. Not for secrets.
pub(super) fn random_seed() -> u64 {
    // The standard library keys each of these at random, from the operating system.
    RandomState::new().hash_one(std::process::id())
}

/// A client identifier that every broker must accept: 23 letters and digits.
// [MQTT-3.1.3-5] [MQTT-3.1.3-5 of 3.1.1]
pub(super) fn generated_client_id() -> String {
    const PREFIX: &str = "bowline";
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const LENGTH: usize = 23;
    let mut random = u128::from(random_seed()) << 64 | u128::from(random_seed());
    let mut id = String::from(PREFIX);
    while id.len() < LENGTH {
        let digit = usize::try_from(random % 36).expect("it is less than 36");
        id.push(char::from(ALPHABET[digit]));
        random /= 36;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_identifiers_are_legal_everywhere_and_differ() {
        let (one, other) = (generated_client_id(), generated_client_id());
        assert_eq!(one.len(), 23);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}
