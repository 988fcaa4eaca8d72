//! `bowline broker`: the small broker as a program of its own. Knows no client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use bowline::transport::{Certificates, Identity, PrivateKey, TlsServer};
use bowline_broker::{Broker, BrokerBuilder, BrokerEvent, BrokerEvents};
use clap::{ArgAction, ArgGroup, Args};

use crate::exit::{Failure, finish, say};
use crate::stop::Stopping;

/// Run a small broker in memory, for trying things out; not for production
#[derive(Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
#[command(group = ArgGroup::new("encrypted").args(["tls_port", "wss_port"]).multiple(true))]
pub(crate) struct BrokerArguments {
    /// The port to listen on; 0 takes a free one
    #[arg(short, long, default_value_t = 1883)]
    port: u16,

    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// Listen for TLS on this port too, with --cert and --key
    #[arg(long, value_name = "PORT", requires = "cert")]
    tls_port: Option<u16>,

    /// The certificate for TLS, with those between it and its CA (PEM or DER)
    #[arg(long, value_name = "FILE", requires_all = ["key", "encrypted"])]
    cert: Option<PathBuf>,

    /// Its private key (PEM or DER, without a passphrase)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Over TLS, let in only clients with a certificate of these CAs
    #[arg(long, value_name = "FILE", requires = "cert")]
    cafile: Option<PathBuf>,

    /// Listen for WebSocket on this port too
    #[arg(long, value_name = "PORT")]
    ws_port: Option<u16>,

    /// Listen for WebSocket over TLS on this port too, with --cert and --key
    #[arg(long, value_name = "PORT", requires = "cert")]
    wss_port: Option<u16>,

    /// Listen on a Unix socket at this path too
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// Tell on stderr who connects, who leaves and why, whose handshake fails, and what clients do wrong
    #[arg(short, long)]
    verbose: bool,

    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

const AFTER_HELP: &str = "\
It runs until Ctrl-C or SIGTERM, and exits with 0 then; with 1 if it cannot listen.

Examples:
  bowline broker                   on 127.0.0.1 and port 1883
  bowline broker -p 0 -v           on a free port, and a line for each event
  bowline broker --bind 0.0.0.0    for everybody who can reach this machine
  bowline broker --ws-port 8080 --unix /run/bowline.sock
  bowline broker --tls-port 8883 --wss-port 8443 --cert a.crt --key a.key";

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn run(arguments: BrokerArguments) -> ExitCode {
    finish("broker", serve(arguments).await)
}

async fn serve(arguments: BrokerArguments) -> Result<u8, Failure> {
    let mut stopping = Stopping::watch(None).map_err(|error| Failure::new(error.to_string()))?;
    let broker = arguments.listeners(Broker::builder()).start().await;
    let broker = broker.map_err(|error| Failure::new(error.to_string()))?;
    let events = arguments.verbose.then(|| tokio::spawn(tell(broker.events())));
    for (scheme, addresses) in [
        ("mqtt", broker.addresses()),
        ("mqtts", broker.tls_addresses()),
        ("ws", broker.websocket_addresses()),
        ("wss", broker.secure_websocket_addresses()),
    ] {
        for address in addresses {
            say("broker", &format!("listening on {scheme}://{address}"));
        }
    }
    #[cfg(unix)]
    if let Some(path) = &arguments.unix {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        say("broker", &format!("listening on unix://{}", path.display()));
    }
    stopping.wait().await;
    broker.shut_down().await;
    drop(broker);
    if let Some(events) = events {
        // It ends with the broker.
        _ = events.await;
    }
    Ok(0)
}

impl BrokerArguments {
    fn listeners(&self, builder: BrokerBuilder) -> BrokerBuilder {
        let mut builder = builder.listen(SocketAddr::new(self.bind, self.port));
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let identity = Identity::new(Certificates::file(cert), PrivateKey::file(key));
            let mut tls = TlsServer::new(identity);
            if let Some(roots) = &self.cafile {
                tls = tls.client_roots(Certificates::file(roots));
            }
            if let Some(port) = self.tls_port {
                builder = builder.listen_tls(SocketAddr::new(self.bind, port), tls.clone());
            }
            if let Some(port) = self.wss_port {
                builder = builder.listen_secure_websocket(SocketAddr::new(self.bind, port), tls);
            }
        }
        if let Some(port) = self.ws_port {
            builder = builder.listen_websocket(SocketAddr::new(self.bind, port));
        }
        #[cfg(unix)]
        if let Some(path) = &self.unix {
            builder = builder.listen_unix(path);
        }
        builder
    }
}

/// A line for each event.
async fn tell(mut events: BrokerEvents) {
    while let Some(event) = events.next().await {
        match event {
            BrokerEvent::Connected { client_id, version, session_present, .. } => {
                let session = if session_present { ", goes on with its session" } else { "" };
                say("broker", &format!("client `{client_id}` connected (MQTT {version}{session})"));
            }
            BrokerEvent::Disconnected { client_id, cause, .. } => {
                say("broker", &format!("client `{client_id}` left: {cause}"));
            }
            BrokerEvent::Violation(violation) => say("broker", &format!("violation: {violation}")),
            BrokerEvent::NotAccepted { listener, error, .. } => {
                say("broker", &format!("not accepted by {listener}: {error}"));
            }
            BrokerEvent::ListenerFailed { listener, error, .. } => {
                say("broker", &format!("the listener {listener} failed: {error}"));
            }
            BrokerEvent::Missed { count, .. } => say("broker", &format!("{count} events were not shown")),
            _ => {}
        }
    }
}
