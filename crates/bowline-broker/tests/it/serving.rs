//! The broker on tokio: listeners, both directions at once, disturbances, the end.

use std::net::SocketAddr;
use std::time::Duration;

use bowline_broker::{Broker, BrokerEvent, StartError};
use bowline_proto::packet::{Connect, Disconnect, Packet, Secret};
use bowline_proto::{Message, QoS, ReasonCode, Version};
use bowline_testkit::packets::{qos1, topic};
use bowline_transport::in_process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{clean, publish};
use crate::line::Line;

#[tokio::test]
async fn clients_over_tcp_and_inside_the_process_meet() {
    let broker = Broker::builder().start().await.unwrap();
    for version in Version::ALL {
        let mut outside = Line::tcp(&broker, version).await.log_in("outside").await;
        let mut inside = Line::inside(&broker, version).await.log_in("inside").await;
        outside.subscribe("a", QoS::ExactlyOnce).await;
        inside.subscribe("b", QoS::ExactlyOnce).await;
        inside.send(&[qos1("a", "in", 1)]).await;
        outside.send(&[qos1("b", "out", 1)]).await;
        assert_eq!(outside.message().await.payload, "in");
        assert_eq!(inside.message().await.payload, "out");
        assert_eq!(broker.clients(), ["inside", "outside"]);
        let goodbye = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success)));
        for line in [&mut outside, &mut inside] {
            line.send(std::slice::from_ref(&goodbye)).await;
            while line.next().await.is_some() {}
        }
    }
    broker.assert_no_violations();
    assert_eq!(broker.stats().messages_in, 6);
}

#[tokio::test]
async fn a_broker_listens_where_it_is_told_and_nowhere_else() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (connector, listener) = in_process("of the test", 4096);
    let broker = Broker::builder().listen(any).listen(any).listener(listener).start().await.unwrap();
    assert_eq!(broker.addresses().len(), 2);
    assert_ne!(broker.addresses()[0], broker.addresses()[1]);
    for address in broker.addresses() {
        tokio::net::TcpStream::connect(address).await.unwrap();
    }
    drop(connector);
    let taken = Broker::builder().listen(broker.addresses()[0]).start().await;
    assert!(matches!(taken, Err(StartError::Listen(_))), "{taken:?}");
    let wrong = Broker::builder().configure(|config| config.sessions_max = 0).start().await;
    assert!(matches!(wrong, Err(StartError::Setting(_))), "{wrong:?}");

    let quiet = Broker::builder().without_tcp().start().await.unwrap();
    assert_eq!(quiet.address(), None);
    Line::inside(&quiet, Version::V5).await.log_in("c").await;
}

#[tokio::test]
async fn the_program_decides_who_may_connect() {
    let builder = Broker::builder().without_tcp().authenticate(|login| {
        match (login.client_id, login.user_name, login.password) {
            ("c", Some("me"), Some(b"secret")) => Ok(()),
            _ => Err(ReasonCode::BadUserNameOrPassword),
        }
    });
    let broker = builder.start().await.unwrap();
    for (password, expected) in
        [("secret", ReasonCode::Success), ("guess", ReasonCode::BadUserNameOrPassword)]
    {
        for version in Version::ALL {
            let password = Some(Secret(password.into()));
            let user_name = Some("me".try_into().unwrap());
            let connect = Connect { user_name, password, ..clean(version, "c") };
            let mut line = Line::inside(&broker, version).await;
            let answer = line.ask(connect).await;
            assert!(
                matches!(&answer, Some(Packet::ConnAck(connack)) if connack.reason == expected),
                "{answer:?}"
            );
        }
    }
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_client_can_be_told_to_go_and_its_connection_can_be_cut() {
    let broker = Broker::builder().start().await.unwrap();
    let mut told = Line::tcp(&broker, Version::V5).await.log_in("told").await;
    assert_eq!(broker.disconnect_client("told", ReasonCode::AdministrativeAction), Ok(true));
    let goodbye = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::AdministrativeAction)));
    assert_eq!(told.next().await, Some(goodbye));
    assert_eq!(told.next().await, None);

    let mut cut = Line::tcp(&broker, Version::V5).await.log_in("cut").await;
    assert!(broker.kill_connection("cut"));
    let mut bytes = [0; 16];
    let error = cut.stream.read(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(broker.disconnect_client("told", ReasonCode::ServerBusy), Ok(false));
    assert!(!broker.kill_connection("cut"));
}

// [MQTT-4.13.1-1]
#[tokio::test]
async fn a_client_that_is_in_the_wrong_hears_why_although_it_goes_on_sending() {
    let broker = Broker::builder().start().await.unwrap();
    let mut line = Line::tcp(&broker, Version::V5).await.log_in("c").await;
    let mut bytes = b"\x36\x05\x00\x01a\x00\x01".to_vec();
    let more = publish("a", "more".repeat(100), QoS::AtMostOnce, 0);
    bytes.extend(line.encode(&vec![more; 40_000]));
    line.stream.write_all(&bytes).await.unwrap();
    let reason = Disconnect::new(ReasonCode::MalformedPacket);
    assert_eq!(line.next().await, Some(Packet::Disconnect(Box::new(reason))));
    let violations = broker.violations();
    assert_eq!(violations[0].statement, Some("MQTT-3.3.1-4"));
    let report = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| broker.assert_no_violations()));
    let text = *report.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("client `c`") && text.contains("[MQTT-3.3.1-4]"), "{text}");
}

