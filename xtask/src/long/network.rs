//! What only a network shows: an address that swallows everything, a host that vanishes without a word, a narrow line.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::long::hosts::{Host, Hosts};
use crate::long::traffic::{PATIENCE, Traffic};
use crate::program::{Program, bowline};
use crate::say;

const PORT: &str = "1883";

/// `cargo xtask long network`.
pub(super) fn command(root: &Path) -> Result<(), String> {
    let bowline = bowline(root)?;
    black_hole(&bowline)?;
    vanishing_host(&bowline)?;
    narrow_line(&bowline)
}

/// The broker's name has an IPv6 address that swallows everything and an IPv4 address that works.
fn black_hole(bowline: &Path) -> Result<(), String> {
    let hosts = Hosts::new(1)?;
    let host = Host::new(0);
    let _broker = broker(&hosts, host, bowline)?;
    let hole = hosts.black_hole(host)?;
    let mut times = Vec::new();
    for names in [
        format!("{} broker.test\n", host.address()),
        format!("{hole} broker.test\n{} broker.test\n", host.address()),
    ] {
        hosts.set_names(&names)?;
        let mut command = hosts.on_client(bowline);
        command.args(["pub", "-h", "broker.test", "-t", "t", "-m", "x", "-q", "1"]);
        let started = Instant::now();
        let mut program = Program::start(&mut command)?;
        let status = program.finish(PATIENCE)?;
        if !status.success() {
            return Err(format!(
                "publishing by the name of {names:?} ended with {status}\n{}",
                program.last_words()
            ));
        }
        times.push(started.elapsed().as_secs_f64());
    }
    // The attempt at the hole alone would take 10 s.
    if times[1] > 5.0 {
        return Err(format!("with a black hole before it the broker was reached after {:.2} s", times[1]));
    }
    say(&format!(
        "published by name in {:.3} s; behind a blackholed IPv6 address in {:.3} s",
        times[0], times[1]
    ));
    Ok(())
}

/// The first host's line goes dead without a word; the client finds out by itself and goes on at the second.
fn vanishing_host(bowline: &Path) -> Result<(), String> {
    let hosts = Hosts::new(2)?;
    let (first, second) = (Host::new(0), Host::new(1));
    let _brokers = [broker(&hosts, first, bowline)?, broker(&hosts, second, bowline)?];
    let url = |host: Host| format!("mqtt://{}:{PORT}", host.address());
    // Each broker has a reader of its own, as the two know nothing of one another; only the second's is looked at.
    let mut subscriber = hosts.on_client(bowline);
    subscriber.args(["sub", "-t", "lines", "-q", "2", "-d", "--url", &url(second)]);
    let subscriber = Program::start(&mut subscriber)?;
    subscribed(&subscriber)?;
    let mut publisher = hosts.on_client(bowline);
    publisher.args(["pub", "-t", "lines", "-q", "1", "-l", "-d", "-k", "2", "--independent"]);
    let mut publisher = Program::start(publisher.args(["--url", &url(first), "--also", &url(second)]))?;
    publisher.input("at the first")?;
    publisher.until("an acknowledgement", PATIENCE, |program| {
        program.stderr().iter().any(|(_, line)| line.contains("<== PUBACK"))
    })?;
    let cut = Instant::now();
    hosts.cut(first)?;
    let mut traffic = Traffic::new(publisher, subscriber);
    let gap = traffic.next_acknowledgement(cut)?;
    say(&format!(
        "a host that vanished: {:.2} s to the first acknowledged publish at the next, with a keep-alive of 2 s",
        gap.as_secs_f64()
    ));
    traffic.send_for(Duration::from_secs(1))?;
    traffic.reconcile()
}

/// More than fits through the line at once: nothing is lost, and the keep-alive is not taken for a dead link.
fn narrow_line(bowline: &Path) -> Result<(), String> {
    let hosts = Hosts::new(1)?;
    let host = Host::new(0);
    let _broker = broker(&hosts, host, bowline)?;
    let url = format!("mqtt://{}:{PORT}", host.address());
    let mut subscriber = hosts.on_client(bowline);
    subscriber.args(["sub", "-t", "t", "-q", "2", "-C", "40", "-d", "--url", &url]);
    let mut subscriber = Program::start(&mut subscriber)?;
    subscribed(&subscriber)?;
    hosts.throttle(host, "512kbit")?;
    let mut publisher = hosts.on_client(bowline);
    publisher.args(["pub", "-t", "t", "-q", "2", "-l", "-d", "-k", "2", "--url", &url]);
    let mut publisher = Program::start(&mut publisher)?;
    let started = Instant::now();
    let line = "x".repeat(20_000);
    for _ in 0..40 {
        publisher.input(&line)?;
    }
    let status = publisher.finish(PATIENCE)?;
    let connects = publisher.stderr().iter().filter(|(_, line)| line.contains("==> CONNECT")).count();
    if !status.success() || connects != 1 {
        return Err(format!("{connects} connections, {status}\n{}", publisher.last_words()));
    }
    subscriber.finish(PATIENCE)?;
    let arrived = subscriber.stdout().iter().filter(|(_, got)| *got == line).count();
    if arrived != 40 {
        return Err(format!("{arrived} of 40 lines arrived"));
    }
    say(&format!(
        "800,000 bytes at QoS 2 through 512 kbit/s in {:.1} s on one connection with a keep-alive of 2 s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn broker(hosts: &Hosts, host: Host, bowline: &Path) -> Result<Program, String> {
    let mut command = hosts.on(host, bowline);
    let broker = Program::start(command.args(["broker", "--bind", "0.0.0.0", "--port", PORT]))?;
    broker.until("listening", PATIENCE, |program| {
        let lines = [program.stdout(), program.stderr()].concat();
        lines.iter().any(|(_, line)| line.contains(PORT))
    })?;
    Ok(broker)
}

fn subscribed(subscriber: &Program) -> Result<(), String> {
    subscriber.until("subscribing", PATIENCE, |program| {
        program.stderr().iter().any(|(_, line)| line.contains("<== SUBACK"))
    })
}
