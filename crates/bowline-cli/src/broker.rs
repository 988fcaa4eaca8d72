//! `bowline broker`: the small broker as a program of its own. Knows no client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use bowline_broker::{Broker, BrokerEvent, BrokerEvents};
use clap::{ArgAction, Args};

use crate::exit::{Failure, finish, say};
use crate::stop::Stopping;

/// Run a small broker in memory, for trying things out; not for production
#[derive(Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct BrokerArguments {
    /// The port to listen on; 0 takes a free one
    #[arg(short, long, default_value_t = 1883)]
    port: u16,

    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// Tell on stderr who connects, who leaves and why, and what clients do wrong
    #[arg(short, long)]
    verbose: bool,

    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

const AFTER_HELP: &str = "\
It runs until Ctrl-C or SIGTERM, and exits with 0 then; with 1 if it cannot listen.

Examples:
  bowline broker                        on 127.0.0.1 and port 1883
  bowline broker -p 0 -v                on a free port, which it prints, with a line for each event
  bowline broker --bind 0.0.0.0         for everybody who can reach this machine";

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn run(arguments: BrokerArguments) -> ExitCode {
    finish("broker", serve(arguments).await)
}

async fn serve(arguments: BrokerArguments) -> Result<u8, Failure> {
    let mut stopping = Stopping::watch(None).map_err(|error| Failure::new(error.to_string()))?;
    let address = SocketAddr::new(arguments.bind, arguments.port);
    let broker = Broker::builder().listen(address).start().await;
    let broker = broker.map_err(|error| Failure::new(error.to_string()))?;
    let events = arguments.verbose.then(|| tokio::spawn(tell(broker.events())));
    for address in broker.addresses() {
        say("broker", &format!("listening on mqtt://{address}"));
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
            BrokerEvent::Missed { count, .. } => say("broker", &format!("{count} events were not shown")),
            _ => {}
        }
    }
}
