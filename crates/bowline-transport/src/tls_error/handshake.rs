//! Texts about what went wrong between the two sides. Turns the TLS library's errors into ours.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::{TlsError, TlsErrorKind as Kind};

/// Which side of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl TlsError {
    /// The handshake with the peer failed.
    pub(crate) fn of_handshake(side: Side, peer: &str, error: io::Error) -> Self {
        match rustls_error(&error) {
            Some(known) => {
                let (kind, text) = explained(side, peer, known);
                Self::new(kind, text).with_source(error)
            }
            None => {
                let text = match side {
                    Side::Client => format!(
                        "{peer} closed the connection during the TLS handshake ({error}): check that its port speaks TLS, usually 8883, or 443 for wss://"
                    ),
                    Side::Server => {
                        format!("the client {peer} closed the connection during the TLS handshake ({error})")
                    }
                };
                Self::new(Kind::Closed, text).with_source(error)
            }
        }
    }

    /// The handshake with the peer took too long.
    pub(crate) fn timed_out(side: Side, peer: &str, limit: Duration) -> Self {
        let text = match side {
            Side::Client => format!(
                "{peer} did not finish the TLS handshake, and connecting took {limit:.1?} in all: check that its port speaks TLS, usually 8883, or raise the connect timeout"
            ),
            Side::Server => format!("the client {peer} did not finish the TLS handshake within {limit:.1?}"),
        };
        Self::new(Kind::TimedOut, text)
    }

    /// What reading or writing said after the handshake, if TLS has to do with it.
    pub(crate) fn of_stream(side: Side, peer: &str, error: io::Error) -> io::Error {
        let (kind, explained) = match rustls_error(&error) {
            Some(known) => explained(side, peer, known),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                let text = format!(
                    "{peer} ended the connection without the end that TLS demands (close_notify): the line was cut, or its program was"
                );
                (Kind::Truncated, text)
            }
            None => return error,
        };
        let io_kind = error.kind();
        io::Error::new(io_kind, Self::new(kind, explained).with_source(error))
    }
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn explained(side: Side, peer: &str, error: &Error) -> (Kind, String) {
    match error {
        Error::InvalidCertificate(problem) => certificate(side, peer, problem),
        Error::AlertReceived(alert) => alerted(side, peer, *alert),
        Error::NoCertificatesPresented => {
            let text = format!("the client {peer} has no certificate, and one is required");
            (Kind::ClientCertificateMissing, text)
        }
        // What begins with none of TLS's record types, or with a version that was never TLS, is not TLS.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => {
            let text = match side {
                Side::Client => format!(
                    "{peer} does not speak TLS: connect with mqtt:// (ws:// instead of wss://), or to the port where the broker speaks TLS, usually 8883"
                ),
                Side::Server => {
                    format!("the client {peer} does not speak TLS: it has to connect with mqtts:// or wss://")
                }
            };
            (Kind::NotTls, text)
        }
        Error::PeerIncompatible(problem) => (Kind::NothingInCommon, incompatible(side, peer, problem)),
        Error::NoApplicationProtocol => {
            (Kind::NothingInCommon, format!("{peer} offers none of our application protocols (ALPN)"))
        }
        other => (Kind::Protocol, format!("TLS with {peer} failed ({other})")),
    }
}

fn incompatible(side: Side, peer: &str, problem: &PeerIncompatible) -> String {
    match side {
        Side::Client => format!(
            "{peer} and this client have too little of TLS in common ({problem:?}): bring the broker to TLS 1.2 or 1.3, and check Tls::min_version"
        ),
        Side::Server => {
            format!("the client {peer} and this server have too little of TLS in common ({problem:?})")
        }
    }
}

fn alerted(side: Side, peer: &str, alert: AlertDescription) -> (Kind, String) {
    use AlertDescription as Alert;
    match (alert, side) {
        (Alert::CertificateRequired, Side::Client) => (
            Kind::ClientCertificateMissing,
            format!("{peer} wants a client certificate: give one, with its key, by Tls::identity"),
        ),
        (
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
            _,
        ) => (Kind::CertificateRefused, refused(side, peer, alert)),
        (
            Alert::HandshakeFailure
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::NoApplicationProtocol
            | Alert::UnrecognisedName,
            Side::Client,
        ) => (
            Kind::NothingInCommon,
            format!(
                "{peer} refused the TLS handshake (alert {alert:?}): check TLS versions, Tls::alpn and Tls::server_name, and whether it wants a client certificate"
            ),
        ),
        _ => (Kind::Protocol, format!("{peer} ended TLS with the alert {alert:?}")),
    }
}

fn refused(side: Side, peer: &str, alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match side {
        Side::Client => {
            let advice = match alert {
                Alert::UnknownCA => {
                    "it is from a CA that the broker does not trust, or the chain to that CA is not whole"
                }
                Alert::CertificateExpired => "it has expired, or the broker's clock is wrong: renew it",
                Alert::CertificateRevoked => "it is revoked: replace it",
                _ => "it must be in its time, not revoked, and from a CA that the broker trusts",
            };
            format!("{peer} does not accept our client certificate (alert {alert:?}): {advice}")
        }
        Side::Server => format!(
            "the client {peer} does not accept our certificate (alert {alert:?}): it must trust our CA and know us by a name in the certificate"
        ),
    }
}

