//! Connectors that stand above others: their limit holds whatever is beneath, and it is told what is to be spoken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bowline_transport::{
    ConnectError, ConnectErrorKind, ConnectFuture, Connector, Endpoint, SchemeConnector, SubProtocol, Tls,
};
use tokio::time::timeout;

/// Never opens anything.
#[derive(Clone, Default)]
struct Endless {
    was_told: Arc<AtomicBool>,
}

impl Connector for Endless {
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(std::future::pending())
    }

    fn connect_as<'a>(&'a self, endpoint: &'a Endpoint, sub_protocol: SubProtocol) -> ConnectFuture<'a> {
        self.was_told.store(sub_protocol == SubProtocol::MqttV31, Ordering::Relaxed);
        self.connect(endpoint)
    }
}

async fn outcome(scheme: &str) -> (ConnectError, bool) {
    let below = Endless::default();
    let tls = Tls::new().danger_accept_any_certificate();
    let connector = SchemeConnector::new(Arc::new(below.clone())).tls(tls);
    let connector = connector.connect_timeout(Duration::from_millis(200));
    let endpoint: Endpoint = format!("{scheme}://broker.example").parse().expect("a legal URL");
    let connecting = connector.connect_as(&endpoint, SubProtocol::MqttV31);
    let ended = timeout(Duration::from_secs(10), connecting).await.expect("it takes too long");
    (ended.expect_err("nothing is opened"), below.was_told.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_connector_below_that_hangs_is_given_up_in_time_and_was_told_the_sub_protocol() {
    for scheme in ["mqtts", "ws", "wss"] {
        let (error, was_told) = outcome(scheme).await;
        assert_eq!(error.kind(), ConnectErrorKind::TimedOut, "{scheme}: {error}");
        assert!(error.to_string().contains("broker.example"), "{error}");
        assert!(was_told, "{scheme}");
    }
}
