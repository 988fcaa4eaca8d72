//! The `bowline` program: reads the command line and runs the command that it names. Knows no MQTT.

mod broker;
mod connect;
mod demo;
mod exit;
mod json;
mod log;
mod publish;
mod stop;
mod store;
mod subscribe;
mod watching;

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Parser, Subcommand};
use tokio::runtime::Builder;

/// An MQTT client on the command line, for MQTT 3.1, 3.1.1 and 5.0.
#[derive(Parser)]
#[command(name = "bowline", version, arg_required_else_help = true, disable_help_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Show this help; `bowline COMMAND --help` shows that of a command
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Subcommand)]
enum Command {
    Pub(Box<publish::PublishArguments>),
    Sub(Box<subscribe::SubscribeArguments>),
    Broker(broker::BrokerArguments),
    Store(store::StoreArguments),
    Demo(demo::DemoArguments),
}

async fn run(command: Command) -> ExitCode {
    match command {
        Command::Pub(arguments) => publish::run(*arguments).await,
        Command::Sub(arguments) => subscribe::run(*arguments).await,
        Command::Broker(arguments) => broker::run(arguments).await,
        Command::Store(arguments) => store::run(arguments),
        Command::Demo(arguments) => demo::run(arguments).await,
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let runtime = match runtime(&arguments.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::say("start", &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(arguments.command));
    // A thread may still wait for input that never comes.
    runtime.shutdown_background();
    code
}

/// What runs a command. One that counts on what cannot happen between two of its steps gets one thread for all tasks.
fn runtime(command: &Command) -> Builder {
    match command {
        Command::Pub(arguments) if arguments.needs_one_thread() => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

/// Shows the help, or what is wrong with the command line; the latter without passwords, and URLs that may have one in them.
fn refuse(error: &clap::Error) -> ExitCode {
    let mut text = error.render().to_string();
    // The URLs of the help are examples.
    let arguments = error.use_stderr().then(|| std::env::args_os().skip(1)).into_iter().flatten();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        // Of `--option=value` the value alone is shown; and of `-pvalue`.
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, value),
            _ if argument.starts_with('-') => ("", argument.get(2..).unwrap_or("")),
            _ => ("", &*argument),
        };
        if option.starts_with("--pw") && !value.is_empty() {
            text = text.replace(&format!("'{value}'"), "(a password)");
        } else if let Some(at) = value.find("://") {
            text = text.replace(&value[at..], "://(not shown)");
        } else if value.contains('@') {
            text = text.replace(value, "(a URL)");
        }
    }
    // Somebody may have meant -P.
    if let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
        && option.starts_with("--port ")
    {
        text = text.replace(&format!("'{value}'"), "(not shown)");
    }
    // Whether it is read changes nothing.
    _ = if error.use_stderr() {
        std::io::stderr().write_all(text.as_bytes())
    } else {
        std::io::stdout().write_all(text.as_bytes())
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE))
}
