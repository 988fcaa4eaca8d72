//! Topic names and topic filters: two types, because a wildcard is legal in one and not in the other [MQTT-4.7.0-1].

use alloc::string::String;
use core::fmt;

use bytes::Bytes;

use crate::types::text::{Text, TextError};

/// The topic of an application message: at least one character, no wildcards (sections 3.3.2.1 and 4.7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Text);

/// What a subscription matches topics with (section 4.7): levels, `+` for one level, `#` for all that follow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Text);

impl TopicName {
    /// A topic from a string that lives as long as the program, without copying.
    ///
    /// # Errors
    /// [`TopicError`] if it is empty, has a wildcard, or is not an MQTT string.
    pub fn from_static(topic: &'static str) -> Result<Self, TopicError> {
        Self::try_from(Bytes::from_static(topic.as_bytes()))
    }

    /// A topic from bytes that are not empty and that `text::is_plain` has found to have no wildcards.
    #[inline]
    pub(crate) const fn from_plain(bytes: Bytes) -> Self {
        Self(Text::from_checked(bytes))
    }

    /// The topic as a string.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The topic's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Length in bytes, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a topic name is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The text it is made of.
    pub fn into_text(self) -> Text {
        self.0
    }
}

impl TopicFilter {
    /// A filter from a string that lives as long as the program, without copying.
    ///
    /// # Errors
    /// [`TopicError`] if it is empty, misplaces a wildcard, is a bad shared filter, or is not an MQTT string.
    pub fn from_static(filter: &'static str) -> Result<Self, TopicError> {
        Self::try_from(Bytes::from_static(filter.as_bytes()))
    }

    /// A shared subscription: `$share/{share_name}/{filter}` (section 4.8.2). MQTT 5.0; some older brokers have it too.
    ///
    /// # Errors
    /// [`TopicError`] if the share name is empty or has `/`, `+` or `#`, or the filter is not valid.
    pub fn shared(share_name: &str, filter: &str) -> Result<Self, TopicError> {
        // A slash would silently move the rest of the name into the filter.
        if share_name.contains('/') {
            return Err(TopicError::BadShare);
        }
        Self::try_from(alloc::format!("{SHARE_PREFIX}{share_name}/{filter}"))
    }

    /// The filter as a string, `$share` prefix included [MQTT-3.10.4-1].
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The filter's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Length in bytes, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a topic filter is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The share name, if this is a shared subscription.
    pub fn share_name(&self) -> Option<&str> {
        let rest = self.as_str().strip_prefix(SHARE_PREFIX)?;
        rest.split_once('/').map(|(name, _)| name)
    }

    /// The part that topics are matched against: without `$share/{name}/` [MQTT-4.8.2-2].
    pub fn matching_part(&self) -> &[u8] {
        match self.as_bytes().strip_prefix(SHARE_PREFIX.as_bytes()) {
            Some(rest) => {
                let slash = rest.iter().position(|&byte| byte == b'/').expect("checked when it was made");
                &rest[slash + 1..]
            }
            None => self.as_bytes(),
        }
    }

    /// Whether it has `+` or `#`.
    pub fn has_wildcard(&self) -> bool {
        self.matching_part().iter().any(|&byte| byte == b'+' || byte == b'#')
    }

    /// Whether a topic matches: level by level, byte by byte [MQTT-4.7.3-4], and never a topic that starts with `$`
    /// against a filter that starts with a wildcard [MQTT-4.7.2-1].
    pub fn matches(&self, topic: &TopicName) -> bool {
        // [MQTT-4.7.2-1] [MQTT-4.7.3-4] [MQTT-4.7.2-1 of 3.1.1] [MQTT-4.7.3-4 of 3.1.1]
        let filter = self.matching_part();
        let topic = topic.as_bytes();
        if topic[0] == b'$' && (filter[0] == b'+' || filter[0] == b'#') {
            return false;
        }
        let mut topic_levels = topic.split(|&byte| byte == b'/');
        for level in filter.split(|&byte| byte == b'/') {
            if level == b"#" {
                // Also matches the parent level itself (section 4.7.1.2).
                return true;
            }
            match topic_levels.next() {
                Some(found) if level == b"+" || level == found => {}
                _ => return false,
            }
        }
        topic_levels.next().is_none()
    }
}

