//! The options of WebSocket. Knows no other option.

use bowline::transport::WebSocket;
use clap::Args;

use crate::exit::Failure;

#[derive(Args)]
#[command(next_help_heading = "WebSocket")]
pub(super) struct WebSocketArguments {
    /// Speak WebSocket to host and port (80 or, with TLS, 443, if -p is not given); a URL says ws:// or wss://
    #[arg(long, conflicts_with = "unix")]
    ws: bool,

    /// The path that --ws asks the web server for
    #[arg(long, value_name = "PATH", default_value = "/mqtt", requires = "ws")]
    ws_path: String,

    /// A header of the handshake, as `Name: value`; can be repeated. Other users of this machine see it in the list of processes
    #[arg(long, value_name = "HEADER")]
    ws_header: Vec<String>,
}

impl WebSocketArguments {
    /// The path, if WebSocket is to be spoken to a host.
    pub(super) fn path(&self) -> Option<&str> {
        self.ws.then_some(&self.ws_path)
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
