//! The options of WebSocket. Knows no other option.

use bowline::transport::WebSocket;
use clap::Args;

use crate::connect::target::Target;
use crate::exit::Failure;

/// Where brokers listen that follow the usual examples.
const PATH_DEFAULT: &str = "/mqtt";

#[derive(Args)]
#[command(next_help_heading = "WebSocket")]
pub(super) struct WebSocketArguments {
    /// Speak WebSocket to host and port (80 or, with TLS, 443, if -p is not given); a URL says ws:// or wss://
    #[arg(long, conflicts_with = "unix")]
    ws: bool,

    /// The path that --ws asks the web server for [default: /mqtt]
    #[arg(long, value_name = "PATH", requires = "ws")]
    ws_path: Option<String>,

    /// A header of the handshake, as `Name: value`; can be repeated. Other users of this machine see it in the list of processes
    #[arg(long, value_name = "HEADER")]
    ws_header: Vec<String>,
}

impl WebSocketArguments {
    /// The path, if WebSocket is to be spoken to a host.
    pub(super) fn path(&self) -> Option<&str> {
        self.ws.then(|| self.ws_path.as_deref().unwrap_or(PATH_DEFAULT))
    }

    /// Refuses what would have to say something else than the URL does.
    pub(super) fn check_beside(&self, url: &Target) -> Result<(), Failure> {
        if self.ws_path.is_some() {
            return Err(Failure::usage("--ws-path is for --ws with a host: a URL ends with its own path"));
        }
        if self.ws && !url.is_websocket() {
            return Err(Failure::usage("--ws is for a host: a URL says ws:// or wss:// instead"));
        }
        Ok(())
    }

    /// Whether there are options that only WebSocket has.
    pub(super) const fn is_given(&self) -> bool {
        self.ws || !self.ws_header.is_empty()
    }

    pub(super) fn options(&self) -> Result<WebSocket, Failure> {
        let mut options = WebSocket::new();
        for header in &self.ws_header {
            // The text is not shown: it may be a token.
            let Some((name, value)) = header.split_once(':') else {
                return Err(Failure::usage("a header of --ws-header has no colon: it is `Name: value`"));
            };
            options = options.header(name.trim(), value.trim());
        }
        Ok(options)
    }
}
