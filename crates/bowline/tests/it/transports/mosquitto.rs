//! MQTT over WebSocket against a real Mosquitto: round trips in every version, large messages, what it says of a wrong handshake.

use bowline::transport::{ConnectError, Connector, Endpoint, TcpConnector, WebSocket, WebSocketConnector};
use bowline::{Client, Version};
use bowline_testkit::ports::free_address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::messages_cross;
use crate::counterpart::{Clients, Mosquitto};
use crate::peer::within;

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn messages_cross_mosquittos_websocket_in_every_version() {
    let address = free_address();
    let broker = Mosquitto::start(Clients::WebSocket(address)).await;
    let url = format!("ws://{address}/mqtt");
    for frame_bytes_max in [64 * 1024, 1_000] {
        let options = WebSocket::new().frame_bytes_max(frame_bytes_max);
        for version in Version::ALL {
            let builder = Client::builder(&url).unwrap().version(version).websocket(options.clone());
            // Over WebSocket it reads 4 KiB at a time, with up to 100 ms in between.
            messages_cross(builder, 100, 20_000).await;
        }
    }
    broker.stop().await;
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn packets_share_a_frame_to_mosquitto_and_it_answers_our_close() {
    let address = free_address();
    let broker = Mosquitto::start(Clients::WebSocket(address)).await;
    let endpoint: Endpoint = format!("ws://{address}").parse().unwrap();
    let connector = WebSocketConnector::new(TcpConnector::new(), WebSocket::new());
    let mut stream = within(connector.connect(&endpoint)).await.unwrap();
    // A CONNECT of 3.1.1 without a client identifier, and a PINGREQ.
    let packets = b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0\xc0\0";
    within(stream.write_all(packets)).await.unwrap();
    within(stream.flush()).await.unwrap();
    let mut answers = [0; 6];
    within(stream.read_exact(&mut answers)).await.unwrap();
    assert_eq!(&answers, b"\x20\x02\0\0\xd0\0", "CONNACK and PINGRESP");
    within(stream.shutdown()).await.unwrap();
    assert_eq!(within(stream.read(&mut answers)).await.unwrap(), 0);
    broker.stop().await;
}

#[tokio::test]
#[ignore = "needs Debian's mosquitto; .ci/run runs it with --include-ignored"]
async fn a_plain_listener_of_mosquitto_is_no_websocket() {
    let broker = Mosquitto::start(Clients::Anybody).await;
    let endpoint: Endpoint = format!("ws://{}", broker.address()).parse().unwrap();
    let connector = WebSocketConnector::new(TcpConnector::new(), WebSocket::new());
    let error = within(connector.connect(&endpoint)).await.unwrap_err();
    assert!(matches!(error, ConnectError::WebSocket { .. }), "{error:?}");
}
