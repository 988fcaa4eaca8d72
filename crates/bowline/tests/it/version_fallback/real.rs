//! Real brokers that do not speak 5.0: NATS says return code 1, RabbitMQ 3.10 closes.

use std::process::Command;

use bowline::{Client, Event, QoS, Version, VersionFallback};
use bowline_testkit::ports::free_address;

use crate::counterpart::program::{Folder, Program, program};
use crate::counterpart::rabbitmq::RabbitMq;
use crate::peer::within;
use crate::version_fallback::{builder, goes_round, spoken};

/// Falls back, works up to this QoS, loses its connection and comes back in the same version.
async fn falls_back(url: &str, most: QoS) {
    let fallback = VersionFallback::to(Version::V3_1_1);
    let prefers_v5 = || builder(url).version_fallback(fallback);
    let client: Client = within(prefers_v5().client_id("c").connect()).await.expect("the broker accepts");
    assert_eq!(spoken(&client).await, Version::V3_1_1);
    goes_round(&client, most).await;

    let mut events = client.events();
    let usurper = within(builder(url).version(Version::V3_1_1).client_id("c").connect()).await;
    let usurper = usurper.expect("a second client of the same name throws the first one out");
    loop {
        match within(events.next()).await.expect("the client lives") {
            Event::VersionRefused { refused, .. } => panic!("{refused} was tried again"),
            Event::Connected(info) => {
                assert_eq!(info.version, Version::V3_1_1);
                break;
            }
            Event::Disconnected(_) => usurper.clone().abort().await,
            _ => {}
        }
    }
    within(client.disconnect()).await;
}

#[tokio::test]
#[ignore = "needs Debian's nats-server"]
async fn a_client_falls_back_to_3_1_1_with_nats_and_works() {
    let folder = Folder::new();
    let (mqtt, own) = (free_address(), free_address());
    let store = folder.path().join("store");
    let configuration = format!(
        "server_name: n1\nlisten: \"{own}\"\njetstream {{ store_dir: \"{}\" }}\nmqtt {{ listen: \"{mqtt}\" }}\n",
        store.display()
    );
    let path = folder.file("nats.conf", &configuration);
    let mut command = Command::new(program("/usr/sbin/nats-server", "nats-server"));
    let mut nats = Program::start(command.arg("-c").arg(path), &folder, "nats-server");
    nats.listens(mqtt).await;
    // It has no QoS 2.
    falls_back(&format!("mqtt://{mqtt}"), QoS::AtLeastOnce).await;
    nats.stop();
}

#[tokio::test]
#[ignore = "needs Debian's rabbitmq-server"]
async fn a_client_falls_back_to_3_1_1_with_rabbitmq_and_works() {
    let mut rabbit = RabbitMq::start().await;
    // It has no QoS 2.
    falls_back(&format!("mqtt://{}", rabbit.mqtt), QoS::AtLeastOnce).await;
    rabbit.stop();
}
