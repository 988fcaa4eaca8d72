//! The server's side of the handshake: judges the request and answers. Knows no time limit.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use crate::stream::{Side, Stream};
use crate::sub_protocol::SubProtocol;
use crate::websocket::head::{self, HEADERS_MAX, Head};
use crate::websocket::options::Limits;
use crate::websocket::upgrade::framed;
use crate::websocket_error::WebSocketError;

/// The first byte of an MQTT client.
const CONNECT: u8 = 0x10;

/// The first byte of a TLS client.
const TLS_HANDSHAKE: u8 = 0x16;

/// How much of what is not taken is read all the same.
const DRAINED_BYTES_MAX: usize = 256 * 1024;

/// What a server says to a request that it does not take.
struct Refusal {
    status: &'static str,
    /// Headers that belong to the status.
    headers: &'static str,
    problem: &'static str,
}

/// Makes a WebSocket of a stream on which a client is about to ask for one. A client that is refused gets an answer that says why.
pub(super) async fn answer(
    mut stream: Stream,
    path: Option<&str>,
    limits: Limits,
) -> Result<Stream, WebSocketError> {
    let peer = stream.description().peer().to_owned();
    let failed = |source| WebSocketError::ClientIo { peer: peer.clone(), source };
    let judged = match head::read(&mut stream, head::can_begin_request).await.map_err(failed)? {
        Head::Whole(request, rest) => judge(&request, path).and_then(|accepted| {
            // A client has to wait for the answer; what comes before it was meant for something between.
            if rest.is_empty() { Ok(accepted) } else { Err(Refusal::bad("it goes on without an answer")) }
        }),
        Head::TooLong => Err(Refusal::bad("it is longer than 16 KiB")),
        Head::NotHttp(start) => Err(Refusal::bad(what_it_is(&start))),
        Head::Ended => {
            let problem = "it ended the connection before its request was whole";
            return Err(WebSocketError::Handshake { peer, problem });
        }
    };
    match judged {
        Ok((accept, sub_protocol)) => {
            let response = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {sub_protocol}\r\n\r\n"
            );
            stream.write_all(response.as_bytes()).await.map_err(failed)?;
            stream.flush().await.map_err(failed)?;
            Ok(framed(stream, bytes::Bytes::new(), Side::Server, limits))
        }
        Err(Refusal { status, headers, problem }) => {
            let response = format!(
                "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{problem}\n",
                problem.len() + 1
            );
            drain(&mut stream).await;
            stream.write_all(response.as_bytes()).await.map_err(failed)?;
            stream.shutdown().await.map_err(failed)?;
            Err(WebSocketError::Handshake { peer, problem })
        }
    }
}

/// What somebody says who does not speak HTTP.
fn what_it_is(start: &[u8]) -> &'static str {
    match start {
        [CONNECT, ..] => "it is MQTT without WebSocket; connect with ws:// or wss://",
        [TLS_HANDSHAKE, ..] => "it is TLS, which is not spoken here; connect with ws://",
        _ => "it is not HTTP",
    }
}

/// Reads what is there without waiting for more: a socket that is closed with unread bytes is reset, and with that the client
/// would lose the answer.
async fn drain(stream: &mut Stream) {
    let mut bytes = [0; 1024];
    for _ in 0..DRAINED_BYTES_MAX / bytes.len() {
        let is_there = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            Poll::Ready(matches!(read, Poll::Ready(Ok(()))) && !buffer.filled().is_empty())
        });
        if !is_there.await {
            return;
        }
    }
}

/// What to answer to the key, and what was agreed on.
fn judge(request: &[u8], path: Option<&str>) -> Result<(String, SubProtocol), Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    if !parsed.parse(request).is_ok_and(|parsed| parsed.is_complete()) {
        return Err(Refusal::bad("it is not HTTP"));
    }
    if parsed.method != Some("GET") || parsed.version != Some(1) {
        return Err(Refusal::bad("it is no GET of HTTP/1.1"));
    }
    let asked = parsed.path.unwrap_or_default();
    if path.is_some_and(|path| asked.split('?').next() != Some(path)) {
        return Err(Refusal { status: "404 Not Found", ..Refusal::bad("nothing listens at its path") });
    }
    let headers = &*parsed.headers;
    let has_item = |name, wanted: &[u8]| head::items(headers, name).any(|it| it.eq_ignore_ascii_case(wanted));
    if !has_item("upgrade", b"websocket") || !has_item("connection", b"upgrade") {
        return Err(Refusal {
            status: "426 Upgrade Required",
            headers: "Upgrade: websocket\r\n",
            problem: "it asks for no WebSocket",
        });
    }
    if head::header(headers, "sec-websocket-version") != Some(b"13") {
        return Err(Refusal {
            status: "426 Upgrade Required",
            headers: "Sec-WebSocket-Version: 13\r\n",
            problem: "it asks for another version of WebSocket than 13",
        });
    }
    let Some(key) = head::header(headers, "sec-websocket-key").filter(|key| head::is_key(key)) else {
        return Err(Refusal::bad("its key is not 16 bytes in base64"));
    };
    // [MQTT-6.0.0-3] [MQTT-6.0.0-3 of 3.1.1]
    let named = |name: &[u8]| SubProtocol::ALL.into_iter().find(|known| known.name().as_bytes() == name);
    let Some(sub_protocol) = head::items(headers, "sec-websocket-protocol").find_map(named) else {
        return Err(Refusal::bad("it asks for no sub-protocol of MQTT, which are mqtt and mqttv3.1"));
    };
    Ok((head::accept_of(key), sub_protocol))
}

impl Refusal {
    const fn bad(problem: &'static str) -> Self {
        Self { status: "400 Bad Request", headers: "", problem }
    }
}
