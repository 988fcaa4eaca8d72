//! Real brokers that do not speak 5.0: NATS says return code 1, RabbitMQ 3.10 closes.

use std::path::PathBuf;
use std::process::Command;

use bowline::{Client, Event, QoS, Version, VersionFallback};

use crate::peer::within;
use crate::version_fallback::program::{Folder, Program, free_address};
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
    let folder = Folder::new();
    let (mqtt, own, distribution) = (free_address(), free_address(), free_address());
    // A name server of its own, so that none is left behind.
    let names = free_address().port().to_string();
    let mut command = Command::new(program("/usr/bin/epmd", "epmd"));
    let _epmd =
        Program::start(command.args(["-address", "127.0.0.1", "-port", &names]), &folder, "erlang-base");

    let configuration =
        format!("listeners.tcp.1 = {own}\nmqtt.listeners.tcp.1 = {mqtt}\nmqtt.allow_anonymous = true\n");
    let configuration = folder.file("rabbitmq.conf", &configuration);
    let plugins = folder.file("enabled_plugins", "[rabbitmq_mqtt].\n");
    let mut command = Command::new(rabbitmq());
    command
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", names)
        .env("HOME", folder.path())
        .env("RABBITMQ_NODENAME", format!("bowline{}@localhost", mqtt.port()))
        .env("RABBITMQ_CONFIG_FILE", configuration.with_extension(""))
        .env("RABBITMQ_MNESIA_BASE", folder.path().join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.path().join("logs"))
        .env("RABBITMQ_PID_FILE", folder.path().join("pid"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
        .env("RABBITMQ_DIST_PORT", distribution.port().to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    let mut rabbit = Program::start(&mut command, &folder, "rabbitmq-server");
    rabbit.listens(mqtt).await;
    // It has no QoS 2.
    falls_back(&format!("mqtt://{mqtt}"), QoS::AtLeastOnce).await;
    rabbit.stop();
}

/// Debian puts some programs where only root's path looks.
fn program(debian: &str, name: &str) -> PathBuf {
    let debian = PathBuf::from(debian);
    if debian.exists() { debian } else { PathBuf::from(name) }
}

/// The program itself, not what Debian has before it, which is for one user alone.
fn rabbitmq() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let found = versions.map(|folder| folder.path().join("sbin/rabbitmq-server")).find(|path| path.exists());
    found.unwrap_or_else(|| PathBuf::from("rabbitmq-server"))
}
