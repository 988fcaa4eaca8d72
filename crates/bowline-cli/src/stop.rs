//! What ends a command from outside: signals and a time limit. Knows no command and no connection.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::{INTERRUPTED, TERMINATED, TIMED_OUT};

/// Why a command is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The time limit ran out.
    TimedOut,
}

impl Stop {
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => INTERRUPTED,
            Self::Terminated => TERMINATED,
            Self::TimedOut => TIMED_OUT,
        }
    }
}

/// Tells when the command is to end. Once it has, the next signal ends the process at once.
#[derive(Debug)]
pub(crate) struct Stopping {
    reason: watch::Receiver<Option<Stop>>,
    watching: JoinHandle<()>,
}

impl Stopping {
    /// Begins to watch; from now on signals do not end the process by themselves.
    pub(crate) fn watch(limit: Option<Duration>) -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (sender, reason) = watch::channel(None);
        let watching = tokio::spawn(async move {
            let stop = tokio::select! {
                stop = signals.next() => stop,
                () = sleep(limit) => Stop::TimedOut,
            };
            // Nobody waits for it if the command is about to end.
            sender.send_replace(Some(stop));
            let second = signals.next().await;
            std::process::exit(second.exit_code().into());
        });
        Ok(Self { reason, watching })
    }

    /// Waits until the command is to end.
    ///
    /// A dropped future has missed nothing.
    pub(crate) async fn wait(&mut self) -> Stop {
        match self.reason.wait_for(Option::is_some).await {
            Ok(stop) => stop.expect("that is what was waited for"),
            // The watching task never ends by itself: without it nothing can stop the command.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

async fn sleep(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.terminate.recv() => Stop::Terminated,
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) -> Stop {
        // It ends with the process.
        let _signal = self.0.recv().await;
        Stop::Interrupted
    }
}
