//! A pure subscriber: prints the first messages of a filter and what happens to the connection.
//!
//! `cargo run -p bowline --example subscriber -- mqtt://127.0.0.1:1883 'sensors/#'`; without arguments it brings its own
//! broker, which publishes five readings.

use std::time::Duration;

use bowline::proto::Message;
use bowline::{QoS, Subscriber, TopicName};
use bowline_broker::Broker;

const MESSAGES: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::builder().start().await?;
    let own_url = broker.address().map(|address| format!("mqtt://{address}"));
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().or(own_url).ok_or("no broker")?;
    let filter = arguments.next().unwrap_or_else(|| "bowline/example/#".into());

    // A Subscriber has no publish(): what its role forbids does not compile.
    let subscriber = Subscriber::connect(&url).await?;
    let mut readings = subscriber.subscribe(filter).qos(QoS::ExactlyOnce).await?;
    println!("granted: {:?}", readings.granted());

    tokio::spawn(async move {
        for n in 0..MESSAGES {
            let Ok(topic) = TopicName::try_from(format!("bowline/example/{n}")) else { return };
            broker.publish(&Message::new(topic, format!("reading {n}")).with_qos(QoS::AtLeastOnce));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    // A message is acknowledged when next() hands it over, not before.
    for _ in 0..MESSAGES {
        let Some(message) = readings.next().await else { break };
        println!("{} {} (QoS {})", message.topic(), message.text()?, message.qos());
    }
    subscriber.disconnect().await;
    Ok(())
}
