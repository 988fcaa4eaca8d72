//! A real Mosquitto on a free port of loopback, ended by its process id. A missing program fails the test.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bowline_testkit::ports::free_address;
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(20);

/// How many lines of its log a failed test shows, the last ones. A log that names every packet is long.
const LOG_LINES_MAX: usize = 1_000;

/// What its log says of clients that break the protocol.
const COMPLAINTS: [&str; 3] = ["protocol error", "malformed packet", "exceeded"];

/// Who may connect.
pub(crate) enum Clients<'a> {
    Anybody,
    /// Anybody, and the log names every packet.
    Logged,
    /// Those who log in with this user and password.
    Login(&'a str, &'a str),
    /// Anybody, here also by WebSocket: this version does not start without a plain listener.
    #[cfg(feature = "websocket")]
    WebSocket(SocketAddr),
    /// Those who speak TLS and show a certificate of this CA. All are PEM.
    #[cfg(feature = "tls")]
    Certified {
        roots: &'a str,
        certificate: &'a str,
        key: &'a str,
    },
}

/// A running Mosquitto. Killed when dropped.
pub(crate) struct Mosquitto {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Mosquitto {
    pub(crate) async fn start(clients: Clients<'_>) -> Self {
        Self::start_at(free_address(), clients).await
    }

    /// On this port.
    pub(super) async fn start_at(address: SocketAddr, clients: Clients<'_>) -> Self {
        let folder = new_folder();
        // Debian's Mosquitto gives up being root, so everything goes to the log that it inherits.
        let mut configuration = format!(
            "listener {} 127.0.0.1\npersistence false\nlog_dest stderr\nmax_queued_messages 0\n\
             max_inflight_messages 1000\nset_tcp_nodelay true\n",
            address.port()
        );
        configuration += &clients.configuration(&folder);
        std::fs::write(folder.join("mosquitto.conf"), configuration).expect("the folder is ours");
        let log = std::fs::File::create(folder.join("log")).expect("the folder is ours");
        let child = Command::new(program())
            .arg("-c")
            .arg(folder.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("mosquitto cannot be started ({error}); install the Debian package mosquitto")
            });
        let mut started = Self { child, address, folder };
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if started.child.try_wait().expect("it is our child").is_some() {
                break;
            }
            if started.log().contains(" running") && TcpStream::connect(address).is_ok() {
                return started;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("mosquitto does not start: {}", started.log());
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to end, waits for that, and checks its log.
    pub(crate) async fn stop(mut self) {
        // The standard library can only kill; Mosquitto is to end as it does when its machine shuts down.
        run(Command::new("sh").args(["-c", "kill \"$0\"", &self.child.id().to_string()]));
        let status = self.ended().await;
        let log = self.log();
        assert!(status.success(), "mosquitto ended with {status}: {log}");
        for complaint in COMPLAINTS {
            assert!(!log.contains(complaint), "mosquitto complained: {log}");
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("mosquitto does not end: {}", self.log());
    }

    /// What it has said so far.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("log")).expect("the log is ours");
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Clients<'_> {
    /// The lines for the listener; files that they name are written.
    fn configuration(&self, folder: &Path) -> String {
        match self {
            Self::Anybody => "allow_anonymous true\n".to_owned(),
            Self::Logged => "allow_anonymous true\nlog_type all\n".to_owned(),
            #[cfg(feature = "websocket")]
            Self::WebSocket(address) => {
                format!("allow_anonymous true\nlistener {} 127.0.0.1\nprotocol websockets\n", address.port())
            }
            Self::Login(user, password) => {
                let passwords = folder.join("passwords");
                run(Command::new("mosquitto_passwd")
                    .args(["-b", "-c"])
                    .arg(&passwords)
                    .args([user, password]));
                make_readable(&passwords);
                format!("allow_anonymous false\npassword_file {}\n", passwords.display())
            }
            #[cfg(feature = "tls")]
            Self::Certified { roots, certificate, key } => {
                let files = [("cafile", roots), ("certfile", certificate), ("keyfile", key)];
                let lines = files.map(|(option, pem)| {
                    let path = folder.join(option);
                    std::fs::write(&path, pem).expect("the folder is ours");
                    make_readable(&path);
                    format!("{option} {}\n", path.display())
                });
                lines.concat()
                    + "require_certificate true\nuse_identity_as_username true\nallow_anonymous true\n"
            }
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n"));
        }
        // Nothing can be done about a broker that is gone already or a folder that stays behind.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Debian puts it where only root's path looks.
fn program() -> &'static Path {
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() { debian } else { Path::new("mosquitto") }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be run ({error}); install the Debian package mosquitto")
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The user that Mosquitto becomes must read it.
fn make_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(path, readable).expect("the file is ours");
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("bowline-client-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written to");
    folder
}
