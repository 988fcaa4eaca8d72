//! Hosts of our own in network namespaces on this machine, each on a line to the one host that has the client. Everything
//! is gone when it is dropped. Needs root and iproute2.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of hosts are few and short, so that the names of their interfaces are.
const CLIENT: &str = "bl-client";

/// The client's host and those around it.
pub(super) struct Hosts {
    names: Vec<String>,
    /// What names mean to the client.
    resolver: PathBuf,
}

/// A host beside the client's.
#[derive(Clone, Copy)]
pub(super) struct Host(usize);

impl Hosts {
    /// So many hosts beside the client's, with a line to each.
    pub(super) fn new(count: usize) -> Result<Self, String> {
        let resolver = Path::new("/etc/netns").join(CLIENT);
        let mut hosts = Self { names: Vec::new(), resolver };
        hosts.add(CLIENT)?;
        for number in 0..count {
            let host = Host(number);
            let name = host.name();
            hosts.add(&name)?;
            let (near, far) = (host.near_end(), host.far_end());
            ip(&["-n", CLIENT, "link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &name])?;
            for (namespace, end, last) in [(CLIENT, near, 1), (name.as_str(), far, 2)] {
                ip(&["-n", namespace, "addr", "add", &format!("10.77.{number}.{last}/24"), "dev", &end])?;
                ip(&[
                    "-n",
                    namespace,
                    "addr",
                    "add",
                    &format!("fd77:{number}::{last}/64"),
                    "dev",
                    &end,
                    "nodad",
                ])?;
                ip(&["-n", namespace, "link", "set", &end, "up"])?;
            }
        }
        Ok(hosts)
    }

    fn add(&mut self, name: &str) -> Result<(), String> {
        // One that an interrupted run has left.
        _ = Command::new("ip").args(["netns", "del", name]).output();
        ip(&["netns", "add", name])?;
        self.names.push(name.to_owned());
        ip(&["-n", name, "link", "set", "lo", "up"])
    }

    /// Says what names mean to the client, as `/etc/hosts` does.
    pub(super) fn set_names(&self, text: &str) -> Result<(), String> {
        std::fs::create_dir_all(&self.resolver)
            .and_then(|()| std::fs::write(self.resolver.join("hosts"), text))
            .map_err(|error| format!("cannot write to {}: {error}", self.resolver.display()))
    }

    /// An IPv6 address beyond this host's line that swallows everything: the line knows whom to send to, and there nobody
    /// has the address.
    pub(super) fn black_hole(&self, host: Host) -> Result<String, String> {
        let address = format!("fd77:{}::dead", host.0);
        let shown = output(&["-n", &host.name(), "link", "show", &host.far_end()])?;
        let mut words = shown.split_whitespace();
        let hardware = words.find(|word| *word == "link/ether").and_then(|_| words.next());
        let hardware = hardware.ok_or_else(|| format!("no hardware address in: {shown}"))?;
        ip(&["-n", CLIENT, "neigh", "add", &address, "lladdr", hardware, "dev", &host.near_end()])?;
        Ok(address)
    }

    /// Cuts the line so that nothing arrives and nobody is told.
    pub(super) fn cut(&self, host: Host) -> Result<(), String> {
        ip(&["-n", &host.name(), "link", "set", &host.far_end(), "down"])
    }

    /// Lets no more than so much through to this host.
    pub(super) fn throttle(&self, host: Host, rate: &str) -> Result<(), String> {
        let end = host.near_end();
        let arguments = [
            "-n", CLIENT, "qdisc", "add", "dev", &end, "root", "tbf", "rate", rate, "burst", "16kb",
            "latency", "200ms",
        ];
        run("tc", &arguments).map(|_| ())
    }

    /// A command on the client's host.
    pub(super) fn on_client(&self, program: &Path) -> Command {
        on(CLIENT, program)
    }

    /// A command on another host.
    pub(super) fn on(&self, host: Host, program: &Path) -> Command {
        on(&host.name(), program)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            _ = Command::new("ip").args(["netns", "del", name]).output();
        }
        _ = std::fs::remove_dir_all(&self.resolver);
    }
}

impl Host {
    pub(super) const fn new(number: usize) -> Self {
        Self(number)
    }

    pub(super) fn address(self) -> String {
        format!("10.77.{}.2", self.0)
    }

    fn name(self) -> String {
        format!("bl-host{}", self.0)
    }

    fn near_end(self) -> String {
        format!("bl-near{}", self.0)
    }

    fn far_end(self) -> String {
        format!("bl-far{}", self.0)
    }
}

fn on(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments).map(|_| ())
}

fn output(arguments: &[&str]) -> Result<String, String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        format!("cannot run {program} ({error}); needs root and Debian's iproute2: apt-get install iproute2")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{program} {}: {said}", arguments.join(" ")))
}
