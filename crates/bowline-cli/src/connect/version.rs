//! `-V`: which version of MQTT to speak, or whichever the broker does. Knows no other option.

use bowline::{Builder, Role, Version, VersionFallback};

use crate::exit::Codes;

/// What `-V` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VersionChoice {
    Exactly(Version),
    /// The newest that the broker takes.
    Auto,
}

impl VersionChoice {
    /// Reads a version as Mosquitto's programs call them, and as the standards are called.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "31" | "mqttv31" | "3.1" => Ok(Self::Exactly(Version::V3_1)),
            "311" | "mqttv311" | "3.1.1" => Ok(Self::Exactly(Version::V3_1_1)),
            "5" | "mqttv5" | "5.0" => Ok(Self::Exactly(Version::V5)),
            "auto" => Ok(Self::Auto),
            _ => Err("versions are 31, 311, 5 and auto".into()),
        }
    }

    /// How a refusal is told.
    pub(super) fn codes(self) -> Codes {
        match self {
            Self::Exactly(version) if version.rules().has_properties => Codes::Reason,
            Self::Exactly(_) => Codes::Return,
            Self::Auto => Codes::Either,
        }
    }

    /// The version that is tried first.
    const fn first(self) -> Version {
        match self {
            Self::Exactly(version) => version,
            Self::Auto => Version::V5,
        }
    }

    /// Whether options of 5.0 can be relied on.
    pub(super) fn is_exactly_v5(self) -> bool {
        self == Self::Exactly(Version::V5)
    }

    pub(super) fn configure<R: Role>(self, builder: Builder<R>) -> Builder<R> {
        let builder = builder.version(self.first());
        match self {
            Self::Exactly(_) => builder,
            Self::Auto => builder.version_fallback(VersionFallback::to(Version::V3_1)),
        }
    }
}
