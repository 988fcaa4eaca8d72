//! A real Mosquitto for a moment: starts one on a free loopback port and stops it again. Knows nothing of what uses it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::say;

const START_PATIENCE: Duration = Duration::from_secs(10);
const VERSIONS: [(&str, &str); 3] = [("3.1", "31"), ("3.1.1", "311"), ("5.0", "5")];

/// `cargo xtask std-net`: the example without a runtime against a real broker, in every version.
pub(crate) fn std_net(root: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let broker = Mosquitto::start()?;
    for (name, argument) in VERSIONS {
        say(&format!("-- std_net, MQTT {name}, Mosquitto on {}", broker.address));
        let mut command = Command::new(&cargo);
        command.args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "bowline-proto",
            "--example",
            "std_net",
            "--",
        ]);
        let status = command
            .args([&broker.address, argument])
            .current_dir(root)
            .status()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        if !status.success() {
            return Err(format!(
                "std_net failed against Mosquitto with MQTT {name}: {status}\n{}",
                broker.log()
            ));
        }
    }
    Ok(())
}

/// A running broker; stopped when dropped.
struct Mosquitto {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Mosquitto {
    fn start() -> Result<Self, String> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("bowline-mosquitto-{}-{port}", std::process::id()));
        let written = std::fs::create_dir_all(&folder).and_then(|()| {
            // Debian's Mosquitto gives up being root, so everything goes to the log that it inherits.
            let configuration = format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n\
                 max_queued_messages 0\nmax_inflight_messages 1000\n"
            );
            std::fs::write(folder.join("mosquitto.conf"), configuration)?;
            std::fs::File::create(folder.join("log"))
        });
        let log = written.map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
        let child = Command::new(program())
            .arg("-c")
            .arg(folder.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| {
                format!("cannot start mosquitto ({error}); Debian: apt-get install mosquitto")
            })?;
        let mut broker = Self { child, address: format!("127.0.0.1:{port}"), folder };
        broker.wait_until_up()?;
        Ok(broker)
    }

    fn wait_until_up(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE {
            if TcpStream::connect(&self.address).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("mosquitto ended at once: {status}\n{}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("mosquitto does not listen on {} after {START_PATIENCE:?}\n{}", self.address, self.log()))
    }

    /// The last lines of its log.
    fn log(&self) -> String {
        let Ok(file) = std::fs::File::open(self.folder.join("log")) else { return String::new() };
        let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
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

fn free_port() -> Result<u16, String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| format!("no free port on loopback: {error}"))
}
