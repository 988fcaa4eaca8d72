//! What of a packet may be left out to make it fit. Knows no layout.

use crate::types::{Text, UserProperties};

/// What is left of the properties that are for people, when a packet has to fit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    Everything,
    UserProperties,
    Neither,
}

impl Keep {
    pub(crate) const fn reason_string(self, reason_string: &Option<Text>) -> Option<&Text> {
        match self {
            Self::Everything => reason_string.as_ref(),
            Self::UserProperties | Self::Neither => None,
        }
    }

    pub(crate) fn user_properties(self, user_properties: &UserProperties) -> &[(Text, Text)] {
        match self {
            Self::Everything | Self::UserProperties => user_properties,
            Self::Neither => &[],
        }
    }
}
