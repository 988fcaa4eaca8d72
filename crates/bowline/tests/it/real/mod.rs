//! The matrix of transports and real counterparts: brokers, and proxies before a broker. Messages cross at every QoS in every
//! version, and clients come back after the counterpart was started anew.

mod ejabberd;
mod haproxy;
mod mosquitto;
mod nginx;
mod ports;
mod rabbitmq;
mod service;

use std::time::Duration;

use bowline::transport::{ConnectErrorKind, WebSocket};
use bowline::{
    Backoff, Builder, Client, ConnectError, ConnectionState, Credentials, Event, Message, QoS, Receipt,
    Session, Subscription, Tls, Version,
};

use crate::peer::within;
use crate::round_trip::ALL_QOS;

/// More than a frame, a record of TLS and the first read of most programs hold; Mosquitto takes its time with more over
/// WebSocket.
const LARGE_BYTES: usize = 20_000;

const SMALL_MESSAGES: usize = 20;

/// What stands before clients, and can be ended and started anew.
pub(crate) trait Restart {
    /// Ends it as an operator would.
    fn stop(&mut self);

    /// Starts it where it was.
    async fn start_again(&mut self);
}

/// How clients get to a broker, and what it can do.
#[derive(Clone)]
struct Route {
    url: String,
    tls: Option<Tls>,
    websocket: Option<WebSocket>,
    credentials: Credentials,
    versions: &'static [Version],
    /// The most that the broker grants.
    most: QoS,
}

impl Route {
    /// To a broker that can do everything.
    fn new(url: String) -> Self {
        Self {
            url,
            tls: None,
            websocket: None,
            credentials: Credentials::none(),
            versions: &Version::ALL,
            most: QoS::ExactlyOnce,
        }
    }

    fn tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    fn websocket(self, websocket: WebSocket) -> Self {
        Self { websocket: Some(websocket), ..self }
    }

    fn builder(&self, version: Version) -> Builder<Client> {
        let soon = Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(100));
        let mut builder = Client::builder(&self.url).expect("a legal URL").version(version);
        if let Some(tls) = &self.tls {
            builder = builder.tls(tls.clone());
        }
        if let Some(websocket) = &self.websocket {
            builder = builder.websocket(websocket.clone());
        }
        builder.credentials(self.credentials.clone()).reconnect(soon.expect("a legal backoff"))
    }

    fn all_qos(&self) -> impl Iterator<Item = QoS> + use<> {
        let most = self.most;
        ALL_QOS.into_iter().filter(move |qos| *qos <= most)
    }

    /// Connects in each version, sends and receives, and comes back when what is given was started anew.
    async fn carries(&self, restarted: &mut impl Restart) {
        let mut travellers = Vec::new();
        for &version in self.versions {
            let mut traveller = Traveller::connect(self, version).await;
            for qos in self.all_qos() {
                traveller.goes_there_and_back(qos).await;
            }
            travellers.push(traveller);
        }
        restarted.stop();
        let mut waiting = Vec::new();
        for traveller in &mut travellers {
            waiting.push(traveller.publishes_while_away(self).await);
        }
        restarted.start_again().await;
        for (mut traveller, receipts) in travellers.into_iter().zip(waiting) {
            traveller.comes_back(self, receipts).await;
        }
    }

    /// Checks that the first attempt fails like this.
    async fn is_refused(&self, kind: ConnectErrorKind, text: &str) -> String {
        let error = within(self.builder(Version::V5).connect()).await.expect_err("it cannot succeed");
        let ConnectError::Failed(why) = &error else { panic!("{error}") };
        assert_eq!(why.transport_error_kind(), Some(kind), "{error}");
        assert!(error.to_string().contains(text), "{error}");
        format!("{error} {error:?}")
    }
}

/// A client that subscribes to what it publishes.
struct Traveller {
    client: Client,
    topic: String,
    stream: Subscription,
}

impl Traveller {
    async fn connect(route: &Route, version: Version) -> Self {
        let name = format!("traveller-{}", version as u8);
        let builder = route.builder(version).client_id(name).session(Session::in_memory().fresh());
        let client = within(builder.connect()).await.expect("the broker accepts");
        let topic = format!("travels/{}", version as u8);
        let stream = within(client.subscribe(topic.as_str()).qos(route.most)).await.expect("it is granted");
        Self { client, topic, stream }
    }

    async fn goes_there_and_back(&mut self, qos: QoS) {
        let publisher = self.client.topic(self.topic.as_str()).expect("a legal topic").qos(qos);
        let mut receipts = Vec::new();
        for number in 0..SMALL_MESSAGES {
            receipts.push(within(publisher.send(number.to_string())).await.expect("accepted"));
        }
        receipts.push(within(publisher.send(vec![7; LARGE_BYTES])).await.expect("accepted"));
        for number in 0..SMALL_MESSAGES {
            let message = within(self.stream.next()).await.expect("it comes back");
            let is_right = message.text() == Ok(&*number.to_string()) && message.qos() == qos;
            assert!(
                is_right,
                "number {number} of {qos}: {} bytes, {}",
                message.payload().len(),
                message.qos()
            );
        }
        let large = within(self.stream.next()).await.expect("it comes back");
        assert!(large.payload() == &vec![7; LARGE_BYTES], "{} bytes of the large one", large.payload().len());
        for receipt in receipts {
            within(receipt).await.expect("acknowledged");
        }
    }

    /// Waits for the loss, then publishes what must not be lost.
    async fn publishes_while_away(&mut self, route: &Route) -> Vec<(QoS, Receipt)> {
        let mut events = self.client.events();
        while matches!(self.client.state(), ConnectionState::Connected(_)) {
            if let Some(Event::Disconnected(_)) = within(events.next()).await {
                break;
            }
        }
        let mut receipts = Vec::new();
        for qos in route.all_qos().filter(|qos| *qos > QoS::AtMostOnce) {
            let publish = self.client.publish(self.topic.as_str(), "away").qos(qos).send();
            receipts.push((qos, within(publish).await.expect("accepted")));
        }
        receipts
    }

    async fn comes_back(&mut self, route: &Route, receipts: Vec<(QoS, Receipt)>) {
        // Brokers need not keep the order between messages of different QoS.
        let mut arrived = Vec::new();
        for (_, receipt) in receipts {
            within(receipt).await.expect("acknowledged");
            arrived.push(self.next_from_away().await.qos());
        }
        arrived.sort();
        assert!(arrived.into_iter().eq(route.all_qos().filter(|qos| *qos > QoS::AtMostOnce)));
        for qos in route.all_qos() {
            self.goes_there_and_back(qos).await;
        }
        within(self.client.disconnect()).await;
    }

    /// What was published while the counterpart was away. A broker that was ended before our last acknowledgements had
    /// reached it hands out again what they were for, before anything else: at QoS 1 that is its right, at QoS 2 it is not.
    async fn next_from_away(&mut self) -> Message {
        loop {
            let message = within(self.stream.next()).await.expect("it comes after all");
            if message.text() == Ok("away") {
                return message;
            }
            assert_eq!(message.qos(), QoS::AtLeastOnce, "{} bytes", message.payload().len());
        }
    }
}
