//! How transports are opened, over TCP or over what the application brings. Knows no transport's inner workings and no MQTT.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "websocket")]
use bowline_transport::WebSocket;
use bowline_transport::{Connector, SchemeConnector, TcpConnector};

/// How long before what lies above it a transport is given up at most.
const MARGIN_MAX: Duration = Duration::from_secs(1);

/// What the options of transports add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Transports {
    pub(super) tcp: TcpConnector,
    #[cfg(feature = "tls")]
    pub(super) tls: bowline_transport::Tls,
    #[cfg(feature = "websocket")]
    pub(super) websocket: WebSocket,
}

impl Transports {
    /// What dials, over what the application brings or else over TCP. The engine watches over the whole attempt: the limits of
    /// transports only say more about what went wrong. For that, each must be given up a little before what lies above it.
    pub(super) fn connector(&self, below: Option<Arc<dyn Connector>>, limit: Duration) -> Arc<dyn Connector> {
        let margin = (limit / 10).min(MARGIN_MAX);
        let below = below.unwrap_or_else(|| Arc::new(self.tcp.clone().connect_timeout(limit - 2 * margin)));
        let transports = SchemeConnector::new(below).connect_timeout(limit - margin);
        #[cfg(feature = "tls")]
        let transports = transports.tls(self.tls.clone());
        #[cfg(feature = "websocket")]
        let transports = transports.websocket(self.websocket.clone());
        Arc::new(transports)
    }
}
