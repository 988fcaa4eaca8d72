//! The `bowline-bench` program: reads the command line and prints tables. Measures nothing itself.

mod store_command;
mod transport_command;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use bowline::Version;
use bowline_bench::{
    Peer, Plan, Transport, Workload, allocations_per_message, instructions_per_message,
    system_calls_per_message, take_part, throughput,
};
use clap::{Args, Parser, Subcommand};
use store_command::StoreCommand;

/// What a message costs in Bowline, beside a raw TCP program that moves the same bytes.
///
/// W1 to W3 publish at QoS 0 to 2, W4 to W6 receive at QoS 0 to 2. Figures are for one message; tables can be pasted into
/// docs/performance.md. Instructions and system calls are counted in a process of the client's own.
#[derive(Parser)]
#[command(name = "bowline-bench", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Messages per second, and their ratio to raw TCP: medians of interleaved rounds
    Throughput {
        #[command(flatten)]
        load: Load,
        /// How many times each is run
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Threads of the client's runtime; without it, client and application share one
        #[arg(long)]
        workers: Option<usize>,
    },
    /// Allocations of the client's thread
    Allocations(Load),
    /// User-space instructions, counted by valgrind
    Instructions(Load),
    /// System calls, counted by strace
    SystemCalls(Load),
    /// Instructions, rates and processor time over TLS and WebSocket, beside plain TCP; needs the feature `transports`
    Transports {
        #[command(flatten)]
        load: Load,
        /// How many times each is run
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// What the store of durable sessions costs
    #[command(subcommand)]
    Store(StoreCommand),
    /// Run the client once, for a profiler or a tracer
    One {
        #[command(flatten)]
        load: Load,
        /// A peer that runs already; without it, one is started in this process
        #[arg(long, hide = true)]
        peer: Option<SocketAddr>,
        /// What is spoken with it: mqtt, mqtts or ws
        #[arg(long, hide = true)]
        transport: Option<Transport>,
    },
}

#[derive(Args)]
struct Load {
    /// W1 to W6; without any, all of them
    workloads: Vec<Workload>,
    /// Messages of one run
    #[arg(long)]
    messages: Option<u64>,
    /// Bytes of each payload
    #[arg(long, default_value_t = 256)]
    payload: usize,
    /// The version of MQTT: 5 or 3.1.1
    #[arg(long, default_value = "5", value_parser = version)]
    mqtt: Version,
}

impl Load {
    fn plans(&self, messages: u64) -> impl Iterator<Item = Plan> {
        let all = if self.workloads.is_empty() { &Workload::ALL[..] } else { &self.workloads };
        all.iter().map(move |&workload| {
            let mut plan = Plan::new(workload, self.messages.unwrap_or(messages));
            (plan.version, plan.payload_bytes) = (self.mqtt, self.payload);
            plan
        })
    }
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "5" | "5.0" => Ok(Version::V5),
        "3.1.1" => Ok(Version::V3_1_1),
        _ => Err("is neither 5 nor 3.1.1".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bowline-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Messages that two counted runs have in common.
const MESSAGES_FEW: u64 = 10_000;

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    match command {
        Command::Throughput { load, rounds, workers } => {
            println!(
                "| workload | raw, messages/s | Bowline, messages/s | rate, of raw | processor time, raw of it |"
            );
            println!("|---|---|---|---|---|");
            for plan in load.plans(500_000) {
                let rates = throughput(plan, rounds, workers)?;
                let (raw, client, ratio) = (rates.raw, rates.client, rates.ratio);
                let processor =
                    rates.processor_ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
                println!("| {} | {raw:.0} | {client:.0} | {ratio:.3} | {processor} |", title(&plan));
            }
        }
        Command::Allocations(load) => {
            println!("| workload | allocations |\n|---|---|");
            for plan in load.plans(100_000) {
                println!("| {} | {:.3} |", title(&plan), allocations_per_message(plan, MESSAGES_FEW)?);
            }
        }
        Command::Instructions(load) => {
            println!("| workload | instructions |\n|---|---|");
            for plan in load.plans(50_000) {
                let price = instructions_per_message(&program, plan, MESSAGES_FEW)?;
                println!("| {} | {price:.0} |", title(&plan));
            }
        }
        Command::SystemCalls(load) => {
            println!("| workload | system calls |\n|---|---|");
            for plan in load.plans(100_000) {
                let price = system_calls_per_message(&program, plan, MESSAGES_FEW)?;
                println!("| {} | {price:.3} |", title(&plan));
            }
        }
        Command::Transports { load, rounds } => {
            transport_command::run(&program, load.plans(200_000), MESSAGES_FEW, rounds)?;
        }
        Command::Store(command) => store_command::run(&command)?,
        Command::One { load, peer, transport } => {
            for mut plan in load.plans(100_000) {
                plan.transport = transport;
                one(plan, peer)?;
            }
        }
    }
    Ok(())
}

fn one(plan: Plan, peer: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let own = if peer.is_none() { Some(Peer::start(plan)?) } else { None };
    let address = peer.or_else(|| own.as_ref().map(Peer::address)).ok_or("there is no peer")?;
    let took = take_part(plan, address, None)?;
    println!("{}: {} messages in {:?}", title(&plan), took.messages, took.time);
    if let Some(own) = own {
        own.served()?;
    }
    Ok(())
}

fn title(plan: &Plan) -> String {
    format!("{} {}", plan.workload.name(), plan.workload.description())
}
