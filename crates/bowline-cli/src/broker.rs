//! `bowline broker`: the small broker as a program of its own. Knows no client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use bowline_broker::Broker;
use clap::Args;

/// Run a small broker in memory, for trying things out; not for production
#[derive(Args)]
pub(crate) struct BrokerArguments {
    /// The port to listen on; 0 takes a free one
    #[arg(short, long, default_value_t = 1883)]
    port: u16,

    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
}

/// Runs until Ctrl-C.
pub(crate) async fn run(arguments: BrokerArguments) -> ExitCode {
    let address = SocketAddr::new(arguments.bind, arguments.port);
    let broker = match Broker::builder().listen(address).start().await {
        Ok(broker) => broker,
        Err(error) => {
            eprintln!("bowline broker: {error}");
            return ExitCode::FAILURE;
        }
    };
    for address in broker.addresses() {
        eprintln!("bowline broker: listening on mqtt://{address}");
    }
    match tokio::signal::ctrl_c().await {
        Ok(()) => {
            broker.shut_down().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bowline broker: cannot wait for Ctrl-C: {error}");
            ExitCode::FAILURE
        }
    }
}
