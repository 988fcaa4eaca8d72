//! Many clients in one process.

use std::process::Command;
use std::sync::Arc;

use bowline::transport::TcpConnector;
use bowline::{Client, QoS, Reconnect};
use bowline_broker::Broker;

use crate::peer::within;
use crate::peers::counting::{Seen, Watching};

const CLIENTS: usize = 1_200;
/// Both ends of every connection are in this process, which has others besides.
const DESCRIPTORS: usize = 2 * CLIENTS + 200;
const IS_PREPARED: &str = "BOWLINE_HAS_DESCRIPTORS";
const NAME: &str = "peers::many::twelve_hundred_clients_connect_and_the_last_costs_no_more_than_the_first";

/// Bytes of memory that the process has of its own.
fn memory_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmData:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib * 1024)
}

/// Runs this test in a process of its own that may have enough open files.
fn prepare() {
    let this = std::env::current_exe().expect("a test has a program");
    let ended = Command::new("sh")
        .args(["-c", &format!("ulimit -n {DESCRIPTORS} && exec \"$0\" --exact \"$1\" --nocapture")])
        .arg(this)
        .arg(NAME)
        .env(IS_PREPARED, "yes")
        .output()
        .expect("there is a shell");
    let told = String::from_utf8_lossy(&ended.stdout);
    let failed = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && told.contains("1 passed"), "{told}\n{failed}");
}

/// Nothing is measured with a clock: what is counted is how often the clients touch their connections.
#[tokio::test]
async fn twelve_hundred_clients_connect_and_the_last_costs_no_more_than_the_first() {
    if std::env::var_os(IS_PREPARED).is_none() {
        return prepare();
    }
    let broker = Broker::builder().start().await.unwrap();
    let url = format!("mqtt://{}", broker.address().unwrap());
    let seen = Arc::<Seen>::default();
    let mut clients: Vec<Client> = Vec::new();
    let mut costs = Vec::new();
    let before = memory_bytes();
    for _ in 0..CLIENTS / 100 {
        let polls = seen.polls();
        for _ in 0..100 {
            let connector = Watching { inner: TcpConnector::new(), seen: seen.clone() };
            let builder = Client::builder(&url).unwrap().connector(connector).reconnect(Reconnect::Never);
            let client = within(builder.connect()).await.unwrap();
            within(client.publish("a", "1").qos(QoS::AtLeastOnce)).await.unwrap();
            clients.push(client);
        }
        costs.push(seen.polls() - polls);
    }
    assert_eq!(broker.stats().clients, CLIENTS);
    let (first, last) = (costs[0], costs[costs.len() - 1]);
    assert!(last <= first + first / 2, "polls for each hundred clients: {costs:?}");
    if let (Some(before), Some(now)) = (before, memory_bytes()) {
        let each = (now - before) / CLIENTS;
        assert!(each < 64 * 1024, "{each} bytes for a client and the broker's side of it");
        println!("{each} bytes for a client and the broker's side of it; polls {costs:?}");
    }
    // Every one of them still works, those with the highest descriptors as well.
    for client in clients {
        within(client.publish("a", "2").qos(QoS::AtLeastOnce)).await.unwrap();
        within(client.disconnect()).await;
    }
    broker.assert_no_violations();
}
