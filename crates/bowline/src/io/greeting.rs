//! What the other side says first, and whether it can be MQTT at all. Knows no stream, and shows nothing of what was said.

/// How many bytes are looked at before text is taken for what it is. No packet of MQTT begins with so many bytes of text but
/// one with a CONNACK's first byte.
const TEXT_BYTES: usize = 4;

/// How many bytes are looked at for the status of an answer in HTTP.
const HTTP_BYTES: usize = "HTTP/1.1 400".len();

/// The first byte of CONNACK, with which every broker has to begin.
const CONNACK: u8 = 0x20;

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It takes more of them to tell.
    Undecided,
    /// They can be MQTT, right or wrong.
    Mqtt,
    /// How a server that expects TLS answers what is not TLS: with an alert.
    Tls,
    /// An answer in HTTP, with its status.
    Http(Option<u16>),
    /// Something else, and what it is.
    Other(Option<&'static str>),
}

impl Greeting {
    /// What these first bytes are. `is_all` says that no more will come; then it is decided, unless there are none.
    pub(super) fn of(bytes: &[u8], is_all: bool) -> Self {
        let Some(&first) = bytes.first() else { return Self::Undecided };
        if first == CONNACK {
            return Self::Mqtt;
        }
        let start = &bytes[..bytes.len().min(TEXT_BYTES)];
        if start.iter().copied().all(is_text) {
            return match bytes.len() {
                0..TEXT_BYTES if !is_all => Self::Undecided,
                TEXT_BYTES..HTTP_BYTES if !is_all && start == b"HTTP" => Self::Undecided,
                _ if start == b"HTTP" => Self::Http(status_of(bytes)),
                _ => Self::Other(name_of(start)),
            };
        }
        match bytes {
            [0x15] if !is_all => Self::Undecided,
            [0x15, 0x03, ..] => Self::Tls,
            _ if has_flags_of_its_type(first) => Self::Mqtt,
            _ => Self::Other(None),
        }
    }
}

const fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

/// The status of `HTTP/1.1 400 Bad Request`.
fn status_of(bytes: &[u8]) -> Option<u16> {
    let at = bytes.iter().position(|&byte| byte == b' ')? + 1;
    let digits = bytes.get(at..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Who begins like this.
const fn name_of(start: &[u8]) -> Option<&'static str> {
    match start {
        b"SSH-" => Some("SSH"),
        b"AMQP" => Some("AMQP"),
        b"INFO" => Some("the protocol of NATS"),
        b"RTSP" => Some("RTSP"),
        b"RFB " => Some("VNC"),
        b"* OK" => Some("IMAP"),
        b"+OK " => Some("POP3"),
        b"-ERR" | b"-NOA" | b"-DEN" => Some("the protocol of Redis"),
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-'] => Some("SMTP or FTP"),
        _ => None,
    }
}

/// Whether the low bits of a packet's first byte are those that its type must have.
const fn has_flags_of_its_type(first: u8) -> bool {
    match (first >> 4, first & 0x0f) {
        (0, _) => false,
        (3, _) => true,
        (6 | 8 | 10, flags) => flags == 2,
        (_, flags) => flags == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it is, however the bytes are cut, and that it is not decided before.
    fn greeting(bytes: &[u8]) -> Greeting {
        let decided = (1..=bytes.len()).map(|count| Greeting::of(&bytes[..count], false));
        let mut decided = decided.skip_while(|greeting| *greeting == Greeting::Undecided);
        let first = decided.next().unwrap_or_else(|| Greeting::of(bytes, true));
        for later in decided {
            assert_eq!(later, first, "{bytes:02x?}");
        }
        first
    }

    #[test]
    fn what_is_not_mqtt_is_known_by_its_first_bytes() {
        let redis = Greeting::Other(Some("the protocol of Redis"));
        let cases: [(&[u8], Greeting); 22] = [
            (b"HTTP/1.1 400 Bad Request\r\n", Greeting::Http(Some(400))),
            (b"HTTP/1.0 403", Greeting::Http(Some(403))),
            (b"HTTP/2 421 Misdirected", Greeting::Http(Some(421))),
            (b"HTTP\r\n", Greeting::Http(None)),
            (b"HTTP/1.1 \xff\xff\xff", Greeting::Http(None)),
            (b"\x15\x03\x01\x00\x02\x02\x46", Greeting::Tls),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", Greeting::Other(Some("SSH"))),
            (b"220 mail.example ESMTP\r\n", Greeting::Other(Some("SMTP or FTP"))),
            (b"554-no\r\n", Greeting::Other(Some("SMTP or FTP"))),
            (b"-ERR unknown command", redis),
            (b"-NOAUTH Authentication required.", redis),
            (b"INFO {\"server_id\"", Greeting::Other(Some("the protocol of NATS"))),
            (b"AMQP\0\0\x09\x01", Greeting::Other(Some("AMQP"))),
            (b"OK\n", Greeting::Other(None)),
            (b"<html>", Greeting::Other(None)),
            (b"0000", Greeting::Other(None)),
            (b"\x15", Greeting::Other(None)),
            (b"\x15\x04", Greeting::Other(None)),
            (b"\0\0\x12\x04", Greeting::Other(None)),
            (b"\xff\xfd\x18", Greeting::Other(None)),
            (b"J\0\0\0\n5.7.0", Greeting::Other(None)),
            (b"", Greeting::Undecided),
        ];
        for (bytes, expected) in cases {
            assert_eq!(greeting(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn packets_are_left_to_those_who_know_them_and_nothing_of_them_is_waited_for() {
        assert_eq!(Greeting::of(b"\x20", false), Greeting::Mqtt);
        let packets: [&[u8]; 8] = [
            b"\xe0\x00",
            b"\xf0\x02\x18\x00",
            b"\x30\x2a\x00\x01a",
            b"\x40\x02\x00\x01",
            b"@ \x00\x01",
            b"\x62\x02\x00\x01",
            b"\x10\x0c\x00\x04MQTT",
            b"\xd0\x00",
        ];
        for bytes in packets {
            assert_eq!(greeting(bytes), Greeting::Mqtt, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn all_that_there_is_gives_an_answer() {
        for bytes in (0..=u8::MAX).flat_map(|first| [vec![first], vec![first, b'A'], vec![first, 3]]) {
            assert_ne!(Greeting::of(&bytes, true), Greeting::Undecided, "{bytes:02x?}");
        }
    }
}