fn certificate(side: Side, peer: &str, problem: &CertificateError) -> (Kind, String) {
    use CertificateError as C;
    let whose = match side {
        Side::Client => format!("the certificate of {peer}"),
        Side::Server => format!("the certificate of the client {peer}"),
    };
    let (kind, text) = match problem {
        C::Expired => {
            (Kind::CertificateExpired, "has expired: renew it, or set the clock of this machine".into())
        }
        C::ExpiredContext { not_after, .. } => {
            let day = day(*not_after);
            (
                Kind::CertificateExpired,
                format!("expired on {day}: renew it, or set the clock of this machine"),
            )
        }
        C::NotValidYet => {
            (Kind::CertificateNotYetValid, "is not valid yet: set the clock of this machine".into())
        }
        C::NotValidYetContext { not_before, .. } => {
            let day = day(*not_before);
            let text = format!("is not valid before {day}: set the clock of this machine, or wait");
            (Kind::CertificateNotYetValid, text)
        }
        C::UnknownIssuer => (Kind::CertificateUnknownIssuer, unknown_issuer(side).into()),
        C::NotValidForName => (
            Kind::CertificateWrongHost,
            "is for another host: connect to a name that is in it, or say it with Tls::server_name".into(),
        ),
        C::NotValidForNameContext { expected, presented } => {
            (Kind::CertificateWrongHost, wrong_host(expected, presented))
        }
        C::Revoked => (Kind::CertificateRevoked, "is revoked: replace it by a new one".into()),
        C::UnknownRevocationStatus => (
            Kind::RevocationUnknown,
            "has an issuer whose revocation list is missing: give the list of each issuer in its chain"
                .into(),
        ),
        C::ExpiredRevocationList | C::ExpiredRevocationListContext { .. } => (
            Kind::RevocationUnknown,
            "can only be looked up in a revocation list that is out of date: get a new list".into(),
        ),
        other => (Kind::CertificateUnsuitable, unsuitable(side, other)),
    };
    (kind, format!("{whose} {text}"))
}

const fn unknown_issuer(side: Side) -> &'static str {
    match side {
        Side::Client => {
            "is signed by nobody who is trusted here: give its CA, or itself if it is self-signed, by Tls::roots"
        }
        Side::Server => "is signed by nobody whom this server trusts",
    }
}

fn wrong_host(expected: &ServerName<'_>, presented: &[String]) -> String {
    if presented.is_empty() {
        return format!(
            "names no host in its subjectAltName, where a common name does not count, and so is not for {}: replace it by one that does",
            expected.to_str()
        );
    }
    let names: Vec<&str> = presented.iter().take(NAMES_MAX).map(|name| bare_name(name)).collect();
    let names = names.join(", ");
    let more = if presented.len() > NAMES_MAX { " and others" } else { "" };
    format!(
        "is for {names}{more} and not for {}: connect to a name that is in it, or say it with Tls::server_name",
        expected.to_str()
    )
}

/// Most names of a certificate that are listed.
const NAMES_MAX: usize = 5;

/// The library gives names as `DnsName("a.example")` and `IpAddress(10.0.0.1)`.
fn bare_name(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

fn unsuitable(side: Side, problem: &CertificateError) -> String {
    let reason = match problem {
        CertificateError::Other(other) => other.source().map_or_else(String::new, ToString::to_string),
        known => known.to_string(),
    };
    if reason.contains("CaUsedAsEndEntity") {
        let whom = match side {
            Side::Client => "broker",
            Side::Server => "client",
        };
        return format!("is that of a CA: give the {whom} one that is not (basicConstraints CA:FALSE)");
    }
    // That of the CA which is trusted has another key, perhaps of another kind.
    if matches!(
        problem,
        CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    ) {
        return "was not signed by the CA of that name which is trusted here: give the CA that signed it, as with --cafile or Tls::roots".to_owned();
    }
    format!("cannot be used ({reason}): replace it")
}

/// The day of a time, in UTC, as in `2026-02-28`.
fn day(time: UnixTime) -> String {
    const SECS_PER_DAY: u64 = 86_400;
    let mut days = time.as_secs() / SECS_PER_DAY;
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // Certificates end in the year 9999 at the latest.
    while year < 10_000 {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    for length in [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_that_another_ca_of_the_same_name_made_is_told_as_such() {
        let other_kind = CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        };
        for problem in [CertificateError::BadSignature, other_kind] {
            let text = unsuitable(Side::Client, &problem);
            assert!(text.contains("give the CA that signed it"), "{text}");
        }
        assert!(unsuitable(Side::Client, &CertificateError::BadEncoding).contains("replace it"));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let days = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_772_323_199, "2026-02-28"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (secs, expected) in days {
            assert_eq!(day(UnixTime::since_unix_epoch(Duration::from_secs(secs))), expected);
        }
    }

    #[test]
    fn names_of_certificates_are_shown_as_people_write_them() {
        assert_eq!(bare_name("DnsName(\"a.example\")"), "a.example");
        assert_eq!(bare_name("IpAddress(10.0.0.1)"), "10.0.0.1");
        assert_eq!(bare_name("else"), "else");
    }
}
