//! The head of an HTTP message, from a stream: read until its end, and not beyond a limit. Knows no meaning of what it reads.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use sha1_smol::Sha1;
use tokio::io::AsyncReadExt;

use crate::stream::Stream;

/// Most bytes of a head.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most headers.
pub(super) const HEADERS_MAX: usize = 64;

/// The longest name of a method that is waited for.
const METHOD_BYTES_MAX: usize = 16;

/// How a server that expects TLS answers what is not TLS: with an alert.
pub(super) const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// What every server appends to the key, by RFC 6455.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What was read where a head should be.
pub(super) enum Head {
    /// A head, and what the other side has sent right after it.
    Whole(BytesMut, Bytes),
    /// More than a head can have.
    TooLong,
    /// What is no head, as far as it was read.
    NotHttp(BytesMut),
    /// The end of the stream.
    Ended,
}

/// Reads a head. `can_begin` says whether a head can begin with these bytes; what cannot is not waited for.
///
/// # Errors
///
/// What the stream says.
pub(super) async fn read(stream: &mut Stream, can_begin: impl Fn(&[u8]) -> bool) -> io::Result<Head> {
    let mut head = BytesMut::new();
    let mut searched = 0;
    loop {
        if !can_begin(&head) {
            return Ok(Head::NotHttp(head));
        }
        if let Some(at) = head[searched..].windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = head.split_off(searched + at + 4).freeze();
            return Ok(Head::Whole(head, rest));
        }
        searched = head.len().saturating_sub(3);
        if head.len() >= HEAD_BYTES_MAX {
            return Ok(Head::TooLong);
        }
        head.reserve(1024);
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(Head::Ended);
        }
    }
}

/// Whether an answer in HTTP can begin like this. One byte may also be that of a TLS alert, of which the second tells more.
pub(super) fn can_begin_answer(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/";
    let count = bytes.len().min(START.len());
    bytes[..count] == START[..count] || bytes == [TLS_ALERT[0]]
}

/// Whether a request in HTTP can begin like this: with the name of a method and a space, after empty lines.
pub(super) fn can_begin_request(bytes: &[u8]) -> bool {
    let lines = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let line = &bytes[lines..];
    let letters = line.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match line.get(letters) {
        Some(b' ') => letters > 0,
        Some(_) => false,
        None => letters <= METHOD_BYTES_MAX,
    }
}

/// What a server answers to a key.
pub(super) fn accept_of(key: &[u8]) -> String {
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(KEY_SUFFIX.as_bytes());
    STANDARD.encode(digest.digest().bytes())
}

/// A key of 16 random bytes.
pub(super) fn new_key() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(STANDARD.encode(bytes))
}

/// Whether it is the text of 16 bytes.
pub(super) fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// The value of a header, whatever the case of its name; of several the first.
pub(super) fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// The items of all headers of a name, which are lists.
pub(super) fn items<'a>(
    headers: &'a [httparse::Header<'a>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .flat_map(|header| header.value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}
