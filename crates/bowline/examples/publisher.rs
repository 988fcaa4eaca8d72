//! A pure publisher: ten readings at QoS 0, 1 and 2, each answered.
//!
//! `cargo run -p bowline --example publisher -- mqtt://127.0.0.1:1883`; without a URL it brings its own broker.

use bowline::{Publisher, QoS};
use bowline_broker::Broker;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::builder().start().await?;
    let own_url = broker.address().map(|address| format!("mqtt://{address}"));
    let url = std::env::args().nth(1).or(own_url).ok_or("no broker")?;

    // A Publisher has no subscribe(): what its role forbids does not compile.
    let publisher = Publisher::connect(&url).await?;
    for n in 0..10 {
        let qos = QOS[n % QOS.len()];
        // send() is done when the message is accepted; the receipt when the broker has it.
        let receipt = publisher.publish("bowline/example/kwh", format!("{n}.5")).qos(qos).send().await?;
        let acknowledgement = receipt.await?;
        println!("reading {n} at QoS {qos}: {acknowledgement:?}");
    }
    publisher.disconnect().await;
    Ok(())
}
