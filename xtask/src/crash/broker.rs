//! A real broker that keeps its sessions on the disk, on loopback, stopped or killed and started again with what it kept. Owns its
//! configuration; knows nothing of its clients.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::crash::books::Line;
use crate::program::Program;

/// RabbitMQ takes a quarter of a minute.
const START_PATIENCE: Duration = Duration::from_secs(90);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Writes its store when it ends, so it is asked to end and not killed.
    Mosquitto,
    /// Killed; QoS 1 and 3.1.1 only.
    Nats,
    /// Killed; QoS 1 and 3.1.1 only.
    RabbitMq,
}

impl Kind {
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let all = [Self::Mosquitto, Self::Nats, Self::RabbitMq];
        let found = all.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("crash: no broker `{name}`: there are mosquitto, nats and rabbitmq"))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// What takes long to start is used for longer.
    pub(super) const fn rounds_of_a_run(self) -> u64 {
        match self {
            Self::Mosquitto | Self::Nats => 25,
            Self::RabbitMq => 250,
        }
    }

    /// Once in so many rounds it is the broker that goes.
    pub(super) const fn rounds_between_stops(self) -> u64 {
        match self {
            Self::Mosquitto | Self::Nats => 10,
            Self::RabbitMq => 15,
        }
    }

    /// The names of the versions that it speaks, as the killed program has them.
    pub(super) const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Mosquitto => &["31", "311", "5"],
            Self::Nats | Self::RabbitMq => &["311"],
        }
    }

    /// Mosquitto 2.0.11 does not write a 5.0 session to its store whose present connection came with Clean Start, however long it
    /// should live. `mosquitto_sub -V 5 -x 1000`, without `-c`, loses its own in the same way.
    pub(super) fn forgets_sessions_begun_with_clean_start(self, version: &str) -> bool {
        self == Self::Mosquitto && version == "5"
    }

    pub(super) const fn qos_max(self) -> u8 {
        match self {
            Self::Mosquitto => 2,
            Self::Nats | Self::RabbitMq => 1,
        }
    }
}

pub(super) struct Broker {
    kind: Kind,
    folder: PathBuf,
    ports: Vec<u16>,
    process: Program,
    /// Erlang's register of nodes. RabbitMQ would leave one of its own behind.
    _epmd: Option<Program>,
    /// What it said in earlier lives.
    log: Vec<(Instant, String)>,
}

impl Broker {
    pub(super) fn start(kind: Kind, folder: &Path) -> Result<Self, String> {
        let ports = free_ports(4)?;
        let folder = folder.join(kind.name());
        let written = std::fs::create_dir_all(&folder).and_then(|()| configure(kind, &folder, &ports));
        written.map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
        let epmd = match kind {
            Kind::RabbitMq => Some(epmd(ports[2])?),
            Kind::Mosquitto | Kind::Nats => None,
        };
        let process = launch(kind, &folder, &ports)?;
        let mut broker = Self { kind, folder, ports, process, _epmd: epmd, log: Vec::new() };
        broker.wait_until_up()?;
        Ok(broker)
    }

