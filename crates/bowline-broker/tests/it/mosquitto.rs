//! The broker with clients that we did not write: `mosquitto_pub` and `mosquitto_sub`, over TCP.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bowline_broker::Broker;

/// How Mosquitto's programs call the versions.
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// A program of Mosquitto that talks to the broker.
struct Program {
    name: &'static str,
    child: Child,
}

impl Program {
    fn start(name: &'static str, broker: &Broker, arguments: &[&str]) -> Self {
        let address = broker.address().expect("the broker listens on TCP");
        let child = Command::new(name)
            .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{name} cannot be started ({error}); install the Debian package mosquitto-clients")
        });
        Self { name, child }
    }

    fn subscriber(broker: &Broker, arguments: &[&str]) -> Self {
        // It gives up after a while, so that a test cannot hang.
        let arguments: Vec<&str> = ["-W", "60"].iter().chain(arguments).copied().collect();
        Self::start("mosquitto_sub", broker, &arguments)
    }

    fn publisher(broker: &Broker, arguments: &[&str]) -> Self {
        Self::start("mosquitto_pub", broker, arguments)
    }

    /// Gives it its input, waits for its end and returns what it wrote.
    async fn finish(mut self, input: String) -> String {
        let name = self.name;
        let finished = tokio::task::spawn_blocking(move || {
            let mut stdin = self.child.stdin.take().expect("the input is piped");
            let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
            let output = self.child.wait_with_output();
            // A subscriber does not read its input, which is no error.
            drop(writing.join());
            output
        });
        let Output { status, stdout, stderr } = finished.await.expect("it runs").expect("it ends");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{name} ended with {status}: {stderr}");
        String::from_utf8(stdout).expect("the test's messages are text")
    }
}

/// Waits for something to become true of the broker.
async fn until(what: &str, is_true: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn lines(count: u32) -> String {
    (0..count).map(|number| format!("line {number}\n")).collect()
}

#[ignore = "needs Debian's mosquitto-clients; .ci/run runs it with --include-ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn lines_go_through_in_all_versions_and_qos_and_come_out_the_same() {
    let broker = Broker::builder().start().await.unwrap();
    let sent = lines(2_000);
    for from in VERSIONS {
        for to in VERSIONS {
            for qos in ["0", "1", "2"] {
                let subscriber =
                    Program::subscriber(&broker, &["-V", to, "-t", "lines/#", "-q", qos, "-C", "2000"]);
                until("subscribing", || broker.stats().subscriptions == 1).await;
                let publisher = Program::publisher(&broker, &["-V", from, "-t", "lines/a", "-q", qos, "-l"]);
                publisher.finish(sent.clone()).await;
                let got = subscriber.finish(String::new()).await;
                assert!(got == sent, "{from} to {to} with QoS {qos}: {} bytes of {}", got.len(), sent.len());
                until("leaving", || broker.stats().sessions == 0).await;
            }
        }
    }
    broker.assert_no_violations();
    assert_eq!(broker.stats().dropped, 0);
}

#[ignore = "needs Debian's mosquitto-clients; .ci/run runs it with --include-ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_gets_what_came_while_it_was_away() {
    let broker = Broker::builder().start().await.unwrap();
    for version in VERSIONS {
        let session = ["-V", version, "-c", "-i", version, "-t", "a", "-q", "2"];
        let with = |extra: &[&'static str]| -> Vec<&str> {
            session.iter().copied().chain(extra.iter().copied()).collect()
        };
        Program::subscriber(&broker, &with(&["-E"])).finish(String::new()).await;
        for qos in ["1", "2"] {
            let publisher = Program::publisher(&broker, &["-V", version, "-t", "a", "-q", qos, "-l"]);
            publisher.finish(lines(100)).await;
        }
        let got = Program::subscriber(&broker, &with(&["-C", "200"])).finish(String::new()).await;
        assert_eq!(got, lines(100).repeat(2), "{version}");
    }
    broker.assert_no_violations();
    assert_eq!(broker.stats().sessions, 3);
}

#[ignore = "needs Debian's mosquitto-clients; .ci/run runs it with --include-ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_and_wills_reach_other_programs() {
    let broker = Broker::builder().start().await.unwrap();
    for version in VERSIONS {
        let message = ["-V", version, "-t", "state", "-r", "-q", "1", "-m", version];
        Program::publisher(&broker, &message).finish(String::new()).await;
        let got = Program::subscriber(&broker, &["-V", version, "-t", "+", "-C", "1", "-F", "%r %p"]);
        assert_eq!(got.finish(String::new()).await, format!("1 {version}\n"));

        let will = ["--will-topic", "will", "--will-payload", "gone", "--will-qos", "2"];
        let arguments: Vec<&str> =
            ["-V", version, "-i", "mortal", "-t", "x"].into_iter().chain(will).collect();
        let mut mortal = Program::subscriber(&broker, &arguments);
        let watcher = Program::subscriber(&broker, &["-V", version, "-t", "will", "-q", "2", "-C", "1"]);
        until("subscribing", || broker.stats().subscriptions == 2).await;
        mortal.child.kill().unwrap();
        mortal.child.wait().unwrap();
        assert_eq!(watcher.finish(String::new()).await, "gone\n");
        until("leaving", || broker.stats().sessions == 0).await;
    }
    broker.assert_no_violations();
}

#[ignore = "needs Debian's mosquitto-clients; .ci/run runs it with --include-ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_of_megabytes_and_shared_subscriptions_work_with_other_programs() {
    let broker = Broker::builder().start().await.unwrap();
    let large = "0123456789".repeat(500_000);
    let subscriber = Program::subscriber(&broker, &["-V", "mqttv5", "-t", "a", "-q", "2", "-C", "1", "-N"]);
    until("subscribing", || broker.stats().subscriptions == 1).await;
    Program::publisher(&broker, &["-V", "mqttv5", "-t", "a", "-q", "2", "-s"]).finish(large.clone()).await;
    assert!(subscriber.finish(String::new()).await == large);
    until("leaving", || broker.stats().sessions == 0).await;

    let share = ["-V", "mqttv5", "-t", "$share/g/b", "-q", "1", "-C", "50"];
    let members = [Program::subscriber(&broker, &share), Program::subscriber(&broker, &share)];
    until("subscribing", || broker.stats().clients == 2 && broker.stats().subscriptions == 2).await;
    Program::publisher(&broker, &["-t", "b", "-q", "1", "-l"]).finish(lines(100)).await;
    let mut got = Vec::new();
    for member in members {
        got.extend(member.finish(String::new()).await.lines().map(str::to_owned).collect::<Vec<_>>());
    }
    got.sort_by_key(|line| line[5..].parse::<u32>().unwrap());
    assert_eq!(got.join("\n") + "\n", lines(100));
    broker.assert_no_violations();
}
