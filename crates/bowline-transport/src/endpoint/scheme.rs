//! The schemes of URLs: their names, default ports, and which of them can be dialed. Knows no other part of a URL.

use std::fmt;

use super::error::EndpointError;

/// What a URL begins with: which transport carries MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// MQTT over TCP: `mqtt://` or `tcp://`.
    Mqtt,
    /// MQTT over TLS: `mqtts://`.
    Mqtts,
    /// MQTT over WebSocket: `ws://`.
    Ws,
    /// MQTT over WebSocket over TLS: `wss://`.
    Wss,
    /// MQTT over a Unix socket: `unix://`.
    Unix,
    /// MQTT over QUIC: `quic://`.
    Quic,
}

/// Whether a scheme can be dialed.
enum Support {
    /// It can.
    Built,
    /// It takes a feature with which this was not built.
    #[cfg_attr(
        all(feature = "tls", feature = "websocket"),
        expect(dead_code, reason = "it was built with all features that there are")
    )]
    NeedsFeature(&'static str),
    /// It is known, but this version cannot.
    Absent,
}

struct Row {
    scheme: Scheme,
    /// How it is written; the first is how it is printed.
    names: &'static [&'static str],
    default_port: Option<u16>,
    support: Support,
}

#[cfg(feature = "tls")]
const TLS: Support = Support::Built;
#[cfg(not(feature = "tls"))]
const TLS: Support = Support::NeedsFeature("tls");

#[cfg(feature = "websocket")]
const WEBSOCKET: Support = Support::Built;
#[cfg(not(feature = "websocket"))]
const WEBSOCKET: Support = Support::NeedsFeature("websocket");

/// It takes both; the one that is named is the one without which the other is of no use.
#[cfg(feature = "websocket")]
const WEBSOCKET_OVER_TLS: Support = TLS;
#[cfg(not(feature = "websocket"))]
const WEBSOCKET_OVER_TLS: Support = WEBSOCKET;

/// Every scheme. A transport that comes behind a feature gets a `Support` that says whether the feature is on.
const SCHEMES: [Row; 6] = [
    Row::new(Scheme::Mqtt, &["mqtt", "tcp"], Some(1883), Support::Built),
    Row::new(Scheme::Mqtts, &["mqtts"], Some(8883), TLS),
    Row::new(Scheme::Ws, &["ws"], Some(80), WEBSOCKET),
    Row::new(Scheme::Wss, &["wss"], Some(443), WEBSOCKET_OVER_TLS),
    Row::new(Scheme::Unix, &["unix"], None, if cfg!(unix) { Support::Built } else { Support::Absent }),
    Row::new(Scheme::Quic, &["quic"], None, Support::Absent),
];

impl Scheme {
    /// The port where a URL names none: 1883, 8883, 80 and 443 for `mqtt`, `mqtts`, `ws` and `wss`; the others have none.
    pub fn default_port(self) -> Option<u16> {
        self.row().default_port
    }

    /// The scheme of this name, in any case, if it can be dialed.
    pub(super) fn dialable(name: &str) -> Result<Self, EndpointError> {
        let is_named = |row: &&Row| row.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let Some(row) = SCHEMES.iter().find(is_named) else {
            return Err(EndpointError::SchemeUnknown { scheme: name.to_owned() });
        };
        match row.support {
            Support::Built => Ok(row.scheme),
            Support::NeedsFeature(_) | Support::Absent => Err(EndpointError::not_built(row.scheme)),
        }
    }

    /// How it is printed, and the feature that it lacks.
    pub(super) fn name_and_lack(self) -> (&'static str, Option<&'static str>) {
        let row = self.row();
        let lack = match row.support {
            Support::NeedsFeature(feature) => Some(feature),
            Support::Built | Support::Absent => None,
        };
        (row.names[0], lack)
    }

    fn row(self) -> &'static Row {
        SCHEMES.iter().find(|row| row.scheme == self).expect("every scheme has its row")
    }
}

impl Row {
    const fn new(
        scheme: Scheme,
        names: &'static [&'static str],
        default_port: Option<u16>,
        support: Support,
    ) -> Self {
        Self { scheme, names, default_port, support }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().names[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_ports_are_the_registered_ones() {
        let all = [Scheme::Mqtt, Scheme::Mqtts, Scheme::Ws, Scheme::Wss, Scheme::Unix, Scheme::Quic];
        let ports = all.map(Scheme::default_port);
        assert_eq!(ports, [Some(1883), Some(8883), Some(80), Some(443), None, None]);
    }

    #[test]
    fn every_scheme_prints_as_it_is_written() {
        let all = [Scheme::Mqtt, Scheme::Mqtts, Scheme::Ws, Scheme::Wss, Scheme::Unix, Scheme::Quic];
        assert_eq!(all.map(|scheme| scheme.to_string()), ["mqtt", "mqtts", "ws", "wss", "unix", "quic"]);
    }
}