    pub(super) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.ports[0])
    }

    /// Stops or kills it, whatever it survives, and starts it again.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        match self.kind {
            Kind::Mosquitto => {
                self.process.terminate()?;
                self.process.finish(STOP_PATIENCE)?;
            }
            Kind::Nats => self.process.kill(),
            Kind::RabbitMq => {
                kill_by_file(&self.folder.join("pid"))?;
                self.process.finish(STOP_PATIENCE)?;
            }
        }
        self.log.extend(self.process.stderr());
        self.process = launch(self.kind, &self.folder, &self.ports)?;
        self.wait_until_up()
    }

    /// All that it has said, with the time when that was read.
    pub(super) fn log(&self) -> Vec<Line> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = |(at, text): (Instant, String)| Line {
            micros: now.saturating_sub(at.elapsed()).as_micros() as u64,
            word: String::new(),
            number: None,
            rest: text,
        };
        self.log.iter().cloned().chain(self.process.stderr()).map(line).collect()
    }

    fn wait_until_up(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0])).is_ok() {
                return Ok(());
            }
            if !self.process.is_running() {
                return Err(format!("{} ended at once\n{}", self.kind.name(), self.process.last_words()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("{} does not listen\n{}", self.kind.name(), self.process.last_words()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.kind == Kind::RabbitMq {
            // One that is gone already needs no killing.
            _ = kill_by_file(&self.folder.join("pid"));
            _ = self.process.finish(STOP_PATIENCE);
        }
    }
}

fn configure(kind: Kind, folder: &Path, ports: &[u16]) -> std::io::Result<()> {
    let here = folder.display();
    match kind {
        // As root it would give up being root and could not write its store. Its log names every packet: it has to show whose
        // a loss was.
        Kind::Mosquitto => std::fs::write(
            folder.join("mosquitto.conf"),
            format!(
                "listener {} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
                 persistence_location {here}/\nlog_dest stderr\nlog_type all\nlog_timestamp_format %H:%M:%S\n\
                 max_queued_messages 0\nmax_inflight_messages 16\n",
                ports[0]
            ),
        ),
        Kind::Nats => std::fs::write(
            folder.join("nats.conf"),
            format!(
                "server_name: n\nhost: 127.0.0.1\nport: {}\njetstream {{ store_dir: \"{here}/store\" }}\n\
                 mqtt {{ host: 127.0.0.1, port: {}, ack_wait: \"1s\" }}\n",
                ports[1], ports[0]
            ),
        ),
        Kind::RabbitMq => {
            std::fs::write(folder.join("enabled_plugins"), "[rabbitmq_mqtt].\n")?;
            std::fs::write(
                folder.join("rabbitmq.conf"),
                format!(
                    "listeners.tcp.1 = 127.0.0.1:{}\nmqtt.listeners.tcp.1 = 127.0.0.1:{}\n\
                     mqtt.allow_anonymous = true\nlog.console = true\n",
                    ports[1], ports[0]
                ),
            )
        }
    }
}

fn launch(kind: Kind, folder: &Path, ports: &[u16]) -> Result<Program, String> {
    let (mut command, package) = match kind {
        Kind::Mosquitto => {
            let mut command = Command::new(sbin("mosquitto"));
            command.arg("-c").arg(folder.join("mosquitto.conf"));
            (command, "mosquitto")
        }
        Kind::Nats => {
            let mut command = Command::new(sbin("nats-server"));
            command.arg("-c").arg(folder.join("nats.conf"));
            (command, "nats-server")
        }
        Kind::RabbitMq => (rabbitmq(folder, ports)?, "rabbitmq-server"),
    };
    Program::start(&mut command).map_err(|error| format!("{error}; Debian: apt-get install {package}"))
}

/// The script of the package's versioned folder, as the one on the path wants to become another user.
fn rabbitmq(folder: &Path, ports: &[u16]) -> Result<Command, String> {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").map_err(|error| {
        format!("no RabbitMQ in /usr/lib/rabbitmq/lib ({error}); Debian: apt-get install rabbitmq-server")
    })?;
    let script = versions.filter_map(Result::ok).map(|entry| entry.path().join("sbin/rabbitmq-server"));
    let script = script.into_iter().find(|script| script.exists());
    let script = script.ok_or("no rabbitmq-server below /usr/lib/rabbitmq/lib")?;
    let mut command = Command::new(script);
    command
        .env("HOME", folder)
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", ports[2].to_string())
        .env("RABBITMQ_NODENAME", format!("crash{}@localhost", ports[0]))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
        .env("RABBITMQ_DIST_PORT", ports[3].to_string())
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    Ok(command)
}

fn epmd(port: u16) -> Result<Program, String> {
    let mut command = Command::new("epmd");
    Program::start(command.args(["-address", "127.0.0.1", "-port", &port.to_string()]))
        .map_err(|error| format!("{error}; Debian: apt-get install rabbitmq-server"))
}

/// Kills the process whose number is in the file.
fn kill_by_file(path: &Path) -> Result<(), String> {
    let number = std::fs::read_to_string(path).map_err(|error| format!("no {}: {error}", path.display()))?;
    let status = Command::new("kill").args(["-9", number.trim()]).status();
    status.map(|_| ()).map_err(|error| format!("cannot run kill: {error}"))
}

/// Debian puts it where only root's path looks.
fn sbin(name: &str) -> PathBuf {
    let debian = Path::new("/usr/sbin").join(name);
    if debian.exists() { debian } else { name.into() }
}

fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    // Held until all are known, so that no two are the same.
    let held: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let held = held.map_err(|error| format!("no free port on loopback: {error}"))?;
    let ports = held.iter().map(|listener| listener.local_addr().map(|address| address.port()));
    ports.collect::<Result<_, _>>().map_err(|error| format!("a port without a number: {error}"))
}
