//! How transports are opened where the application brings no connector. Knows no transport's inner workings and no MQTT.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "websocket")]
use bowline_transport::WebSocket;
use bowline_transport::{Connector, SchemeConnector, TcpConnector};

/// What the options of transports add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Transports {
    pub(super) tcp: TcpConnector,
    #[cfg(feature = "websocket")]
    pub(super) websocket: WebSocket,
}

impl Transports {
    /// What dials; each step may take this long. The engine watches over the whole attempt: the transport's own limit only
    /// says more about what went wrong.
    pub(super) fn connector(&self, connect_timeout: Duration) -> Arc<dyn Connector> {
        let tcp = self.tcp.clone().connect_timeout(connect_timeout);
        let connector = SchemeConnector::new(Arc::new(tcp)).handshake_timeout(connect_timeout);
        #[cfg(feature = "websocket")]
        let connector = connector.websocket(self.websocket.clone());
        Arc::new(connector)
    }
}
