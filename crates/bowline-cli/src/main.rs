//! The `bowline` program: reads the command line and runs the command that it names. Knows no MQTT.

mod broker;
mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An MQTT client on the command line, for MQTT 3.1, 3.1.1 and 5.0.
#[derive(Parser)]
#[command(name = "bowline", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Broker(broker::BrokerArguments),
    Demo(demo::DemoArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Broker(arguments) => broker::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
    }
}
