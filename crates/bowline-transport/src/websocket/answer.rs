//! The server's side of the handshake: judges the request and answers. Knows no time limit.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::stream::{Side, Stream};
use crate::sub_protocol::SubProtocol;
use crate::websocket::head::{self, HEADERS_MAX, Head};
use crate::websocket::options::Limits;
use crate::websocket::upgrade::framed;
use crate::websocket_error::WebSocketError;

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
    let failed = |source| WebSocketError::Io { peer: peer.clone(), source };
    let judged = match head::read(&mut stream).await.map_err(failed)? {
        Head::Whole(request, rest) => judge(&request, path).and_then(|accepted| {
            // A client has to wait for the answer; what comes before it was meant for something between.
            if rest.is_empty() { Ok(accepted) } else { Err(Refusal::bad("it goes on without an answer")) }
        }),
        Head::TooLong => Err(Refusal::bad("it is longer than 16 KiB")),
        Head::Ended(_) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
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
            stream.write_all(response.as_bytes()).await.map_err(failed)?;
            stream.shutdown().await.map_err(failed)?;
            Err(WebSocketError::Handshake { peer, problem })
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