/// What a shared subscription starts with.
const SHARE_PREFIX: &str = "$share/";

macro_rules! conversions {
    ($name:ident, $check:ident) => {
        impl TryFrom<Text> for $name {
            type Error = TopicError;

            fn try_from(text: Text) -> Result<Self, TopicError> {
                $check(text.as_bytes())?;
                Ok(Self(text))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = TopicError;

            fn try_from(text: &str) -> Result<Self, TopicError> {
                Self::try_from(Text::try_from(text)?)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TopicError;

            fn try_from(text: String) -> Result<Self, TopicError> {
                Self::try_from(Text::try_from(text)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

conversions!(TopicName, check_name);
conversions!(TopicFilter, check_filter);

impl TryFrom<Bytes> for TopicName {
    type Error = TopicError;

    fn try_from(bytes: Bytes) -> Result<Self, TopicError> {
        Self::try_from(Text::try_from(bytes)?)
    }
}

impl TryFrom<Bytes> for TopicFilter {
    type Error = TopicError;

    fn try_from(bytes: Bytes) -> Result<Self, TopicError> {
        Self::try_from(Text::try_from(bytes)?)
    }
}

fn check_name(topic: &[u8]) -> Result<(), TopicError> {
    // [MQTT-4.7.3-1] [MQTT-4.7.3-1 of 3.1.1]
    if topic.is_empty() {
        return Err(TopicError::Empty);
    }
    // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-4.7.1-1 of 3.1.1]
    match topic.iter().position(|&byte| byte == b'+' || byte == b'#') {
        Some(offset) => Err(TopicError::WildcardInName { offset }),
        None => Ok(()),
    }
}

fn check_filter(filter: &[u8]) -> Result<(), TopicError> {
    if filter.is_empty() {
        return Err(TopicError::Empty);
    }
    let levels = match filter.strip_prefix(SHARE_PREFIX.as_bytes()) {
        Some(rest) => {
            // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
            let slash = rest.iter().position(|&byte| byte == b'/').ok_or(TopicError::BadShare)?;
            let (name, levels) = (&rest[..slash], &rest[slash + 1..]);
            if name.is_empty() || levels.is_empty() || name.iter().any(|&byte| byte == b'+' || byte == b'#') {
                return Err(TopicError::BadShare);
            }
            levels
        }
        None => filter,
    };
    let mut offset = filter.len() - levels.len();
    let mut rest = levels.split(|&byte| byte == b'/').peekable();
    while let Some(level) = rest.next() {
        let lone = level.len() == 1;
        for (at, &byte) in level.iter().enumerate() {
            // Only valid filters exist, so none other can be sent. [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-3.8.3-1]
            // [MQTT-3.10.3-1] [MQTT-4.7.1-2 of 3.1.1] [MQTT-4.7.1-3 of 3.1.1] [MQTT-3.8.3-1 of 3.1.1]
            // [MQTT-3.10.3-1 of 3.1.1]
            let misplaced = match byte {
                b'#' => !lone || rest.peek().is_some(),
                b'+' => !lone,
                _ => false,
            };
            if misplaced {
                return Err(TopicError::MisplacedWildcard { offset: offset + at });
            }
        }
        offset += level.len() + 1;
    }
    Ok(())
}

/// Why a text is not a topic name or not a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// It has no characters.
    Empty,
    /// A topic name contains `+` or `#`.
    WildcardInName {
        /// Offset of the wildcard in bytes.
        offset: usize,
    },
    /// A wildcard does not fill its level, or `#` is not at the end.
    MisplacedWildcard {
        /// Offset of the wildcard in bytes.
        offset: usize,
    },
    /// A `$share/` filter without a legal share name or without a filter behind it.
    BadShare,
    /// Not an MQTT string.
    Text(TextError),
}

impl From<TextError> for TopicError {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("has no characters, the least is 1"),
            Self::WildcardInName { offset } => {
                write!(f, "has a wildcard at byte {offset}, which only filters may have")
            }
            Self::MisplacedWildcard { offset } => {
                write!(
                    f,
                    "has a misplaced wildcard at byte {offset}: + and # fill a level, # is the last one"
                )
            }
            Self::BadShare => {
                f.write_str("is not $share/NAME/FILTER with a name free of /, + and #, and a filter")
            }
            Self::Text(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TopicError {}
