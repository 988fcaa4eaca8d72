//! A UTF-8 string as MQTT has it: a slice of the bytes it arrived in, no NUL, at most 65,535 bytes.

use alloc::string::String;
use core::fmt;

use bytes::Bytes;

/// The most bytes that a string on the wire can have: its length is two bytes.
pub const TEXT_BYTES_MAX: usize = 65_535;

/// An MQTT string (section 1.5.4). Cheap to clone, and a slice of the input when it was received.
///
/// Only well-formed UTF-8 without U+0000 exists [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.3-1 of 3.1.1]
/// [MQTT-1.5.3-2 of 3.1.1]. A byte order mark is a character like any other [MQTT-1.5.4-3] [MQTT-1.5.3-3 of 3.1.1].
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The empty string.
    pub const EMPTY: Self = Self(Bytes::new());

    /// A string that lives as long as the program, without copying.
    ///
    /// # Errors
    /// [`TextError`] if it contains NUL or is too long.
    pub fn from_static(text: &'static str) -> Result<Self, TextError> {
        Self::try_from(Bytes::from_static(text.as_bytes()))
    }

    /// A string from bytes that [`check`] or [`is_plain`] has accepted.
    #[inline]
    pub(crate) const fn from_checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The string.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("a Text was checked when it was made")
    }

    /// The bytes of the string.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its length in bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The shared bytes behind it.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl TryFrom<Bytes> for Text {
    type Error = TextError;

    fn try_from(bytes: Bytes) -> Result<Self, TextError> {
        check(&bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<&str> for Text {
    type Error = TextError;

    fn try_from(text: &str) -> Result<Self, TextError> {
        check(text.as_bytes())?;
        Ok(Self(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::try_from(Bytes::from(text.into_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why bytes are not an MQTT string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// Not well-formed UTF-8; the value is the offset of the first bad byte.
    NotUtf8 {
        /// Offset of the first byte that is not part of a character.
        offset: usize,
    },
    /// Contains U+0000 at this offset.
    Nul {
        /// Offset of the NUL byte.
        offset: usize,
    },
    /// Longer than 65,535 bytes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { offset } => write!(f, "not well-formed UTF-8 at byte {offset}"),
            Self::Nul { offset } => write!(f, "contains U+0000 at byte {offset}"),
            Self::TooLong { bytes } => write!(f, "has {bytes} bytes, the limit is {TEXT_BYTES_MAX}"),
        }
    }
}

impl core::error::Error for TextError {}

/// Checks bytes for being an MQTT string.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<(), TextError> {
    // [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3] [MQTT-1.5.3-1 of 3.1.1] [MQTT-1.5.3-2 of 3.1.1]
    // [MQTT-1.5.3-3 of 3.1.1] [MQTT-4.7.3-2] [MQTT-4.7.3-3] [MQTT-4.7.3-2 of 3.1.1] [MQTT-4.7.3-3 of 3.1.1]
    if is_plain::<false>(bytes) { Ok(()) } else { check_any(bytes) }
}

fn check_any(bytes: &[u8]) -> Result<(), TextError> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(TextError::TooLong { bytes: bytes.len() });
    }
    if let Err(error) = core::str::from_utf8(bytes) {
        return Err(TextError::NotUtf8 { offset: error.valid_up_to() });
    }
    match bytes.iter().position(|&byte| byte == 0) {
        Some(offset) => Err(TextError::Nul { offset }),
        None => Ok(()),
    }
}

/// Whether a string is short enough, all ASCII, and has no NUL and, if asked, neither `+` nor `#`: one pass, eight
/// bytes at a time. Says no also where only a closer look can tell.
#[inline]
pub(crate) fn is_plain<const NO_WILDCARDS: bool>(bytes: &[u8]) -> bool {
    let plain = |word: [u8; 8]| high_bits_if_plain::<NO_WILDCARDS>(u64::from_ne_bytes(word));
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words = words.iter().fold(HIGH_BITS, |all, &word| all & plain(word));
    let in_rest = match (rest.is_empty(), bytes.last_chunk::<8>()) {
        (true, _) => HIGH_BITS,
        // Looks at some bytes twice, which is cheaper than one at a time.
        (false, Some(&last)) => plain(last),
        (false, None) => {
            let mut word = [b'0'; 8];
            word[..rest.len()].copy_from_slice(rest);
            plain(word)
        }
    };
    in_words & in_rest == HIGH_BITS && bytes.len() <= TEXT_BYTES_MAX
}

const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// All eight high bits set if all eight bytes are plain; anything else if not.
#[inline]
fn high_bits_if_plain<const NO_WILDCARDS: bool>(word: u64) -> u64 {
    // In a byte below 0x80, adding 0x7F sets the high bit exactly if it is not 0. A byte of 0x80 and above may carry
    // into its neighbour, but then its own high bit gives the word away.
    let not_zero = |word: u64| word.wrapping_add(u64::from_ne_bytes([0x7F; 8]));
    let text = !word & not_zero(word);
    if NO_WILDCARDS {
        // The two wildcards, # (0x23) and + (0x2B), differ in one bit.
        let joined = (word | u64::from_ne_bytes([0x08; 8])) ^ u64::from_ne_bytes([b'#' | 0x08; 8]);
        text & not_zero(joined)
    } else {
        text
    }
}
