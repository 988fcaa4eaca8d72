//! The variable byte integer: 1 to 4 bytes, 7 bits each, least significant first (section 1.5.5).

/// The largest value: 268,435,455.
pub const VARINT_MAX: u32 = 268_435_455;

/// The most bytes that one takes.
pub const VARINT_BYTES_MAX: usize = 4;

/// How many bytes `value` takes. Values above [`VARINT_MAX`] cannot be written; callers have checked that.
pub const fn varint_len(value: u32) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}
