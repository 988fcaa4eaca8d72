//! The bytes of WebSocket, made and taken apart by hand: independent of the library under test.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bowline_transport::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::within;

pub(super) const FIN: u8 = 0x80;
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame as a server sends it; `first` is opcode and FIN.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=0xffff => frame.extend_from_slice(&[&[126], &(len as u16).to_be_bytes()[..]].concat()),
        len => frame.extend_from_slice(&[&[127], &(len as u64).to_be_bytes()[..]].concat()),
    }
    frame.extend_from_slice(payload);
    frame
}

/// The same as a client sends it, masked.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut frame = frame(first, payload);
    let header_bytes = frame.len() - payload.len();
    frame[1] |= 0x80;
    for (byte, mask) in frame[header_bytes..].iter_mut().zip(MASK.iter().cycle()) {
        *byte ^= mask;
    }
    frame.splice(header_bytes..header_bytes, MASK);
    frame
}

/// The next frame: opcode with FIN, and the payload without its mask, which a client's must have.
pub(super) async fn read_frame(stream: &mut Stream, is_from_client: bool) -> (u8, Vec<u8>) {
    let first = byte(stream).await;
    let second = byte(stream).await;
    assert_eq!(second & 0x80 != 0, is_from_client, "clients mask and servers do not");
    let bytes = match second & 0x7f {
        126 => u64::from(within(stream.read_u16()).await.expect("a length")),
        127 => within(stream.read_u64()).await.expect("a length"),
        bytes => u64::from(bytes),
    };
    let mut mask = [0; 4];
    if is_from_client {
        within(stream.read_exact(&mut mask)).await.expect("a mask");
    }
    let mut payload = vec![0; usize::try_from(bytes).expect("a length that is meant")];
    within(stream.read_exact(&mut payload)).await.expect("a payload");
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    (first, payload)
}

async fn byte(stream: &mut Stream) -> u8 {
    within(stream.read_u8()).await.expect("a frame")
}

pub(super) async fn send(stream: &mut Stream, bytes: &[u8]) {
    within(stream.write_all(bytes)).await.expect("the other side is there");
    within(stream.flush()).await.expect("the other side is there");
}

/// Until the empty line.
pub(super) async fn read_head(stream: &mut Stream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(stream).await);
    }
    String::from_utf8(head).expect("a head is text")
}

/// A server's answer to a request, with this sub-protocol.
pub(super) fn answer_to(request: &str, sub_protocol: Option<&str>) -> Vec<u8> {
    let key = header(request, "Sec-WebSocket-Key").expect("a key");
    let digest = sha1_smol::Sha1::from(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")).digest();
    let accept = STANDARD.encode(digest.bytes());
    let sub_protocol =
        sub_protocol.map_or(String::new(), |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    format!(
        "HTTP/1.1 101 Changing\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, Upgrade\r\n{sub_protocol}Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}
