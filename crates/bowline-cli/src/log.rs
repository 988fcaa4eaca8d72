//! The log on stderr, and the signals that change its level. Knows that the library logs, not what.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use crate::exit::say;

/// Quietest first.
const LEVELS: [LevelFilter; 5] =
    [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
const QUIET: usize = 0;
/// Where the packets are.
const DEBUG: usize = 3;

/// Starts the log, and changes its level at SIGUSR1 and SIGUSR2. Within a tokio runtime.
pub(crate) fn start(is_debug: bool) -> io::Result<()> {
    let level = if is_debug { DEBUG } else { QUIET };
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = fmt::layer().with_writer(io::stderr).with_target(false).with_ansi(false);
    // That nobody reads stderr is no reason to end.
    let lines = lines.log_internal_errors(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    follow_signals(level, handle)
}

/// The library's lines and no others.
fn targets(level: usize) -> Targets {
    Targets::new().with_target("bowline", LEVELS[level])
}

#[cfg(unix)]
fn follow_signals(mut level: usize, handle: Handle<Targets, Registry>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut more = signal(SignalKind::user_defined1())?;
    let mut less = signal(SignalKind::user_defined2())?;
    tokio::spawn(async move {
        loop {
            level = tokio::select! {
                _ = more.recv() => (level + 1).min(LEVELS.len() - 1),
                _ = less.recv() => level.saturating_sub(1),
            };
            // The subscriber lives as long as the process.
            if handle.reload(targets(level)).is_ok() {
                say("log", &format!("the level is now {}", LEVELS[level]));
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn follow_signals(_level: usize, _handle: Handle<Targets, Registry>) -> io::Result<()> {
    Ok(())
}
