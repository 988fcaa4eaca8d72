//! Publisher and subscriber over one connection: a client that hears itself.
//!
//! `cargo run -p bowline --example pubsub -- mqtt://127.0.0.1:1883`; without a URL it brings its own broker.

use bowline::{Client, QoS, Session, Version};
use bowline_broker::Broker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::builder().start().await?;
    let own_url = broker.address().map(|address| format!("mqtt://{address}"));
    let url = std::env::args().nth(1).or(own_url).ok_or("no broker")?;

    for version in Version::ALL {
        let client = Client::builder(&url)?
            .version(version)
            .client_id(format!("pubsub-{}", std::process::id()))
            .session(Session::clean())
            .connect()
            .await?;
        let mut echoes = client.subscribe("bowline/example/echo").qos(QoS::ExactlyOnce).await?;
        for n in 1..=3 {
            client.publish("bowline/example/echo", format!("hello {n}")).qos(QoS::ExactlyOnce).await?;
            let Some(echo) = echoes.next().await else { break };
            println!("MQTT {version}: {}", echo.text()?);
        }
        client.disconnect().await;
    }
    Ok(())
}
