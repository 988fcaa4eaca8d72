//! A subscriber without async: prints the first messages of a filter.
//!
//! `cargo run -p bowline --example blocking_subscriber -- mqtt://127.0.0.1:1883 'sensors/#'`; without arguments it brings its
//! own broker, which publishes five readings.

use std::time::Duration;

use bowline::blocking::Subscriber;
use bowline::proto::Message;
use bowline::{QoS, TopicName};
use bowline_broker::Broker;

const MESSAGES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The broker is async, so it needs a runtime; the subscriber does not.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let broker = runtime.block_on(Broker::builder().start())?;
    let own_url = broker.address().map(|address| format!("mqtt://{address}"));
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().or(own_url).ok_or("no broker")?;
    let filter = arguments.next().unwrap_or_else(|| "bowline/example/#".into());

    let subscriber = Subscriber::connect(&url)?;
    let readings = subscriber.subscribe(filter).qos(QoS::ExactlyOnce).call()?;
    println!("granted: {:?}", readings.granted());

    let publishing = std::thread::spawn(move || -> Result<(), String> {
        for n in 0..MESSAGES {
            let topic =
                TopicName::try_from(format!("bowline/example/{n}")).map_err(|error| error.to_string())?;
            broker.publish(&Message::new(topic, format!("reading {n}")).with_qos(QoS::AtLeastOnce));
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    });
    // A message is acknowledged when the loop gets it, not before.
    for message in readings.take(MESSAGES) {
        println!("{} {} (QoS {})", message.topic(), message.text()?, message.qos());
    }
    subscriber.disconnect();
    publishing.join().map_err(|_| "the publishing thread panicked")??;
    Ok(())
}
