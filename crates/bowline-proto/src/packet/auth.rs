//! AUTH (section 3.15), MQTT 5.0 only.

use crate::packet::connect::Secret;
use crate::reason::ReasonCode;
use crate::types::{Text, UserProperties};

/// One step of an enhanced authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Auth {
    /// `Success`, `ContinueAuthentication` or `ReAuthenticate`.
    pub reason: ReasonCode,
    /// Authentication Method. Absent only in the short form, which means success.
    pub method: Option<Text>,
    /// Authentication Data; never printed.
    pub data: Option<Secret>,
    /// Reason String.
    pub reason_string: Option<Text>,
    /// User Properties.
    pub user_properties: UserProperties,
}
