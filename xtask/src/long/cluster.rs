//! Three NATS servers with JetStream as one cluster on loopback: the node in use is killed, and the session goes on at
//! another.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::long::traffic::{PATIENCE, Traffic};
use crate::program::{Folder, Program, bowline};
use crate::say;

const NODES: usize = 3;

/// `cargo xtask long cluster`.
pub(super) fn command(root: &Path) -> Result<(), String> {
    let bowline = bowline(root)?;
    let folder = Folder::new("cluster")?;
    let mut cluster = Cluster::start(folder.path())?;
    cluster.wait_until_up(&bowline)?;

    let mut subscriber = Command::new(&bowline);
    subscriber.args(["sub", "-t", "lines", "-q", "1", "-V", "311", "-i", "reader", "-c", "-k", "5", "-d"]);
    let subscriber = Program::start(subscriber.args(cluster.addresses()))?;
    subscriber.until("subscribing", PATIENCE, |program| {
        program.stderr().iter().any(|(_, line)| line.contains("<== SUBACK"))
    })?;
    let mut publisher = Command::new(&bowline);
    publisher
        .args(["pub", "-t", "lines", "-q", "1", "-V", "311", "-i", "writer", "-c", "-l", "-k", "5", "-d"]);
    let publisher = Program::start(publisher.args(cluster.addresses()))?;

    let mut traffic = Traffic::new(publisher, subscriber);
    traffic.send_for(Duration::from_secs(3))?;
    // Both are at the first node, as it is the first in their lists.
    let killed = Instant::now();
    cluster.nodes[0].kill();
    let gap = traffic.next_acknowledgement(killed)?;
    say(&format!("the node in use killed; {:.2} s to the next acknowledged publish", gap.as_secs_f64()));
    traffic.send_for(Duration::from_secs(3))?;
    traffic.reconcile()
}

struct Cluster {
    nodes: Vec<Program>,
    ports: Vec<u16>,
}

impl Cluster {
    fn start(folder: &Path) -> Result<Self, String> {
        // Held until all are known, so that no two are the same.
        let held: Result<Vec<TcpListener>, _> =
            (0..NODES * 3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
        let held = held.map_err(|error| format!("no free ports on loopback: {error}"))?;
        let ports: Result<Vec<u16>, _> =
            held.iter().map(|listener| listener.local_addr().map(|address| address.port())).collect();
        let ports = ports.map_err(|error| format!("a port without a number: {error}"))?;
        drop(held);
        let (mqtt, others) = ports.split_at(NODES);
        let (clients, routes) = others.split_at(NODES);
        let all: Vec<String> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let mut nodes = Vec::new();
        for node in 0..NODES {
            let mut text = String::new();
            _ = writeln!(text, "server_name: n{node}\nhost: 127.0.0.1\nport: {}", clients[node]);
            _ = writeln!(
                text,
                "jetstream {{ store_dir: \"{}\" }}",
                folder.join(format!("n{node}")).display()
            );
            _ = writeln!(text, "mqtt {{ host: 127.0.0.1, port: {} }}", mqtt[node]);
            _ = writeln!(
                text,
                "cluster {{ name: c, host: 127.0.0.1, port: {}, routes: [ {} ] }}",
                routes[node],
                all.join(", ")
            );
            let file = folder.join(format!("n{node}.conf"));
            std::fs::write(&file, text)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            let started = Program::start(Command::new("nats-server").arg("-c").arg(&file));
            nodes.push(started.map_err(|error| format!("{error}; Debian: apt-get install nats-server"))?);
        }
        Ok(Self { nodes, ports: mqtt.to_vec() })
    }

    /// The URL of the first, and the others as further ones.
    fn addresses(&self) -> Vec<String> {
        let url = |port: &u16| format!("mqtt://127.0.0.1:{port}");
        let mut arguments = vec!["--url".to_owned(), url(&self.ports[0])];
        for port in &self.ports[1..] {
            arguments.extend(["--also".to_owned(), url(port)]);
        }
        arguments
    }

    /// A cluster takes messages once it has chosen its leaders.
    fn wait_until_up(&self, bowline: &Path) -> Result<(), String> {
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < PATIENCE {
            let mut probe = Command::new(bowline);
            probe.args(["pub", "-t", "probe", "-m", "x", "-q", "1", "-V", "311", "-i", "probe"]);
            let output = probe.args(self.addresses()).output();
            let output = output.map_err(|error| format!("cannot run {}: {error}", bowline.display()))?;
            if output.status.success() {
                say(&format!("{NODES} nodes took a message after {:.1} s", started.elapsed().as_secs_f64()));
                return Ok(());
            }
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            std::thread::sleep(Duration::from_millis(500));
        }
        let log = self.nodes[0].last_words();
        Err(format!("the cluster takes no message within {PATIENCE:?}: {last}\n{log}"))
    }
}
