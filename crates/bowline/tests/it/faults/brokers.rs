//! The brokers behind the fault links: our own and Mosquitto. Knows no client.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bowline_broker::Broker;

/// A broker that clients reach over TCP.
pub(super) enum AnyBroker {
    Own(Broker),
    Mosquitto(Mosquitto),
}

impl AnyBroker {
    pub(super) async fn own() -> Self {
        Self::Own(Broker::builder().start().await.expect("the broker starts"))
    }

    pub(super) fn mosquitto() -> Self {
        Self::Mosquitto(Mosquitto::start())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Own(_) => "our broker",
            Self::Mosquitto(_) => "Mosquitto",
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Own(broker) => broker.address().expect("it listens on TCP"),
            Self::Mosquitto(broker) => broker.address,
        }
    }

    /// Checks what our broker can see of the protocol; nothing with Mosquitto, which tells nobody.
    pub(super) fn assert_no_violations(&self) {
        if let Self::Own(broker) = self {
            broker.assert_no_violations();
        }
    }
}

/// A Mosquitto of the test's own.
pub(super) struct Mosquitto {
    child: Child,
    address: SocketAddr,
    config: PathBuf,
}

impl Mosquitto {
    /// Starts it on a free port; another program may take the port in between, and then another is tried.
    fn start() -> Self {
        (0..5).find_map(|_| Self::try_start()).expect("a port that stays free")
    }

    fn try_start() -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = address.expect("a free port");
        let name = format!("bowline-faults-{}-{}.conf", std::process::id(), address.port());
        let config = std::env::temp_dir().join(name);
        let mut file = std::fs::File::create(&config).expect("a place for the configuration");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n",
            address.port()
        );
        file.write_all(text.as_bytes()).expect("the configuration is written");
        let child = ["mosquitto", "/usr/sbin/mosquitto"].iter().find_map(|program| {
            let mut command = Command::new(program);
            command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let child = child.expect("mosquitto cannot be started; install the Debian package mosquitto");
        let mut broker = Self { child, address, config };
        broker.listens().then_some(broker)
    }

    fn listens(&mut self) -> bool {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if self.child.try_wait().expect("it is our child").is_some() {
                return false;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        let _removed = std::fs::remove_file(&self.config);
    }
}