#[tokio::test]
async fn events_are_told_in_order_and_end_with_the_broker() {
    let broker = Broker::builder().without_tcp().start().await.unwrap();
    Line::inside(&broker, Version::V3_1).await.log_in("before").await;
    let mut events = broker.events();
    let mut line = Line::inside(&broker, Version::V5).await.log_in("c").await;
    line.stream.write_all(b"\xc1\x00").await.unwrap();
    assert!(matches!(line.next().await, Some(Packet::Disconnect(_))));
    let mut told = Vec::new();
    broker.shut_down().await;
    while let Some(event) = events.next().await {
        told.push(match event {
            BrokerEvent::Connected { client_id, version, .. } => {
                format!("{client_id} connected with {version}")
            }
            BrokerEvent::Disconnected { client_id, .. } => format!("{client_id} gone"),
            BrokerEvent::Violation(violation) => format!("{} wrong", violation.client_id),
            other => panic!("{other:?}"),
        });
    }
    let of_c: Vec<&str> = told.iter().map(String::as_str).filter(|text| text.starts_with('c')).collect();
    assert_eq!(of_c, ["c connected with 5.0", "c wrong", "c gone"], "{told:?}");
}

#[tokio::test]
async fn shutting_down_says_goodbye_and_waits_and_nobody_gets_in_afterwards() {
    let broker = Broker::builder().start().await.unwrap();
    let mut line = Line::tcp(&broker, Version::V5).await.log_in("c").await;
    let address = broker.address().unwrap();
    let ending = tokio::spawn(async move {
        broker.shut_down().await;
        broker.stats().connections
    });
    let goodbye = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ServerShuttingDown)));
    assert_eq!(line.next().await, Some(goodbye));
    assert_eq!(line.next().await, None);
    drop(line);
    assert_eq!(ending.await.unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn dropping_the_broker_ends_its_connections() {
    let broker = Broker::builder().start().await.unwrap();
    let mut lines = [
        Line::tcp(&broker, Version::V5).await.log_in("a").await,
        Line::inside(&broker, Version::V3_1_1).await.log_in("b").await,
    ];
    drop(broker);
    for line in &mut lines {
        while line.next().await.is_some() {}
    }
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_without_anything_coming_in() {
    let broker = Broker::builder().without_tcp().start().await.unwrap();
    let mut line = Line::inside(&broker, Version::V5).await;
    let connect = Connect { keep_alive_secs: 10, ..clean(Version::V5, "c") };
    line.ask(connect).await;
    let before = tokio::time::Instant::now();
    let goodbye = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::KeepAliveTimeout)));
    assert_eq!(line.next().await, Some(goodbye));
    assert_eq!(before.elapsed().as_secs(), 15);
    assert_eq!(Line::inside(&broker, Version::V5).await.next().await, None, "no CONNECT in time");
}

/// A client that floods and does not read, on one side, and its broker, on the other, must not wait for each other.
#[tokio::test]
async fn a_client_that_publishes_to_itself_without_reading_does_not_stop_the_broker() {
    let broker = Broker::builder()
        .without_tcp()
        .configure(|config| {
            config.queue.messages_max = 10;
            config.full_queue_wait = Duration::from_millis(200);
        })
        .start()
        .await
        .unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut line = Line::inside(&broker, Version::V3_1_1).await.log_in("flood").await;
        line.subscribe("a", qos).await;
        let flood: Vec<Packet> = (1..=200).map(|id| publish("a", "x".repeat(10_000), qos, id)).collect();
        line.send(&flood).await;
        let mut other = Line::inside(&broker, Version::V5).await.log_in("other").await;
        other.subscribe("b", QoS::AtLeastOnce).await;
        other.send(&[qos1("b", "x", 1)]).await;
        assert_eq!(other.message().await.payload, "x");
        line.message().await;
    }
    assert!(broker.stats().dropped > 0);
    broker.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_messages_arrive_complete_and_in_order() {
    const COUNT: u32 = 100_000;
    let broker = Broker::builder().configure(|config| config.queue.messages_max = 500).start().await.unwrap();
    let mut subscriber = Line::tcp(&broker, Version::V5).await.log_in("to").await;
    subscriber.subscribe("a", QoS::AtMostOnce).await;
    let publisher = Line::tcp(&broker, Version::V3_1_1).await.log_in("from").await;
    let publishing = tokio::spawn(async move {
        let mut publisher = publisher;
        let mut unacknowledged = 0;
        for number in 0..COUNT {
            let id = u16::try_from(number % 60_000).unwrap() + 1;
            publisher.send(&[publish("a", number.to_string(), QoS::AtLeastOnce, id)]).await;
            unacknowledged += 1;
            while unacknowledged > 500 {
                assert!(matches!(publisher.next().await, Some(Packet::PubAck(_))));
                unacknowledged -= 1;
            }
        }
        publisher
    });
    for number in 0..COUNT {
        assert_eq!(subscriber.message().await.payload, number.to_string());
    }
    drop(publishing.await.unwrap());
    assert_eq!(broker.stats().dropped, 0);
    broker.assert_no_violations();
}

#[tokio::test]
async fn a_message_can_be_injected_and_connections_beyond_the_bound_are_closed() {
    let broker = Broker::builder().configure(|config| config.connections_max = 1).start().await.unwrap();
    let mut line = Line::tcp(&broker, Version::V5).await.log_in("c").await;
    line.subscribe("a", QoS::AtLeastOnce).await;
    let message = Message::new(topic("a"), "x").with_qos(QoS::AtLeastOnce);
    assert_eq!(broker.publish(&message), 1);
    assert_eq!(line.message().await.payload, "x");
    assert_eq!(Line::tcp(&broker, Version::V5).await.next().await, None);
}
