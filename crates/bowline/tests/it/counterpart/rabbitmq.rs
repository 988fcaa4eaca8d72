//! A real RabbitMQ that speaks MQTT, over TCP and over WebSocket, on free ports of loopback. Knows nothing of what is tested.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use bowline_testkit::ports::free_address;

use crate::counterpart::program::{Folder, Program, program};

/// A RabbitMQ, running or stopped for a while. Killed when dropped.
pub(crate) struct RabbitMq {
    running: Option<Program>,
    /// A name server of its own, so that none is left behind.
    _epmd: Program,
    names_port: String,
    distribution_port: String,
    pub(crate) mqtt: SocketAddr,
    pub(crate) web_mqtt: SocketAddr,
    folder: Folder,
}

impl RabbitMq {
    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        let (mqtt, web_mqtt, own) = (free_address(), free_address(), free_address());
        let names_port = free_address().port().to_string();
        let mut command = Command::new(program("/usr/bin/epmd", "epmd"));
        command.args(["-address", "127.0.0.1", "-port", &names_port]);
        let epmd = Program::start(&mut command, &folder, "erlang-base");
        folder.file(
            "rabbitmq.conf",
            &format!(
                "listeners.tcp.1 = {own}\nmqtt.listeners.tcp.1 = {mqtt}\nmqtt.allow_anonymous = true\n\
                 web_mqtt.tcp.ip = {}\nweb_mqtt.tcp.port = {}\n",
                web_mqtt.ip(),
                web_mqtt.port()
            ),
        );
        folder.file("enabled_plugins", "[rabbitmq_mqtt,rabbitmq_web_mqtt].\n");
        let distribution_port = free_address().port().to_string();
        let mut started =
            Self { running: None, _epmd: epmd, names_port, distribution_port, mqtt, web_mqtt, folder };
        started.start_again().await;
        started
    }

    /// Starts it where it was, with what it keeps on disk.
    pub(crate) async fn start_again(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(rabbitmq());
        command
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", &self.names_port)
            .env("HOME", folder)
            .env("RABBITMQ_NODENAME", format!("bowline{}@localhost", self.mqtt.port()))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder.join("logs"))
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            .env("RABBITMQ_DIST_PORT", &self.distribution_port)
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        let mut rabbit = Program::start(&mut command, &self.folder, "rabbitmq-server");
        rabbit.listens(self.mqtt).await;
        rabbit.listens(self.web_mqtt).await;
        self.running = Some(rabbit);
    }

    pub(crate) fn stop(&mut self) {
        self.running.take().expect("it runs").stop();
    }
}

/// The program itself, not what Debian has before it, which is for one user alone.
fn rabbitmq() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let found = versions.map(|folder| folder.path().join("sbin/rabbitmq-server")).find(|path| path.exists());
    found.unwrap_or_else(|| PathBuf::from("rabbitmq-server"))
}
