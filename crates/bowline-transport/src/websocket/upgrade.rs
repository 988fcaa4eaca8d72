//! The client's side of the handshake: sends the request and judges the answer. Knows no time limit.

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use crate::stream::{Framed, Side, Stream};
use crate::sub_protocol::SubProtocol;
use crate::websocket::handshake::Handshake;
use crate::websocket::head::{self, HEADERS_MAX, Head};
use crate::websocket::options::Limits;
use crate::websocket_error::WebSocketError;

/// Most characters of a server's sub-protocol that an error shows.
const SHOWN_MAX: usize = 64;

const NOT_HTTP: &str = "its answer is not HTTP; check the port";

/// Makes a WebSocket of an open stream.
pub(super) async fn upgrade(
    mut stream: Stream,
    handshake: &Handshake,
    limits: Limits,
) -> Result<Stream, WebSocketError> {
    let peer = || handshake.endpoint().host_and_port();
    let failed = |source| WebSocketError::Io { peer: peer(), source };
    let is_encrypted = stream.description().transport() == "tls";
    let key = head::new_key().map_err(failed)?;
    stream.write_all(handshake.request(&key).as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let wrong = |problem| WebSocketError::Handshake { peer: peer(), problem };
    let (answer, rest) = match head::read(&mut stream, head::can_begin_answer).await.map_err(failed)? {
        Head::Whole(answer, rest) => (answer, rest),
        Head::TooLong => return Err(wrong("its answer is longer than 16 KiB")),
        Head::NotHttp(start) if start.starts_with(&head::TLS_ALERT) && !is_encrypted => {
            return Err(WebSocketError::SpeaksTls { peer: peer() });
        }
        Head::NotHttp(_) => return Err(wrong(NOT_HTTP)),
        Head::Ended if is_encrypted => {
            return Err(wrong(
                "it closed the connection without an answer; check the port, which may be one for mqtts://",
            ));
        }
        Head::Ended => {
            return Err(wrong(
                "it closed the connection without an answer; check the port, which may be one for mqtt:// or wss://",
            ));
        }
    };
    judge(&answer, &key, handshake.sub_protocol(), &peer())?;
    Ok(framed(stream, rest, Side::Client, limits))
}

/// The WebSocket over a stream, from which the other side's first frames may have been read already.
pub(super) fn framed(stream: Stream, read_ahead: Bytes, side: Side, limits: Limits) -> Stream {
    let Limits { message_bytes_max, frame_bytes_max } = limits;
    Stream::websocket(Framed::new(stream, read_ahead, side, message_bytes_max, frame_bytes_max))
}

fn judge(answer: &[u8], key: &str, wanted: SubProtocol, peer: &str) -> Result<(), WebSocketError> {
    let wrong = |problem| WebSocketError::Handshake { peer: peer.to_owned(), problem };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    // The end of the head was found, so a part of a head is as wrong as none.
    if !response.parse(answer).is_ok_and(|parsed| parsed.is_complete()) {
        return Err(wrong(NOT_HTTP));
    }
    match response.code {
        Some(101) => {}
        Some(status) => return Err(WebSocketError::Status { peer: peer.to_owned(), status }),
        None => return Err(wrong("its answer has no status")),
    }
    let headers = &*response.headers;
    let is_upgrade =
        head::header(headers, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    if !is_upgrade || !head::items(headers, "connection").any(|item| item.eq_ignore_ascii_case(b"upgrade")) {
        return Err(wrong("it changes to another protocol than WebSocket"));
    }
    if head::header(headers, "sec-websocket-accept") != Some(head::accept_of(key.as_bytes()).as_bytes()) {
        return Err(wrong(
            "it answers to another key than the one that was sent; something between may have kept an answer",
        ));
    }
    if head::header(headers, "sec-websocket-extensions").is_some() {
        return Err(wrong("it uses an extension that was not asked for"));
    }
    // [MQTT-6.0.0-4] [MQTT-6.0.0-4 of 3.1.1]
    match head::header(headers, "sec-websocket-protocol") {
        None => Err(WebSocketError::SubProtocolMissing { peer: peer.to_owned(), wanted }),
        Some(answered) if answered == wanted.name().as_bytes() => Ok(()),
        Some(answered) => {
            let printable = answered.iter().filter(|byte| byte.is_ascii_graphic());
            let answered = printable.take(SHOWN_MAX).map(|&byte| char::from(byte)).collect();
            Err(WebSocketError::SubProtocolWrong { peer: peer.to_owned(), wanted, answered })
        }
    }
}
