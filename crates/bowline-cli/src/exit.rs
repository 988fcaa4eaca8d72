//! What the program tells people: texts on stderr, errors, and the exit codes that these carry. Knows no command.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use bowline::{ConnectError, DisconnectCause, Disconnection, ReasonCode};

/// What went wrong, in one or more lines without secrets, and the exit code that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
}

/// Something failed that no other code names.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong; clap's code as well.
pub(crate) const USAGE: u8 = 2;
/// What was accepted waits in its store, as there is no connection; sysexits.h calls it a temporary failure.
pub(crate) const WAITS: u8 = 75;
/// `-W` ran out; Mosquitto's programs exit with it too.
pub(crate) const TIMED_OUT: u8 = 27;
/// Ended by SIGINT or SIGTERM, as shells count it.
pub(crate) const INTERRUPTED: u8 = 130;
pub(crate) const TERMINATED: u8 = 143;

/// The part of the help texts that `pub` and `sub` share.
macro_rules! exit_codes {
    () => {
        "Exit codes:
  0         success
  1         an error; stderr says which
  2         wrong usage
  1 to 5    the broker refused (3.1 and 3.1.1): the return code of CONNACK
  128-159   the broker refused (5.0, auto): the reason code of CONNACK"
    };
}
pub(crate) use exit_codes;

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { code: FAILED, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { code: USAGE, text: text.into() }
    }

    /// The first attempt to connect failed, or an option was not legal.
    pub(crate) fn of_connecting(error: &ConnectError, codes: Codes) -> Self {
        match error.disconnection() {
            Some(why) => Self::of_disconnection(why, codes),
            None if matches!(error, ConnectError::Store(_)) => Self::new(error.to_string()),
            None => Self::usage(error.to_string()),
        }
    }

    /// The client is over.
    pub(crate) fn of_disconnection(why: &Disconnection, codes: Codes) -> Self {
        let mut failure = Self::new(codes.text(why));
        if let DisconnectCause::Refused(connack) = why.cause() {
            failure.code = match codes {
                Codes::Return => connack.reason.as_connect_return_code(),
                Codes::Reason | Codes::Either => connack.reason.as_u8(),
            };
            if connack.reason == ReasonCode::UnsupportedProtocolVersion {
                failure.text.push_str("; -V says which to speak");
            }
        }
        failure
    }
}

/// The codes in which a broker says that it refuses a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Codes {
    /// The return codes of 3.1 and 3.1.1.
    Return,
    /// The reason codes of 5.0.
    Reason,
    /// Whichever the version has that comes to be spoken; exit codes are reason codes then.
    Either,
}

impl Codes {
    /// Why a connection is over, with the code that the broker has sent: the library says it in those of 5.0.
    pub(crate) fn text(self, why: &Disconnection) -> String {
        let text = with_names_of_options(&why.to_string());
        let DisconnectCause::Refused(connack) = why.cause() else { return text };
        let reason = connack.reason;
        let code = reason.as_connect_return_code();
        let theirs = match self {
            Self::Reason => return text,
            Self::Return => format!("return code {code}"),
            Self::Either if ReasonCode::from_connect_return_code(code) == Some(reason) => {
                format!("0x{:02X}; before 5.0: return code {code}", reason.as_u8())
            }
            Self::Either => return text,
        };
        text.replace(&format!("(0x{:02X})", reason.as_u8()), &format!("({theirs})"))
    }
}

/// The library's advice with what its parts are called here.
fn with_names_of_options(text: &str) -> String {
    const NAMES: [(&str, &str); 4] = [
        ("by Tls::roots", "with --cafile"),
        ("by Tls::identity", "with --cert and --key"),
        ("with Tls::server_name", "with --tls-server-name"),
        ("Tls::server_name", "--tls-server-name"),
    ];
    NAMES.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// Ends a command: says what failed, and returns the exit code.
pub(crate) fn finish(program: &str, result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, text }) => {
            say(program, &text);
            ExitCode::from(code)
        }
    }
}

/// Whether `say` says nothing. It is for the whole process, as its stderr is.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// From now on nothing is said.
pub(crate) fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Writes to stderr, each line with the command's name. That nobody reads it is no reason to end.
pub(crate) fn say(program: &str, text: &str) {
    if IS_QUIET.load(Ordering::Relaxed) {
        return;
    }
    let lines: String = text.lines().map(|line| format!("bowline {program}: {line}\n")).collect();
    _ = std::io::stderr().write_all(lines.as_bytes());
}
