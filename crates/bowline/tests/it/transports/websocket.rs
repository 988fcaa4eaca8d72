//! MQTT over WebSocket, against our own broker: versions, hooks, refusals, lines that are cut below the frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bowline::transport::{Handshake, Listener, SubProtocol, TcpAcceptor, WebSocket, WebSocketAcceptor};
use bowline::{Builder, Client, QoS, Reconnect, Session, Version};
use bowline_broker::{Broker, Direction, Fault, FaultLink};
use tokio::io::AsyncReadExt;

use super::{impatient, messages_cross_in_every_version, reconnected};
use crate::peer::within;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn broker() -> Broker {
    Broker::builder().without_tcp().listen_websocket(LOCAL).start().await.expect("a free port")
}

fn builder(address: SocketAddr, version: Version) -> Builder<Client> {
    Client::builder(&format!("ws://{address}/mqtt")).expect("a legal URL").version(version)
}

#[tokio::test]
async fn messages_cross_websocket_in_every_version() {
    let broker = broker().await;
    let address = broker.websocket_addresses()[0];
    messages_cross_in_every_version(|version| builder(address, version)).await;
    broker.assert_no_violations();
    broker.shut_down().await;
}

#[tokio::test]
async fn messages_cross_websocket_in_frames_of_a_few_bytes() {
    let broker = broker().await;
    let address = broker.websocket_addresses()[0];
    messages_cross_in_every_version(|version| {
        builder(address, version).websocket(WebSocket::new().frame_bytes_max(100))
    })
    .await;
    broker.assert_no_violations();
}

#[tokio::test]
async fn every_attempt_asks_the_hook_and_for_the_sub_protocol_of_its_version() {
    for version in Version::ALL {
        let broker = broker().await;
        let link = FaultLink::over_tcp(broker.websocket_addresses()[0]).unwrap();
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = attempts.clone();
        let options = WebSocket::new().handshake(move |handshake: Handshake| {
            let wanted = if version == Version::V3_1 { SubProtocol::MqttV31 } else { SubProtocol::Mqtt };
            assert_eq!(handshake.sub_protocol(), wanted);
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(handshake) }
        });
        let builder = builder(link.address().unwrap(), version).websocket(options);
        let client = within(impatient(builder).connect()).await.unwrap();
        link.cut();
        within(reconnected(&link, 2)).await;
        within(client.publish("attic", "warm").qos(QoS::AtLeastOnce)).await.unwrap();
        assert!(attempts.load(Ordering::Relaxed) >= 2);
        broker.assert_no_violations();
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_line_below_the_frames_is_cut_again_and_again() {
    const MESSAGES: usize = 200;
    let broker = broker().await;
    let link = FaultLink::over_tcp(broker.websocket_addresses()[0]).unwrap();
    link.cut_randomly(7, 400..2_000);
    let make = |id: &str| {
        let builder = impatient(builder(link.address().unwrap(), Version::V5));
        builder.client_id(id).session(Session::in_memory()).connect_lazy()
    };
    let receiver = make("receiver").unwrap();
    let mut stream = within(receiver.subscribe("numbers").qos(QoS::ExactlyOnce)).await.unwrap();
    let sender = make("sender").unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let publish = sender.publish("numbers", number.to_string()).qos(QoS::ExactlyOnce);
            publish.await.unwrap();
        }
    });
    for number in 0..MESSAGES {
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok(&*number.to_string()));
    }
    within(sending).await.unwrap();
    assert!(link.stats().cuts > 2, "{:?}", link.stats());
}

#[tokio::test]
async fn a_frame_that_is_torn_or_corrupt_ends_the_connection_and_nothing_else() {
    for fault in [Fault::HalfClose, Fault::Corrupt] {
        let broker = broker().await;
        let link = FaultLink::over_tcp(broker.websocket_addresses()[0]).unwrap();
        let builder = impatient(builder(link.address().unwrap(), Version::V3_1_1));
        let client = within(builder.session(Session::in_memory()).connect()).await.unwrap();
        link.fault_after(Direction::ToBroker, 0, fault);
        within(client.publish("attic", "warm").qos(QoS::ExactlyOnce)).await.unwrap();
        assert!(link.stats().connections >= 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_wrong_path_is_told_with_its_status_and_without_the_query() {
    let acceptor = TcpAcceptor::bind(LOCAL).unwrap();
    let address = acceptor.local_addr();
    let acceptor = WebSocketAcceptor::new(acceptor).path("/mqtt");
    let broker = Broker::builder().without_tcp().listener(acceptor).start().await.unwrap();
    let url = format!("ws://{address}/other?token=zzz");
    let error = within(Client::connect(&url)).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("HTTP 404") && text.contains("check the path") && !text.contains("zzz"), "{text}");
    within(builder(address, Version::V5).connect()).await.unwrap();
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_broker_that_speaks_plain_mqtt_there_is_told_as_such() {
    let broker = Broker::builder().start().await.unwrap();
    let error = within(builder(broker.address().unwrap(), Version::V5).connect()).await.unwrap_err();
    assert!(error.to_string().contains("WebSocket handshake"), "{error}");
}

#[tokio::test]
async fn a_websocket_that_is_reset_is_not_taken_for_a_port_that_wants_tls() {
    let tcp = TcpAcceptor::bind(LOCAL).unwrap();
    let url = format!("ws://{}", tcp.local_addr());
    let acceptor = WebSocketAcceptor::new(tcp);
    let builder = Client::builder(&url).unwrap().reconnect(Reconnect::Never);
    let resetting = async {
        let mut stream = acceptor.accept().await.unwrap();
        // Once CONNECT is there.
        stream.read_u8().await.unwrap();
        stream.abort();
    };
    let (client, ()) = within(async { tokio::join!(builder.connect(), resetting) }).await;
    let text = client.map(drop).unwrap_err().to_string();
    assert!(text.contains("reset") && !text.contains("mqtts://"), "{text}");
}
