//! A publisher without async: ten readings at QoS 0, 1 and 2, each answered.
//!
//! `cargo run -p bowline --example blocking_publisher -- mqtt://127.0.0.1:1883`; without a URL it brings its own broker.

use std::time::Duration;

use bowline::QoS;
use bowline::blocking::Publisher;
use bowline_broker::Broker;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The broker is async, so it needs a runtime; the publisher does not.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let broker = runtime.block_on(Broker::builder().start())?;
    let own_url = broker.address().map(|address| format!("mqtt://{address}"));
    let url = std::env::args().nth(1).or(own_url).ok_or("no broker")?;

    let publisher = Publisher::connect(&url)?;
    for n in 0..10 {
        let qos = QOS[n % QOS.len()];
        // send() returns when the message is accepted; the receipt waits until the broker has it.
        let receipt = publisher.publish("bowline/example/kwh", format!("{n}.5")).qos(qos).send()?;
        match receipt.wait_timeout(Duration::from_secs(10)) {
            Ok(result) => println!("reading {n} at QoS {qos}: {:?}", result?),
            Err(_receipt) => println!("reading {n} at QoS {qos}: no answer yet"),
        }
    }
    publisher.disconnect();
    Ok(())
}
