//! How the client speaks WebSocket. Knows no stream.

use std::fmt;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::sub_protocol::SubProtocol;
use crate::websocket::handshake::{Handshake, HandshakeHook, Headers};
use crate::websocket_error::WebSocketError;

/// How the client speaks WebSocket. Path and query are those of the URL, `/` if it has none.
///
/// | option | default |
/// |---|---|
/// | [`header`](Self::header) | none beside those of the protocol |
/// | [`handshake`](Self::handshake) | nobody is asked |
/// | [`message_bytes_max`](Self::message_bytes_max) | 64 MiB |
/// | [`frame_bytes_max`](Self::frame_bytes_max) | 64 KiB |
#[derive(Clone)]
#[must_use]
pub struct WebSocket {
    headers: Headers,
    /// The first header that is none.
    problem: Option<&'static str>,
    hook: Option<Arc<dyn HandshakeHook>>,
    pub(super) limits: Limits,
}

/// How long frames and messages may be, in either direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) message_bytes_max: usize,
    pub(crate) frame_bytes_max: usize,
}

impl WebSocket {
    /// The defaults.
    pub fn new() -> Self {
        Self { headers: Headers::default(), problem: None, hook: None, limits: Limits::new() }
    }

    /// Adds a header to every handshake; one of the same name is replaced. A header that is not legal makes connecting fail: see
    /// [`Handshake::set_header`].
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Err(WebSocketError::Setting { problem, .. }) = self.headers.set(name, value) {
            self.problem.get_or_insert(problem);
        }
        self
    }

    /// Is asked before every handshake and may change it. Default: nobody.
    pub fn handshake(mut self, hook: impl HandshakeHook) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// The longest message to accept, and the longest frame, in bytes: the connection is closed at the first frame that exceeds
    /// it, before its bytes are there. A server may put any number of MQTT packets into a message, and a message is read as a
    /// whole, so this bounds the largest packet too. Default: 64 MiB.
    pub const fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.message_bytes_max = bytes;
        self
    }

    /// The longest frame to send, in bytes, at least 1: longer packets become several messages. Default: 64 KiB.
    pub const fn frame_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.frame_bytes_max = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// The handshake of an attempt, as the options and the hook want it.
    pub(super) async fn prepare(
        &self,
        endpoint: &Endpoint,
        sub_protocol: SubProtocol,
    ) -> Result<Handshake, WebSocketError> {
        if let Some(problem) = self.problem {
            return Err(WebSocketError::Setting { option: "header", problem });
        }
        let handshake = Handshake::new(endpoint, sub_protocol, self.headers.clone());
        let handshake = match &self.hook {
            Some(hook) => {
                hook.handshake(handshake).await.map_err(|source| WebSocketError::Hook { source })?
            }
            None => handshake,
        };
        handshake.check()?;
        Ok(handshake)
    }
}

impl Limits {
    pub(super) const fn new() -> Self {
        Self { message_bytes_max: 64 << 20, frame_bytes_max: 64 << 10 }
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("headers", &self.headers)
            .field("has_hook", &self.hook.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
