//! What a [`ConnectError`] tells a person: what happened, and what to change. Owns that it says no secret.

use std::fmt;
use std::io;

use crate::error::ConnectError;

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { host, source } => {
                write!(
                    f,
                    "the host name `{host}` was not found ({source}): check its spelling and the DNS settings"
                )
            }
            Self::NoAddress { host, bind: None } => {
                write!(f, "{host} has no address: check the name and its DNS records")
            }
            Self::NoAddress { host, bind: Some(bind) } => write!(
                f,
                "{host} has no address that can be reached from {bind}: bind to an address of the other family or to none"
            ),
            Self::Refused { addr, .. } => {
                write!(f, "{addr} refused the connection: check that a broker runs and listens there")
            }
            Self::TimedOut { target, after, tried } if tried.is_empty() => {
                write!(
                    f,
                    "looking up {target} took longer than {after:.1?}: check the DNS settings or raise the connect timeout"
                )
            }
            Self::TimedOut { target, after, tried } => {
                write!(f, "connecting to {target} got no answer within {after:.1?}")?;
                if tried.len() > 1 || !tried.iter().any(|addr| addr.to_string() == *target) {
                    write!(f, " (tried {})", List(tried))?;
                }
                f.write_str(": check address, port and firewalls, or raise the connect timeout")
            }
            Self::Unreachable { addr, source } => {
                write!(f, "there is no way to {addr} ({source}): check the network and the address")
            }
            Self::Bind { addr, source } => {
                write!(
                    f,
                    "the connection cannot come from {addr} ({source}): bind to an address of this machine or to none"
                )
            }
            Self::Option { option, value, source } => {
                write!(f, "the socket option {option} cannot be {value} ({source}): choose another value")
            }
            Self::Io { addr, source } => write!(f, "connecting to {addr} failed ({source})"),
            Self::Addresses { target, attempts } => {
                write!(
                    f,
                    "none of {} addresses of {target} can be reached: {}",
                    attempts.len(),
                    List(attempts)
                )
            }
            Self::Socket { path, source } => {
                write!(f, "connecting to the socket {} failed ({source}): ", path.display())?;
                f.write_str(socket_advice(source))
            }
            #[cfg(feature = "tls")]
            Self::Tls { source } => source.fmt(f),
            #[cfg(feature = "websocket")]
            Self::WebSocket { source } => source.fmt(f),
            Self::Custom { source } => source.fmt(f),
            answered => answered.fmt_answer(f),
        }
    }
}

impl ConnectError {
    /// What came of a connection that the other side has taken.
    fn fmt_answer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenOff { peer, transport, source } => write!(
                f,
                "{peer} broke off the connection before it said anything ({source}): check {}",
                who_is_there(transport)
            ),
            Self::SpeaksTls { peer } => write!(
                f,
                "{peer} speaks TLS: connect with mqtts:// (wss:// for WebSocket), or to the broker's port without TLS, usually 1883"
            ),
            Self::SpeaksHttp { peer, transport, status } => {
                write!(f, "{peer} answered in HTTP")?;
                if let Some(status) = status {
                    write!(f, ", with the status {status}")?;
                }
                f.write_str(match *transport {
                    "tls" => ": connect with wss://, or to the broker's port for mqtts://, usually 8883",
                    _ => ": connect with ws:// (wss:// if it wants TLS), or to the broker's port for mqtt://, usually 1883",
                })
            }
            Self::NotMqtt { peer, transport, protocol } => {
                match protocol {
                    Some(protocol) => write!(f, "{peer} speaks {protocol}: ")?,
                    None => write!(f, "{peer} sent something that is not MQTT: ")?,
                }
                match *transport {
                    "websocket" => write!(f, "check {}", who_is_there(transport)),
                    _ => f.write_str(
                        "connect to the port of an MQTT broker, usually 1883, or 8883 for mqtts://",
                    ),
                }
            }
            Self::Closed { peer, transport } => write!(
                f,
                "{peer} closed the connection without a word: check that it takes this version of MQTT and this client (its log may say so), {}",
                who_is_there(transport)
            ),
            Self::Silent { peer, transport } => write!(
                f,
                "{peer} took the connection and said nothing within the connect timeout: check {}, or raise the timeout",
                who_is_there(transport)
            ),
            _ => Ok(()),
        }
    }
}

/// What to look at if the other side does not say who it is.
const fn who_is_there(transport: &str) -> &'static str {
    match transport.as_bytes() {
        b"tls" => {
            "that an MQTT broker listens there, and whether it wants WebSocket (wss://) or a client certificate"
        }
        b"websocket" => "port and path, and that they lead to an MQTT broker",
        _ => {
            "that an MQTT broker listens there and no web server, and whether it wants TLS (mqtts://) or WebSocket (ws://)"
        }
    }
}

/// What to do about it.
fn socket_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "check the path and that a broker runs and listens there",
        io::ErrorKind::ConnectionRefused => "the broker that made it runs no more; start it again",
        io::ErrorKind::PermissionDenied => "this user may not write to it; change its permissions",
        io::ErrorKind::TimedOut => "the broker accepts no clients; look at it, or raise the connect timeout",
        io::ErrorKind::InvalidInput => "choose a shorter path, of at most about 100 bytes",
        _ => "check the path",
    }
}

/// Items one after the other, for texts.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{item}")?;
        }
        Ok(())
    }
}
